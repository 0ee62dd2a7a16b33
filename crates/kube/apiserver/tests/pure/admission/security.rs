//! Pod security by labels of the namespace.

use serde_json::{Value, json};

use super::{make, pod, refused};
use crate::door::Door;

const NAMESPACES: &str = "/api/v1/namespaces";
const PODS: &str = "/api/v1/namespaces/n/pods";

const MISSING: &str = r#"allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#;

fn labels(labels: &[(&str, &str)]) -> Value {
    let labels = labels
        .iter()
        .map(|(mode, value)| (format!("pod-security.kubernetes.io/{mode}"), json!(value)));
    Value::Object(labels.collect())
}

/// A server with a namespace of these labels, and an account in it.
fn namespace(modes: &[(&str, &str)]) -> Door {
    let door = Door::open();
    let namespace = json!({"metadata": {"name": "n", "labels": labels(modes)}});
    make(&door, NAMESPACES, &namespace);
    let account = json!({"metadata": {"name": "default"}});
    make(&door, "/api/v1/namespaces/n/serviceaccounts", &account);
    door
}

fn hardened() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "c", "image": "i", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        }}],
    })
}

#[test]
fn what_is_enforced_is_refused() {
    let door = namespace(&[("enforce", "restricted")]);
    refused(
        &door,
        PODS,
        &pod("p", json!({})),
        403,
        &format!(r#"pods "p" is forbidden: violates PodSecurity "restricted:latest": {MISSING}"#),
    );
    let made = make(&door, PODS, &pod("p", hardened()));
    assert_eq!(made.warnings, Vec::<String>::new());
}

#[test]
fn what_makes_pods_is_warned_of() {
    let door = namespace(&[
        ("enforce", "baseline"),
        ("warn", "restricted"),
        ("warn-version", "v1.30"),
    ]);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod("x", json!({}))["spec"]});
    let deployment = json!({
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    });
    let made = make(&door, "/apis/apps/v1/namespaces/n/deployments", &deployment);
    let text = format!(r#"would violate PodSecurity "restricted:v1.30": {MISSING}"#);
    let quoted = text.replace('"', "\\\"");
    assert_eq!(made.warnings, [format!("299 - \"{quoted}\"")]);
    let made = make(&door, PODS, &pod("p", json!({})));
    assert_eq!(made.warnings, [format!("299 - \"{quoted}\"")]);
}

#[test]
fn labels_must_say_something_and_pods_that_are_there_are_named() {
    let door = namespace(&[]);
    for name in ["a", "b", "c"] {
        make(&door, PODS, &pod(name, json!({})));
    }
    make(&door, PODS, &pod("host", json!({"hostNetwork": true})));
    make(&door, PODS, &pod("good", hardened()));
    let path = format!("{NAMESPACES}/n");
    let patch = |modes: &[(&str, &str)]| {
        let patch = json!({"metadata": {"labels": labels(modes)}}).to_string();
        door.send_as("PATCH", &path, "application/merge-patch+json", &patch)
    };
    let wrong = patch(&[("enforce", "strict")]);
    assert_eq!(
        (wrong.code, wrong.message().as_str()),
        (
            422,
            r#"Namespace "n" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted"#
        )
    );
    let got = patch(&[("enforce", "baseline")]);
    assert_eq!(got.code, 200, "{got:?}");
    assert_eq!(
        got.warnings,
        [
            r#"299 - "existing pods in namespace \"n\" violate the new PodSecurity enforce level \"baseline:latest\"""#,
            r#"299 - "host: host namespaces""#,
        ]
    );
    let got = patch(&[("enforce", "restricted")]);
    let four =
        "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile";
    assert_eq!(
        got.warnings[1..],
        [
            format!(r#"299 - "a (and 2 other pods): {four}""#),
            format!(r#"299 - "host: host namespaces, {four}""#),
        ]
    );
    assert_eq!(patch(&[("enforce", "baseline")]).warnings, Vec::<String>::new());
}
