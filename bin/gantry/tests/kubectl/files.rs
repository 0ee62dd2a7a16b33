//! Objects from files: directories, recursion over malformed ones, labels that choose, lists, kustomizations.

use super::{Exits, Fails, File, Has, Lacks, Out, Step, walk_with};

const CHOSEN: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: chosen, labels: {unique-label: bingbang}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: left, labels: {unique-label: other}}
spec: {containers: [{name: c, image: i}]}
";
const FIRST: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: busybox0, labels: {app: busybox0}}
spec: {containers: [{name: busybox, image: busybox}]}
";
const SECOND: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: busybox1, labels: {app: busybox1}}
spec: {containers: [{name: busybox, image: busybox}]}
";
const MALFORMED: &str = "apiVersion: v1\nind: Pod\nmetadata: {name: busybox2}\nspec: {containers: [{name: busybox, image: busybox}]}\n";
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx0}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
";
const CONTROLLERS: &str = "\
apiVersion: v1
kind: ReplicationController
metadata: {name: rc0}
spec:
  replicas: 1
  selector: {a: b}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: rc1}
spec:
  replicas: 1
  selector: {a: b}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
";
const MOCKS: &str = r#"{"kind":"List","apiVersion":"v1","items":[
{"kind":"Service","apiVersion":"v1","metadata":{"name":"mock","labels":{"status":"new"}},"spec":{"ports":[{"port":99}],"selector":{"app":"mock"}}},
{"kind":"ReplicationController","apiVersion":"v1","metadata":{"name":"mock","labels":{"status":"new"}},"spec":{"replicas":1,"selector":{"app":"mock"},
 "template":{"metadata":{"labels":{"app":"mock"}},"spec":{"containers":[{"name":"mock","image":"pause"}]}}}}]}"#;
const SERVICES: &str = r#"{"kind":"ServiceList","apiVersion":"v1","metadata":{},"items":[
{"metadata":{"name":"typed1"},"spec":{"ports":[{"port":99}]}},{"metadata":{"name":"typed2"},"spec":{"ports":[{"port":99}]}}]}"#;
const INVALID: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: invalid}
spec:
  replicas: 1
  foo: bar
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i, imagePullPolicy: Always, imagePullPolicy: Never}]}}
";
const KUSTOMIZATION: &str = "\
resources: [parts.yaml]
namePrefix: test-
commonLabels: {app: kustomized}
configMapGenerator: [{name: gen, literals: [a=b]}]
generatorOptions: {disableNameSuffixHash: true}
images: [{name: i, newTag: '7'}]
";
const PARTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: {k: v}
---
apiVersion: v1
kind: Service
metadata: {name: service}
spec: {ports: [{port: 80}], selector: {a: b}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: deployment}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
";

const FILES: &[File] = &[
    ("chosen.yaml", CHOSEN),
    ("many/a.yaml", FIRST),
    ("many/deep/b.yaml", SECOND),
    ("many/deep/broken.yaml", MALFORMED),
    ("deploy/a.yaml", DEPLOYMENT),
    ("rc/a.yaml", CONTROLLERS),
    ("mocks.json", MOCKS),
    ("services.json", SERVICES),
    ("invalid.yaml", INVALID),
    ("kustom/kustomization.yaml", KUSTOMIZATION),
    ("kustom/parts.yaml", PARTS),
];

const MISSING: &str = "Object 'Kind' is missing";

#[rustfmt::skip]
const READ: &[Step] = &[
    ("create -l unique-label=bingbang -f chosen.yaml", "", Out("pod/chosen created\n")),
    ("get pods left", "", Fails("pods \"left\" not found")),
    ("get -f chosen.yaml", "", Fails("pods \"left\" not found")),
    ("delete -f chosen.yaml -l unique-label=bingbang", "", Has(&["pod \"chosen\" deleted"])),
    ("apply -l unique-label=bingbang -f chosen.yaml", "", Out("pod/chosen created\n")),
    ("delete pods chosen", "", Has(&["pod \"chosen\" deleted"])),
    ("create -f many --recursive", "", Fails("error validating data: kind not set")),
    ("get pods -o name", "", Out("pod/busybox0\npod/busybox1\n")),
    ("KUBE_EDITOR=cat edit -f many --recursive", "", Fails(MISSING)),
    ("replace -f many --recursive", "", Fails("error validating data: kind not set")),
    ("describe -f many --recursive", "", Fails(MISSING)),
    ("describe -f many --recursive", "", Fails("app=busybox1")),
    ("annotate -f many k=v --recursive", "", Fails(MISSING)),
    ("label -f many k=v --recursive", "", Fails(MISSING)),
    ("patch -f many -p {\"spec\":{\"containers\":[{\"name\":\"busybox\",\"image\":\"prom/busybox\"}]}} --recursive", "", Fails(MISSING)),
    ("get pods -o jsonpath={range.items[*]}{.metadata.annotations.k}{.metadata.labels.k}{.spec.containers[0].image}:{end}", "", Out("vvprom/busybox:vvprom/busybox:")),
    ("apply -f many --recursive", "", Fails("error validating data: kind not set")),
    ("get -f many --recursive -o go-template={{range.items}}{{.metadata.name}}:{{end}}", "", Fails("busybox0:busybox1:")),
    ("delete -f many --recursive --grace-period=0 --force", "", Fails(MISSING)),
    ("get pods -o name", "", Out("")),
    ("create -f rc", "", Out("replicationcontroller/rc0 created\nreplicationcontroller/rc1 created\n")),
    ("autoscale --min=1 --max=2 -f rc", "", Has(&["rc0 autoscaled", "rc1 autoscaled"])),
    ("expose -f rc --port=80", "", Out("service/rc0 exposed\nservice/rc1 exposed\n")),
    ("scale --current-replicas=1 --replicas=2 -f rc", "", Out("replicationcontroller/rc0 scaled\nreplicationcontroller/rc1 scaled\n")),
    ("rollout undo -f rc --to-revision=1", "", Fails("no rollbacker has been implemented for \"ReplicationController\"")),
    ("rollout pause -f rc", "", Fails("replicationcontrollers \"rc0\" pausing is not supported")),
    ("rollout resume -f rc", "", Fails("replicationcontrollers \"rc1\" resuming is not supported")),
    ("delete -f rc", "", Has(&["replicationcontroller \"rc0\" deleted", "replicationcontroller \"rc1\" deleted"])),
    ("delete hpa,svc rc0 rc1", "", Has(&["horizontalpodautoscaler.autoscaling \"rc0\" deleted", "service \"rc1\" deleted"])),
    ("create -f deploy", "", Has(&["created"])),
    ("rollout pause -f deploy", "", Out("deployment.apps/nginx0 paused\n")),
    ("get deployment nginx0 -o jsonpath={.spec.paused}", "", Out("true")),
    ("rollout resume -f deploy", "", Out("deployment.apps/nginx0 resumed\n")),
    ("get deployment nginx0 -o go-template={{.spec.paused}}", "", Out("<no value>")),
    ("delete -f deploy", "", Has(&["deleted"])),
];

