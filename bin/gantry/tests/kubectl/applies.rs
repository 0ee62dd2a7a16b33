//! `apply`: three-way merge on the client and on the server, diff, prune, and the annotation of what was applied.

use super::{Fails, Has, Lacks, Out, Step, walk};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: test-pod, labels: {name: test-pod-label}}
spec:
  containers: [{name: pause, image: pause}]
";
const POD_APPLIED: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: test-pod, labels: {name: test-pod-applied}}
spec:
  containers: [{name: pause, image: pause}]
";
const A: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {prune-group: 'true'}}
";
const B: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: b, labels: {prune-group: 'true'}}
";
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIP: 10.43.0.11, ports: [{port: 80}]}
";
const SERVICE_MOVED: &str = "\
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIP: 10.43.0.12, ports: [{port: 80}]}
";
const BEFORE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: keys}
spec:
  selector: {matchLabels: {app: keys}}
  template:
    metadata: {labels: {app: keys}}
    spec:
      volumes: [{name: cache, emptyDir: {}}]
      containers: [{name: c, image: i, volumeMounts: [{mountPath: /cache, name: cache}]}]
";
const AFTER: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: keys}
spec:
  strategy: {type: Recreate, rollingUpdate: null}
  selector: {matchLabels: {app: keys}}
  template:
    metadata: {labels: {app: keys}}
    spec:
      volumes: [{name: cache, emptyDir: null, hostPath: {path: /tmp}}]
      containers: [{name: c, image: i, volumeMounts: [{mountPath: /cache, name: cache}]}]
";
const TYPO: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: typo}
spec:
  containers: [{name: c, imagge: i, image: i}]
";

#[rustfmt::skip]
const CLIENT_SIDE: &[Step] = &[
    ("apply --dry-run=server -f -", POD, Out("pod/test-pod created (server dry run)\n")),
    ("get pods -o name", "", Out("")),
    ("apply -f -", POD, Out("pod/test-pod created\n")),
    ("apply -f -", POD, Out("pod/test-pod unchanged\n")),
    ("get pod test-pod -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields", "", Out("kubectl-client-side-apply")),
    ("diff -f -", POD, Out("")),
    ("diff -f -", POD_APPLIED, Fails("-    name: test-pod-label\n+    name: test-pod-applied")),
    ("apply --dry-run=server -f -", POD_APPLIED, Out("pod/test-pod configured (server dry run)\n")),
    ("get pod test-pod -o jsonpath={.metadata.labels.name}", "", Out("test-pod-label")),
    ("apply -f -", POD_APPLIED, Out("pod/test-pod configured\n")),
    ("get pod test-pod -o jsonpath={.metadata.labels.name}", "", Out("test-pod-applied")),
    ("apply view-last-applied pod/test-pod -o json", "", Has(&["\"name\": \"test-pod-applied\""])),
    ("delete pod test-pod", "", Has(&["deleted"])),
    ("create -f -", POD, Out("pod/test-pod created\n")),
    ("apply set-last-applied -f -", POD, Fails("no last-applied-configuration annotation found")),
    ("apply set-last-applied --create-annotation=true -f -", POD, Out("pod/test-pod configured\n")),
    ("apply view-last-applied pod/test-pod -o json", "", Has(&["\"name\": \"test-pod-label\""])),
    ("apply -n other -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\n", Fails("the namespace from the provided object \"default\" does not match the namespace \"other\"")),
    ("apply -f -", SERVICE, Out("service/s created\n")),
    ("apply -f -", SERVICE_MOVED, Fails("may not change once set")),
    ("apply --force -f -", SERVICE_MOVED, Out("service/s configured\n")),
    ("get service s -o jsonpath={.spec.clusterIP}", "", Out("10.43.0.12")),
    ("apply -f -", BEFORE, Out("deployment.apps/keys created\n")),
    ("get deployment keys -o yaml", "", Has(&["type: RollingUpdate", "maxSurge: 25%", "emptyDir: {}"])),
    ("apply -f -", AFTER, Out("deployment.apps/keys configured\n")),
    ("get deployment keys -o jsonpath={.spec.strategy}{.spec.template.spec.volumes}", "", Out("{\"type\":\"Recreate\"}[{\"hostPath\":{\"path\":\"/tmp\",\"type\":\"\"},\"name\":\"cache\"}]")),
    ("apply -f -", TYPO, Fails("unknown field \"spec.containers[0].imagge\"")),
    ("apply --validate=warn -f -", TYPO, Has(&["Warning: unknown field \"spec.containers[0].imagge\"", "pod/typo created"])),
    ("replace --validate=ignore -f -", TYPO, Fails("pod updates may not change fields other than")),
];

