//! What `apply` takes away: pruning by label, by list, by namespace, and by an ApplySet.

use super::{Fails, File, Has, Lacks, Out, Step, walk_with};

const A: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {prune-group: 'true'}}\nspec: {containers: [{name: c, image: i}]}\n";
const B: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: nsb, labels: {prune-group: 'true'}}\nspec: {containers: [{name: c, image: i}]}\n";
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: prune-svc, labels: {prune-group: 'true'}}\nspec: {ports: [{port: 80}]}\n";
const CLAIM_A: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a-pvc}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
const CLAIM_B: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: b-pvc}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
const WITH_NAMESPACE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: test-pod, namespace: multi-resource-ns}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: multi-resource-ns}
";
const BOGUS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foo}\n---\napiVersion: example.com/v1\nkind: Bogus\nmetadata: {name: foo}\n";
const THREE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: pod-a}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: POD-B}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: pod-c}
spec: {containers: [{name: c, image: i}]}
";
const SET_ONE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: two}\n";
const SET_LESS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n";
const CONFLICTING: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, resourceVersion: '99', labels: {name: nginx2}}
spec:
  selector: {matchLabels: {name: nginx2}}
  template: {metadata: {labels: {name: nginx2}}, spec: {containers: [{name: c, image: i}]}}
";
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, labels: {name: nginx1}}
spec:
  selector: {matchLabels: {name: nginx1}}
  template: {metadata: {labels: {name: nginx1}}, spec: {containers: [{name: c, image: i}]}}
";
const BROKEN: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, resourceVersion: '99', labels: {name: nginx3}}
spec:
  selector: {matchLabels: {name: nginx3}}
  template: {metadata: {labels: {name: other}}, spec: {containers: [{name: c, image: i}]}}
";

const FILES: &[File] = &[
    ("prune/a.yaml", A),
    ("prune/b.yaml", B),
    ("svc.yaml", SERVICE),
    ("reap/a.yaml", CLAIM_A),
    ("reap/b.yaml", CLAIM_B),
    ("ns.yaml", WITH_NAMESPACE),
    ("bogus.yaml", BOGUS),
    ("three.yaml", THREE),
    ("set.yaml", SET_ONE),
    ("less.yaml", SET_LESS),
    ("deployment.yaml", DEPLOYMENT),
    ("conflicting.yaml", CONFLICTING),
    ("broken.yaml", BROKEN),
];

#[rustfmt::skip]
const PRUNED: &[Step] = &[
    ("create ns nsb", "", Has(&["created"])),
    ("apply --namespace nsb -l prune-group=true -f prune/a.yaml", "", Out("pod/a created\n")),
    ("apply --namespace nsb --prune -l prune-group=true -f prune/b.yaml", "", Has(&["pod/b created", "pod/a pruned"])),
    ("get pods -n nsb -o name", "", Out("pod/b\n")),
    ("delete pods b -n nsb", "", Has(&["deleted"])),
    ("apply --prune -f prune", "", Fails("all resources selected for prune without explicitly passing --all")),
    ("apply --all --prune -f prune", "", Has(&["pod/a created", "pod/b created"])),
    ("get pods -A -o name", "", Out("pod/a\npod/b\n")),
    ("apply --prune -l prune-group=true -f svc.yaml --prune-allowlist core/v1/Service", "", Lacks(&["pod/a pruned"])),
    ("apply --prune -l prune-group=true -f svc.yaml", "", Has(&["pod/a pruned"])),
    ("delete svc prune-svc", "", Has(&["deleted"])),
    ("apply --all --prune -f reap/a.yaml", "", Has(&["persistentvolumeclaim/a-pvc created"])),
    ("apply --all --prune -f reap/b.yaml", "", Has(&["persistentvolumeclaim/b-pvc created", "persistentvolumeclaim/a-pvc pruned"])),
    ("delete pvc b-pvc", "", Has(&["deleted"])),
    ("delete ns nsb", "", Has(&["deleted"])),
    ("apply -n foo -f prune/b.yaml", "", Fails("the namespace from the provided object \"nsb\" does not match the namespace \"foo\".")),
    ("apply -f ns.yaml", "", Fails("namespaces \"multi-resource-ns\" not found")),
    ("apply -f ns.yaml", "", Has(&["pod/test-pod created", "namespace/multi-resource-ns unchanged"])),
    ("delete -f ns.yaml", "", Has(&["pod \"test-pod\" deleted", "namespace \"multi-resource-ns\" deleted"])),
    ("apply -f bogus.yaml", "", Fails("no matches for kind \"Bogus\" in version \"example.com/v1\"")),
    ("get configmaps foo -o name", "", Out("configmap/foo\n")),
    ("apply -f three.yaml", "", Fails("The Pod \"POD-B\" is invalid")),
    ("get pods -o name", "", Out("pod/pod-a\npod/pod-c\n")),
    ("apply -f deployment.yaml", "", Has(&["created"])),
    ("apply -f conflicting.yaml", "", Fails("Error from server (Conflict)")),
    ("apply -f conflicting.yaml --overwrite=true --force=true --grace-period=10", "", Has(&["configured"])),
    ("apply view-last-applied deploy/nginx -o json", "", Has(&["\"name\": \"nginx2\""])),
    ("apply -f broken.yaml --force", "", Fails("Invalid value")),
    ("get deployment nginx -o jsonpath={.spec.template.metadata.labels.name}", "", Out("nginx2")),
];

#[test]
fn what_is_not_applied_any_more_goes() {
    walk_with(FILES, PRUNED);
}

const MEMBERS: &str = "get configmap,secret -l applyset.kubernetes.io/part-of -o name";

#[rustfmt::skip]
const SETS: &[Step] = &[
    ("KUBECTL_APPLYSET=true apply -f set.yaml --prune --applyset=mine -n default", "", Has(&["configmap/one created", "secret/two created"])),
    (MEMBERS, "", Out("configmap/one\nsecret/two\n")),
    ("get secret mine -o jsonpath={.metadata.annotations}", "", Has(&["applyset.kubernetes.io/contains-group-kinds\":\"ConfigMap,Secret\"", "applyset.kubernetes.io/tooling\":\"kubectl/v"])),
    ("KUBECTL_APPLYSET=true apply -f less.yaml --prune --applyset=mine -n default --dry-run=server", "", Has(&["secret/two pruned (server dry run)"])),
    ("KUBECTL_APPLYSET=true apply -f less.yaml --prune --applyset=mine -n default", "", Has(&["configmap/one", "secret/two pruned"])),
    (MEMBERS, "", Out("configmap/one\n")),
    ("KUBECTL_APPLYSET=true apply -f less.yaml --prune --applyset=namespaces/default", "", Fails("is not permitted as an ApplySet parent")),
];

#[test]
fn an_applyset_owns_its_members() {
    walk_with(FILES, SETS);
}
