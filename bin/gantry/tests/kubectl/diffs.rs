//! `diff` tells what would change and changes nothing.

use super::{Exits, Fails, File, Has, Lacks, Out, Step, walk_with};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: test-pod, labels: {name: test-pod-label}}
spec: {containers: [{name: c, image: pause:3.3}]}
";
const CHANGED: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: test-pod, labels: {name: test-pod-label}}
spec: {containers: [{name: c, image: pause:3.4}]}
";
const INVALID: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: invalid, labels: {name: test-pod-label}}
spec: {containers: [{name: c}]}
";
const A: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: nsb, labels: {prune-group: 'true'}}\nspec: {containers: [{name: c, image: i}]}\n";
const B: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: nsb, labels: {prune-group: 'true'}}\nspec: {containers: [{name: c, image: i}]}\n";
const SAME: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: test}
---
apiVersion: v1
kind: Secret
metadata: {name: test}
stringData: {k: v}
";

const FILES: &[File] = &[
    ("pod.yaml", POD),
    ("changed.yaml", CHANGED),
    ("invalid.yaml", INVALID),
    ("a.yaml", A),
    ("b.yaml", B),
    ("same.yaml", SAME),
];

#[rustfmt::skip]
const DIFFS: &[Step] = &[
    ("diff -f pod.yaml", "", Exits(1, "+  name: test-pod")),
    ("get pods -o name", "", Out("")),
    ("apply -f pod.yaml", "", Out("pod/test-pod created\n")),
    ("get pod test-pod -o jsonpath={.metadata.generation}", "", Out("1")),
    ("diff -f pod.yaml", "", Exits(0, "")),
    ("diff -f changed.yaml", "", Exits(1, "+  - image: pause:3.4")),
    ("diff -f changed.yaml --server-side --force-conflicts", "", Exits(1, "pause:3.4")),
    ("get pod test-pod -o jsonpath={.spec.containers[0].image}", "", Out("pause:3.3")),
    ("diff -f invalid.yaml", "", Exits(2, "spec.containers[0].image: Required value")),
    ("diff -f nope.yaml", "", Fails("does not exist")),
    ("delete -f pod.yaml", "", Has(&["deleted"])),
    ("diff --server-side -f pod.yaml", "", Exits(1, "test-pod")),
    ("get pods -o name", "", Out("")),
    ("apply --server-side -f pod.yaml", "", Out("pod/test-pod serverside-applied\n")),
    ("diff --server-side -f pod.yaml", "", Exits(0, "")),
    ("diff --server-side -f changed.yaml", "", Exits(1, "pause:3.4")),
    ("create ns nsb", "", Has(&["created"])),
    ("apply -n nsb -l prune-group=true -f a.yaml", "", Out("pod/a created\n")),
    ("diff -l prune-group=true -f b.yaml", "", Exits(1, "name: b")),
    ("diff --prune -l prune-group=true -f b.yaml", "", Exits(1, "-  name: a")),
    ("apply --prune -n nsb -l prune-group=true -f b.yaml", "", Has(&["pod/b created", "pod/a pruned"])),
    ("diff --prune -l prune-group=true -f b.yaml", "", Exits(0, "")),
    ("KUBECTL_EXTERNAL_DIFF=find diff -f same.yaml", "", Has(&["v1.ConfigMap.default.test", "v1.Secret.default.test"])),
    ("diff -f same.yaml", "", Exits(1, "k: '***'")),
    ("diff -f same.yaml --show-managed-fields", "", Exits(1, "managedFields")),
    ("diff -f pod.yaml --concurrency=4", "", Lacks(&["error"])),
];

#[test]
fn what_would_change_is_told() {
    walk_with(FILES, DIFFS);
}