#[test]
fn what_is_applied_on_the_client_is_merged_three_ways() {
    walk(CLIENT_SIDE);
}

#[rustfmt::skip]
const PRUNED: &[Step] = &[
    ("apply --prune -l prune-group=true -f -", A, Has(&["configmap/a created"])),
    ("apply --prune -l prune-group=true -f -", B, Has(&["configmap/b created", "configmap/a pruned"])),
    ("get configmaps -l prune-group=true -o name", "", Out("configmap/b\n")),
    ("apply --prune -f -", A, Fails("all resources selected for prune without explicitly passing --all")),
    ("apply --prune -l prune-group=true --prune-allowlist=core/v1/Secret -f -", A, Lacks(&["pruned"])),
    ("get configmaps -l prune-group=true -o name", "", Out("configmap/a\nconfigmap/b\n")),
];

#[test]
fn what_is_applied_no_more_is_pruned() {
    walk(PRUNED);
}

const SHARED: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {mine: '1', common: a}
";
const SHARED_TOO: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {yours: '1', common: b}
";
const SHARED_LESS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {common: a}
";
const SCALE: &str = "\
apiVersion: autoscaling/v1
kind: Scale
metadata: {name: keys, namespace: default}
spec: {replicas: 4}
";
const MANAGERS: &str = "get configmap shared --show-managed-fields -o jsonpath={range.metadata.managedFields[*]}{.manager}:{.operation},{end}";

#[rustfmt::skip]
const SERVER_SIDE: &[Step] = &[
    ("apply --server-side --dry-run=server -f -", SHARED, Out("configmap/shared serverside-applied (server dry run)\n")),
    ("apply --server-side -f -", SHARED, Out("configmap/shared serverside-applied\n")),
    ("apply --server-side --field-manager=you -f -", SHARED_TOO, Fails("Apply failed with 1 conflict: conflict with \"kubectl\": .data.common")),
    ("apply --server-side --field-manager=you --force-conflicts -f -", SHARED_TOO, Out("configmap/shared serverside-applied\n")),
    (MANAGERS, "", Has(&["kubectl:Apply,", "you:Apply,"])),
    ("apply --server-side -f -", SHARED_LESS, Fails("conflict with \"you\": .data.common")),
    ("apply --server-side --force-conflicts -f -", SHARED_LESS, Out("configmap/shared serverside-applied\n")),
    ("get configmap shared -o jsonpath={.data}", "", Out("{\"common\":\"a\",\"yours\":\"1\"}")),
    ("diff --server-side -f -", SHARED_LESS, Out("")),
    ("diff --server-side --force-conflicts -f -", SHARED, Fails("+  mine: \"1\"")),
    ("annotate configmap shared a=b", "", Has(&["annotated"])),
    (MANAGERS, "", Has(&["kubectl:Apply,", "you:Apply,", "kubectl-annotate:Update,"])),
    ("apply -f -", SHARED, Has(&["missing the kubectl.kubernetes.io/last-applied-configuration annotation", "configmap/shared configured"])),
    ("apply --server-side -f -", SHARED, Out("configmap/shared serverside-applied\n")),
    (MANAGERS, "", Lacks(&["client-side"])),
    ("apply --server-side -f -", BEFORE, Has(&["serverside-applied"])),
    // kubectl maps no kinds of paths below an object; what such an apply does is tested without it.
    ("apply --server-side --subresource=scale --field-manager=scaler -f -", SCALE, Fails("no matches for kind \"Scale\"")),
    ("apply --server-side --validate=false -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\nzz: 1\n", Fails(".zz: field not declared in schema")),
];

#[test]
fn what_is_applied_on_the_server_has_owners() {
    walk(SERVER_SIDE);
}
