//! How answers are printed: templates of every command, sorting, pages, all namespaces.

use super::{Fails, Has, Lacks, Out, Step, walk};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: valid-pod, labels: {name: valid-pod}}
spec: {containers: [{name: c, image: i}]}
";
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: scale-1}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
";
const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}], selector: {a: b}}\n";
const RIGHTS: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cr}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: default}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: rb, namespace: default}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}, subjects: []}
";
const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";

#[rustfmt::skip]
const TEMPLATES: &[Step] = &[
    ("create -f - --template={{.metadata.name}}:", POD, Out("valid-pod:")),
    ("create -f -", NODE, Has(&["created"])),
    ("patch --dry-run=client pods/valid-pod -p {\"metadata\":{\"labels\":{\"x\":\"y\"}}} --type=merge --template={{.metadata.name}}:", "", Out("valid-pod:")),
    ("label --dry-run=client pods/valid-pod l=v --template={{.metadata.name}}:", "", Out("valid-pod:")),
    ("annotate --dry-run=client pods/valid-pod a=v --template={{.metadata.name}}:", "", Out("valid-pod:")),
    ("apply --dry-run=client -f - --template={{.metadata.name}}:", POD, Has(&["valid-pod:"])),
    ("autoscale --max=2 -f - --dry-run=client --template={{.metadata.name}}:", DEPLOYMENT, Out("scale-1:")),
    ("expose -f - --save-config --port=80 --target-port=8000 --dry-run=client --template={{.metadata.name}}:", DEPLOYMENT, Out("scale-1:")),
    ("run --dry-run=client --template={{.metadata.name}}: pi --image=perl --restart=OnFailure -- perl", "", Out("pi:")),
    ("taint node n1 dedicated=foo:PreferNoSchedule --template={{.metadata.name}}:", "", Out("n1:")),
    ("create -f -", DEPLOYMENT, Has(&["created"])),
    ("apply set-last-applied -f - --dry-run=client --create-annotation --template={{.metadata.name}}:", DEPLOYMENT, Out("scale-1:")),
    ("auth reconcile --dry-run=client -f - --template={{.metadata.name}}:", RIGHTS, Out("cr:r:rb:")),
    ("create clusterrole --template={{.metadata.name}}: --verb get my --non-resource-url /logs/ --resource pods", "", Out("my:")),
    ("create clusterrolebinding foo --clusterrole=my --template={{.metadata.name}}:", "", Out("foo:")),
    ("create deployment deploy --image=nginx --template={{.metadata.name}}:", "", Out("deploy:")),
    ("create cronjob pi --image=perl --schedule=@daily --template={{.metadata.name}}:", "", Out("pi:")),
    ("create job foo --from=cronjob/pi --dry-run=client --template={{.metadata.name}}:", "", Out("foo:")),
    ("create quota foo --dry-run=server --template={{.metadata.name}}:", "", Out("foo:")),
    ("create priorityclass foo --dry-run=server --template={{.metadata.name}}:", "", Out("foo:")),
    ("create serviceaccount foo --dry-run=server --template={{.metadata.name}}:", "", Out("foo:")),
    ("create rolebinding foo --clusterrole=my --dry-run=server --template={{.metadata.name}}:", "", Out("foo:")),
    ("create role my --verb=get --resource=pods --dry-run=server --template={{.metadata.name}}:", "", Out("my:")),
    ("set env pod/valid-pod --dry-run=client A=B --template={{.metadata.name}}:", "", Out("valid-pod:")),
    ("set image pod/valid-pod --dry-run=client c=nginx --template={{.metadata.name}}:", "", Out("valid-pod:")),
    ("set resources deploy/deploy --limits=memory=256Mi --dry-run=server --template={{.metadata.name}}:", "", Out("deploy:")),
    ("set selector -f - A=B --local --dry-run=client --template={{.metadata.name}}:", SERVICE, Out("s:")),
    ("set serviceaccount deploy/deploy deployer --dry-run=client --template={{.metadata.name}}:", "", Out("deploy:")),
    ("set subject clusterrolebinding/foo --user=foo --dry-run=client --template={{.metadata.name}}:", "", Out("foo:")),
    ("rollout pause deploy/deploy --template={{.metadata.name}}:", "", Out("deploy:")),
    ("rollout resume deploy/deploy --template={{.metadata.name}}:", "", Out("deploy:")),
    ("create configmap cm --dry-run=client --template={{.metadata.name}}: --output yaml", "", Has(&["kind: ConfigMap"])),
    ("get deploy/deploy -o go-template={{range.spec.template.spec.containers}}{{.image}}:{{end}}", "", Out("nginx:")),
    ("get pods -o go-template={{range.items}}{{.metadata.name}}:{{end}}", "", Out("valid-pod:")),
    ("get pods -o jsonpath={range.items[*]}{.metadata.name}{\"\\n\"}{end}", "", Out("valid-pod\n")),
    ("get pods -o jsonpath={.items[?(@.metadata.name==\"valid-pod\")].spec.containers[0].image}", "", Out("i")),
    ("get pod valid-pod -o jsonpath-as-json={.metadata.labels}", "", Has(&["\"name\": \"valid-pod\""])),
    ("get pods -o custom-columns=NAME:.metadata.name,NONE:.metadata.nope", "", Out("NAME        NONE\nvalid-pod   <none>\n")),
    ("get nodes,deployments -o name", "", Out("node/n1\ndeployment.apps/deploy\ndeployment.apps/scale-1\n")),
    ("get nodes/n1 service/kubernetes -o go-template={{range.items}}{{.metadata.name}}:{{end}}", "", Out("n1:kubernetes:")),
];

