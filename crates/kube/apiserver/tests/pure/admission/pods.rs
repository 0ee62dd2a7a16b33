//! What every pod gets: an account, a token, a priority, patience with nodes, what its runtime class says.

use serde_json::{Value, json};

use super::{PODS, make, pod, refused};
use crate::door::Door;

const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";
const RUNTIMES: &str = "/apis/node.k8s.io/v1/runtimeclasses";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

#[test]
fn a_plain_pod_is_completed() {
    let door = Door::open();
    let made = make(&door, PODS, &pod("p", json!({})));
    let spec = |pointer: &str| made.at(&format!("/spec/{pointer}"));
    assert_eq!(spec("serviceAccountName"), "default");
    assert_eq!(spec("serviceAccount"), "default");
    assert_eq!(spec("priority"), 0);
    assert_eq!(spec("preemptionPolicy"), "PreemptLowerPriority");
    assert_eq!(spec("priorityClassName"), Value::Null);
    let toleration = |key: &str| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    assert_eq!(
        spec("tolerations"),
        json!([toleration("not-ready"), toleration("unreachable")])
    );
    let volume = spec("volumes/0/name");
    let name = volume.as_str().unwrap();
    let chance = name.strip_prefix("kube-api-access-").unwrap();
    assert_eq!(chance.len(), 5, "{name}");
    assert_eq!(
        spec("volumes/0/projected"),
        json!({"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]})
    );
    assert_eq!(
        spec("containers/0/volumeMounts"),
        json!([{"name": name, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])
    );
    // The client owns what it said, and nothing that it was given.
    let owned = made.at("/metadata/managedFields/0/fieldsV1").to_string();
    for given in ["f:tolerations", "f:volumes", "f:priority", "f:serviceAccount"] {
        assert!(!owned.contains(given), "{given} in {owned}");
    }
}

#[test]
fn a_pod_is_not_completed_twice() {
    let door = Door::open();
    let made = make(&door, PODS, &pod("p", json!({})));
    let again = door.send("PUT", &format!("{PODS}/p"), &made.text);
    assert_eq!(again.code, 200, "{again:?}");
    assert_eq!(again.json(), made.json());
}

#[test]
fn an_account_must_exist_and_lends_its_secrets() {
    let door = Door::open();
    refused(
        &door,
        PODS,
        &pod("p", json!({"serviceAccountName": "who"})),
        403,
        r#"pods "p" is forbidden: error looking up service account default/who: serviceaccount "who" not found"#,
    );
    make(
        &door,
        ACCOUNTS,
        &json!({"metadata": {"name": "robot"}, "automountServiceAccountToken": false, "imagePullSecrets": [{"name": "pull"}]}),
    );
    let made = make(&door, PODS, &pod("p", json!({"serviceAccountName": "robot"})));
    assert_eq!(made.at("/spec/imagePullSecrets"), json!([{"name": "pull"}]));
    assert_eq!(made.at("/spec/volumes"), Value::Null);
    let own = json!({"serviceAccountName": "robot", "automountServiceAccountToken": true});
    let made = make(&door, PODS, &pod("q", own));
    assert!(made.at("/spec/volumes/0/projected").is_object());
}

#[test]
fn an_account_may_limit_its_pods_secrets() {
    let door = Door::open();
    make(
        &door,
        ACCOUNTS,
        &json!({
            "metadata": {"name": "strict", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
            "secrets": [{"name": "mine"}],
        }),
    );
    let with = |secret: &str| {
        pod(
            "p",
            json!({"serviceAccountName": "strict", "volumes": [{"name": "v", "secret": {"secretName": secret}}]}),
        )
    };
    refused(
        &door,
        PODS,
        &with("other"),
        403,
        r#"pods "p" is forbidden: volume with secret.secretName="other" is not allowed because service account strict does not reference that secret"#,
    );
    make(&door, PODS, &with("mine"));
}

#[test]
fn a_mirror_has_no_account() {
    let door = Door::open();
    let mirror = |spec: Value| {
        let mut mirror = pod("m", spec);
        mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        mirror["spec"]["nodeName"] = "n".into();
        mirror
    };
    refused(
        &door,
        PODS,
        &mirror(json!({"serviceAccountName": "default"})),
        403,
        r#"pods "m" is forbidden: a mirror pod may not reference service accounts"#,
    );
    let secret = json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]});
    refused(
        &door,
        PODS,
        &mirror(secret),
        403,
        r#"pods "m" is forbidden: a mirror pod may not reference secrets"#,
    );
    let made = make(&door, PODS, &mirror(json!({})));
    assert_eq!(made.at("/spec/serviceAccountName"), Value::Null);
    assert_eq!(made.at("/spec/volumes"), Value::Null);
}

#[test]
fn a_class_says_the_priority() {
    let door = Door::open();
    let high = json!({"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"});
    make(&door, CLASSES, &high);
    let made = make(&door, PODS, &pod("p", json!({"priorityClassName": "high"})));
    assert_eq!(
        (made.at("/spec/priority"), made.at("/spec/preemptionPolicy")),
        (json!(7), json!("Never"))
    );
    let cases = [
        (
            json!({"priorityClassName": "none"}),
            r#"pods "q" is forbidden: no PriorityClass with name none was found"#,
        ),
        (
            json!({"priorityClassName": "high", "priority": 8}),
            r#"pods "q" is forbidden: the integer value of priority (8) must not be provided in pod spec; priority admission controller computed 7 from the given PriorityClass name"#,
        ),
        (
            json!({"priorityClassName": "high", "preemptionPolicy": "PreemptLowerPriority"}),
            r#"pods "q" is forbidden: the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name"#,
        ),
    ];
    for (spec, text) in cases {
        refused(&door, PODS, &pod("q", spec), 403, text);
    }
}

#[test]
fn one_class_is_everybodys() {
    let door = Door::open();
    let class = |name: &str| json!({"metadata": {"name": name}, "value": 3, "globalDefault": true});
    make(&door, CLASSES, &class("one"));
    refused(
        &door,
        CLASSES,
        &class("two"),
        403,
        r#"priorityclasses.scheduling.k8s.io "two" is forbidden: PriorityClass one is already marked as default. Only one default can exist"#,
    );
    let made = make(&door, PODS, &pod("p", json!({})));
    let got = (made.at("/spec/priority"), made.at("/spec/priorityClassName"));
    assert_eq!(got, (json!(3), json!("one")));
}

#[test]
fn a_runtime_class_brings_overhead_and_place() {
    let door = Door::open();
    let class = json!({
        "metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]},
    });
    make(&door, RUNTIMES, &class);
    let made = make(&door, PODS, &pod("p", json!({"runtimeClassName": "vm"})));
    assert_eq!(made.at("/spec/overhead"), json!({"cpu": "250m"}));
    assert_eq!(made.at("/spec/nodeSelector"), json!({"vm": "yes"}));
    assert!(made.at("/spec/tolerations").to_string().contains(r#""key":"vm""#));
    let cases = [
        (
            json!({"runtimeClassName": "gone"}),
            r#"pods "q" is forbidden: pod rejected: RuntimeClass "gone" not found"#,
        ),
        (
            json!({"runtimeClassName": "vm", "overhead": {"cpu": "1"}}),
            r#"pods "q" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"#,
        ),
        (
            json!({"overhead": {"cpu": "1"}}),
            r#"pods "q" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"#,
        ),
        (
            json!({"runtimeClassName": "vm", "nodeSelector": {"vm": "no"}}),
            r#"pods "q" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no"#,
        ),
    ];
    for (spec, text) in cases {
        refused(&door, PODS, &pod("q", spec), 403, text);
    }
}
