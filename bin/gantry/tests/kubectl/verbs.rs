//! Life of objects, verb by verb.

use super::{Fails, Has, Out, Step, walk};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {k: v}\n";
const CHANGED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {k: w}\n";

/// Life of objects, verb by verb.
const VERBS: &[Step] = &[
    (
        "get namespaces -o name",
        "",
        Out("namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n"),
    ),
    (
        "create configmap a --from-literal=x=y",
        "",
        Out("configmap/a created\n"),
    ),
    (
        "create configmap a --from-literal=x=y",
        "",
        Fails("error: failed to create configmap: configmaps \"a\" already exists"),
    ),
    ("get configmap a -o jsonpath={.data.x}", "", Out("y")),
    (
        "get configmap a --no-headers -o custom-columns=N:.metadata.name",
        "",
        Out("a\n"),
    ),
    (
        "get configmap nope",
        "",
        Fails("Error from server (NotFound): configmaps \"nope\" not found"),
    ),
    (
        "get nopes",
        "",
        Fails("error: the server doesn't have a resource type \"nopes\""),
    ),
    (
        "apply --server-side -f -",
        CONFIG_MAP,
        Out("configmap/b serverside-applied\n"),
    ),
    (
        "apply --server-side --field-manager=other -f -",
        CHANGED,
        Fails("Apply failed with 1 conflict: conflict with \"kubectl\": .data.k"),
    ),
    (
        "apply --server-side --field-manager=other --force-conflicts -f -",
        CHANGED,
        Out("configmap/b serverside-applied\n"),
    ),
    ("get configmap b -o jsonpath={.data.k}", "", Out("w")),
    ("label configmap b tier=web", "", Out("configmap/b labeled\n")),
    ("annotate configmap b note=hi", "", Out("configmap/b annotated\n")),
    ("get configmap -l tier=web -o name", "", Out("configmap/b\n")),
    (
        "get configmap -l tier!=web --field-selector metadata.name=a -o name",
        "",
        Out("configmap/a\n"),
    ),
    (
        "patch configmap b --type=merge -p {\"data\":{\"k\":null,\"m\":\"1\"}}",
        "",
        Out("configmap/b patched\n"),
    ),
    (
        "patch configmap b --type=json -p [{\"op\":\"test\",\"path\":\"/data/m\",\"value\":\"1\"},{\"op\":\"add\",\"path\":\"/data/n\",\"value\":\"2\"}]",
        "",
        Out("configmap/b patched\n"),
    ),
    (
        "get configmap b -o jsonpath={.data}",
        "",
        Out("{\"m\":\"1\",\"n\":\"2\"}"),
    ),
    (
        "create deployment web --image=example",
        "",
        Out("deployment.apps/web created\n"),
    ),
    (
        "scale deployment web --replicas=3",
        "",
        Out("deployment.apps/web scaled\n"),
    ),
    ("get deployment web -o jsonpath={.spec.replicas}", "", Out("3")),
    (
        "create namespace shop --dry-run=server",
        "",
        Out("namespace/shop created (server dry run)\n"),
    ),
    ("get namespace shop", "", Fails("(NotFound)")),
    (
        "create configmap c -n nowhere",
        "",
        Fails("namespaces \"nowhere\" not found"),
    ),
    (
        "get pods --as=somebody",
        "",
        Fails(
            "pods is forbidden: User \"somebody\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
    ),
    ("get services", "", Has(&["kubernetes   ClusterIP   10.43.0.1"])),
    ("get --raw /readyz", "", Out("ok")),
    ("delete configmap a b", "", Has(&["configmap \"a\" deleted"])),
    ("get configmap b", "", Fails("(NotFound)")),
    (
        "delete deployment --all",
        "",
        Has(&["deployment.apps \"web\" deleted"]),
    ),
];

#[test]
fn verbs_do_what_they_say() {
    walk(VERBS);
}