#[test]
fn every_command_prints_by_a_template() {
    walk(TEMPLATES);
}

const SORTED: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: sorted-pod1, labels: {name: sorted-pod3-label}}
spec: {containers: [{name: kubernetes-pause2, image: i, resources: {requests: {memory: 1Gi, cpu: '2'}, limits: {memory: 2Gi, cpu: '2'}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sorted-pod2, labels: {name: sorted-pod2-label}}
spec: {containers: [{name: kubernetes-pause1, image: i, resources: {requests: {memory: 2Gi, cpu: '3'}, limits: {memory: 3Gi, cpu: '4'}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sorted-pod3, labels: {name: sorted-pod1-label}}
spec: {containers: [{name: kubernetes-pause3, image: i, resources: {requests: {memory: 512Mi, cpu: 500m}, limits: {memory: 1Gi, cpu: '1'}}}]}
";
const FORWARD: &str = "pod/sorted-pod1\npod/sorted-pod2\npod/sorted-pod3\n";
const BACKWARD: &str = "pod/sorted-pod3\npod/sorted-pod2\npod/sorted-pod1\n";
const BY_SIZE: &str = "pod/sorted-pod3\npod/sorted-pod1\npod/sorted-pod2\n";

#[rustfmt::skip]
const SORTS: &[Step] = &[
    ("get pods --sort-by={metadata.name}", "", Has(&["No resources found"])),
    ("create -f -", SORTED, Has(&["pod/sorted-pod3 created"])),
    ("get pods --sort-by={metadata.name} -o name", "", Out(FORWARD)),
    ("get pods --sort-by={metadata.labels.name} -o name", "", Out(BACKWARD)),
    ("get pods --sort-by={spec.containers[0].name} -o name", "", Out("pod/sorted-pod2\npod/sorted-pod1\npod/sorted-pod3\n")),
    ("get pods --sort-by={metadata.creationTimestamp} -o name", "", Out(FORWARD)),
    ("get pods --sort-by={.spec.containers[0].resources.requests.memory} -o name", "", Out(BY_SIZE)),
    ("get pods --sort-by={.spec.containers[0].resources.limits.cpu} -o name", "", Out(BY_SIZE)),
    ("get pods --sort-by={spec.containers[0].name} --server-print=false --no-headers", "", Has(&["sorted-pod2", "sorted-pod1", "sorted-pod3"])),
    ("get pods --sort-by={spec.nope} -o name", "", Fails("couldn't find any field with path")),
    ("get pods --sort-by=.metadata.labels.name --no-headers -o custom-columns=N:.metadata.name", "", Out("sorted-pod3\nsorted-pod2\nsorted-pod1\n")),
    ("get pods --chunk-size=1 -o name", "", Out(FORWARD)),
    ("get pods --chunk-size=1 -l 'name in (sorted-pod1-label,sorted-pod3-label)' -o name", "", Out("pod/sorted-pod1\npod/sorted-pod3\n")),
    ("create namespace other", "", Has(&["created"])),
    ("create serviceaccount test -n other", "", Has(&["created"])),
    ("get serviceaccounts -A", "", Has(&["NAMESPACE", "default", "other"])),
    ("get pods -A --namespace=other -o name", "", Out(FORWARD)),
    ("get pod sorted-pod1 --all-namespaces", "", Fails("a resource cannot be retrieved by name across all namespaces")),
    ("get namespaces --all-namespaces", "", Lacks(&["NAMESPACE"])),
    ("get componentstatuses --warnings-as-errors", "", Fails("1 warning received")),
    ("get cs", "", Has(&["NAME", "controller-manager   Healthy", "etcd-0               Healthy", "scheduler            Unhealthy"])),
    ("get cs etcd-0 -o jsonpath={.conditions[0].type}{.conditions[0].status}{.conditions[0].message}", "", Out("HealthyTrueok")),
    ("get cs -o name", "", Out("componentstatus/controller-manager\ncomponentstatus/etcd-0\ncomponentstatus/scheduler\n")),
    ("get cs nope", "", Fails("Error from server: Component not found: nope")),
    ("describe cs etcd-0", "", Has(&["Name:         etcd-0", "Conditions:"])),
    ("delete pods --all --grace-period=0 --force", "", Has(&["pod \"sorted-pod1\" force deleted"])),
];

#[test]
fn lists_are_sorted_and_paged() {
    walk(SORTS);
}
