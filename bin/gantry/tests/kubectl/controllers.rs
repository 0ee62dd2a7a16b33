//! What controllers do, as kubectl sees it: namespaces that end, owners and their dependents, accounts and trust.

use testkit::daemon::Daemon;

use super::{Fails, Has, Lacks, Out, Step, kubectl, walk, walk_on};

/// A ConfigMap that owns another; `UID` is put in.
const OWNED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME\n  ownerReferences:\n  - {apiVersion: v1, kind: ConfigMap, name: owner, uid: UID, blockOwnerDeletion: true}\n";

#[test]
fn namespaces_begin_and_end() {
    const STEPS: &[Step] = &[
        ("create ns x", "", Out("namespace/x created\n")),
        // One by one: where two are missing at once, kubectl takes that for an error and gives up.
        (
            "wait --for=create sa/default -n x --timeout=10s",
            "",
            Out("serviceaccount/default condition met\n"),
        ),
        (
            "wait --for=create cm/kube-root-ca.crt -n x --timeout=10s",
            "",
            Out("configmap/kube-root-ca.crt condition met\n"),
        ),
        ("get sa default -n x -o name", "", Out("serviceaccount/default\n")),
        ("create configmap a -n x", "", Out("configmap/a created\n")),
        (
            "create deployment web -n x --image=i",
            "",
            Out("deployment.apps/web created\n"),
        ),
        ("run p -n x --image=i", "", Out("pod/p created\n")),
        // It returns when the namespace is gone.
        ("delete ns x --timeout=30s", "", Has(&["namespace \"x\" deleted"])),
        ("get ns x", "", Fails("namespaces \"x\" not found")),
        ("get all,cm,sa -n x", "", Lacks(&["/"])),
        ("create ns x", "", Out("namespace/x created\n")),
    ];
    walk(STEPS);
}

#[test]
fn a_namespace_says_what_it_waits_for() {
    const HELD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, namespace: held, finalizers: [example.com/hold]}\n";
    const STEPS: &[Step] = &[
        ("create ns held", "", Out("namespace/held created\n")),
        ("create -f -", HELD, Out("configmap/held created\n")),
        (
            "delete ns held --wait=false",
            "",
            Has(&["namespace \"held\" deleted"]),
        ),
        (
            "wait ns/held --for=condition=NamespaceFinalizersRemaining --timeout=10s",
            "",
            Out("namespace/held condition met\n"),
        ),
        (
            "describe ns held",
            "",
            Has(&[
                "Status:       Terminating",
                "example.com/hold in 1 resource instances",
                "configmaps. has 1 resource instances",
            ]),
        ),
        (
            "create configmap late -n held",
            "",
            Fails("because it is being terminated"),
        ),
        (
            "patch cm held -n held --type=merge -p '{\"metadata\":{\"finalizers\":null}}'",
            "",
            Out("configmap/held patched\n"),
        ),
        ("wait ns/held --for=delete --timeout=20s", "", Has(&[""])),
        ("get ns held", "", Fails("not found")),
    ];
    walk(STEPS);
}

#[test]
fn dependents_go_or_stay_as_the_cascade_says() {
    let daemon = Daemon::api();
    for (cascade, left) in [
        ("background", ""),
        ("foreground", ""),
        ("orphan", "configmap/a\nconfigmap/b\n"),
    ] {
        walk_on(
            &daemon,
            &[("create configmap owner", "", Out("configmap/owner created\n"))],
        );
        let uid = kubectl(&daemon, "get configmap owner -o jsonpath={.metadata.uid}")
            .output()
            .unwrap();
        let uid = String::from_utf8(uid.stdout).unwrap();
        for name in ["a", "b"] {
            let manifest = OWNED.replace("UID", &uid).replace("NAME", name);
            let created = super::with_input(kubectl(&daemon, "create -f -"), &manifest);
            assert!(
                created.status.success(),
                "{}",
                String::from_utf8_lossy(&created.stderr)
            );
        }
        let words = format!("delete configmap owner --cascade={cascade} --timeout=30s");
        assert!(
            kubectl(&daemon, &words).output().unwrap().status.success(),
            "{cascade}"
        );
        if left.is_empty() {
            let gone = kubectl(&daemon, "wait cm/a cm/b --for=delete --timeout=20s")
                .output()
                .unwrap();
            assert!(
                gone.status.success(),
                "{cascade}: {}",
                String::from_utf8_lossy(&gone.stderr)
            );
        }
        let found = kubectl(&daemon, "get cm a b --ignore-not-found -o name")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(found.stdout).unwrap(), left, "{cascade}");
        if !left.is_empty() {
            let owners = kubectl(&daemon, "get cm a -o jsonpath={.metadata.ownerReferences}")
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(owners.stdout).unwrap(), "", "{cascade}");
            let deleted = kubectl(&daemon, "delete cm a b").output().unwrap();
            assert!(deleted.status.success());
        }
    }
}

#[test]
fn roles_aggregate_and_secrets_get_tokens() {
    const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: more, labels: {rbac.authorization.k8s.io/aggregate-to-view: \"true\"}}\nrules: [{apiGroups: [example.com], resources: [widgets], verbs: [get]}]\n";
    const SECRET: &str = "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\nmetadata: {name: t, annotations: {kubernetes.io/service-account.name: default}}\n";
    const STEPS: &[Step] = &[
        (
            "create -f -",
            ROLE,
            Out("clusterrole.rbac.authorization.k8s.io/more created\n"),
        ),
        (
            "wait clusterrole/view --for=jsonpath={.rules[?(@.apiGroups[0]==\"example.com\")].resources[0]}=widgets --timeout=10s",
            "",
            Has(&["condition met"]),
        ),
        ("create -f -", SECRET, Out("secret/t created\n")),
        (
            "wait secret/t --for=jsonpath={.data.token} --timeout=10s",
            "",
            Has(&["condition met"]),
        ),
        (
            "get secret t -o jsonpath={.data.namespace}",
            "",
            Out("ZGVmYXVsdA=="),
        ),
        ("delete sa default", "", Has(&["deleted"])),
        ("wait secret/t --for=delete --timeout=10s", "", Has(&[""])),
    ];
    walk(STEPS);
}