#[test]
fn files_are_read_and_malformed_ones_told() {
    walk_with(FILES, READ);
}

#[rustfmt::skip]
const LISTS: &[Step] = &[
    ("create -f mocks.json", "", Out("service/mock created\nreplicationcontroller/mock created\n")),
    ("get -f mocks.json", "", Has(&["service/mock", "replicationcontroller/mock"])),
    ("get -f mocks.json --watch", "", Fails("watch is only supported on individual resources and resource collections")),
    ("describe -f mocks.json", "", Has(&["Name:", "Pods Status:", "Endpoints:"])),
    ("replace -f mocks.json --force --cascade=background", "", Has(&["service/mock replaced", "replicationcontroller/mock replaced"])),
    ("'KUBE_EDITOR=sed -i s/new$/edited/' edit -f mocks.json", "", Out("service/mock edited\nreplicationcontroller/mock edited\n")),
    ("get svc,rc -l status=edited -o name", "", Out("service/mock\nreplicationcontroller/mock\n")),
    ("label -f mocks.json labeled=true --overwrite", "", Out("service/mock labeled\nreplicationcontroller/mock labeled\n")),
    ("annotate -f mocks.json annotated=true --overwrite", "", Out("service/mock annotated\nreplicationcontroller/mock annotated\n")),
    ("delete -f mocks.json", "", Has(&["service \"mock\" deleted", "replicationcontroller \"mock\" deleted"])),
    ("'EDITOR=sed -i s/mock/modified/g' create --edit -f mocks.json", "", Has(&["service/modified created", "replicationcontroller/modified created"])),
    ("delete service/modified rc/modified", "", Has(&["service \"modified\" deleted"])),
    ("EDITOR=cat create --edit -f mocks.json -o json", "", Has(&["Edit cancelled"])),
    ("create -f services.json", "", Out("service/typed1 created\nservice/typed2 created\n")),
    ("delete -f services.json", "", Has(&["service \"typed2\" deleted"])),
    ("create -f invalid.yaml", "", Fails("strict decoding error: ")),
    ("create -f invalid.yaml --validate", "", Fails("unknown field \"spec.foo\"")),
    ("create -f invalid.yaml --validate=true", "", Fails("error")),
    ("create -f invalid.yaml --validate=warn", "", Has(&["unknown field \"spec.foo\"", "deployment.apps/invalid created"])),
    ("delete deployment invalid", "", Has(&["deleted"])),
    ("create -f invalid.yaml --validate=ignore", "", Out("deployment.apps/invalid created\n")),
    ("create -f invalid.yaml --validate=foo", "", Fails("invalid - validate option \"foo\"")),
    ("create --raw /api/v1/namespaces -f chosen.yaml", "", Fails("the object provided is unrecognized (must be of type Namespace)")),
    ("create --raw /api/v1/namespaces -f mocks.json --edit", "", Fails("raw and --edit are mutually exclusive")),
    ("create", "", Fails("must specify one of -f and -k")),
    ("create -f nope.yaml", "", Fails("the path \"nope.yaml\" does not exist")),
    ("create -k kustom", "", Out("configmap/test-gen created\nconfigmap/test-map created\nservice/test-service created\ndeployment.apps/test-deployment created\n")),
    ("get -k kustom -o jsonpath={..metadata.name}", "", Has(&["test-gen", "test-map", "test-service", "test-deployment"])),
    ("get deployment test-deployment -o jsonpath={.spec.template.spec.containers[0].image},{.spec.selector.matchLabels.app}", "", Out("i:7,kustomized")),
    ("diff -k kustom", "", Exits(0, "")),
    ("apply -k kustom", "", Has(&["configmap/test-map configured", "deployment.apps/test-deployment configured"])),
    ("apply -k kustom", "", Has(&["configmap/test-map unchanged", "deployment.apps/test-deployment unchanged"])),
    ("delete -k kustom", "", Has(&["configmap \"test-map\" deleted", "deployment.apps \"test-deployment\" deleted"])),
    ("get configmaps,deployments -l app=kustomized -o name", "", Lacks(&["test-"])),
    ("kustomize kustom", "", Has(&["name: test-map", "image: i:7"])),
];

#[test]
fn lists_and_kustomizations_are_many_objects() {
    walk_with(FILES, LISTS);
}
