//! What an update may change.

use super::*;

#[test]
fn an_update_changes_what_may_change() {
    let cases: &[(Kind, &str, &str, &[&str])] = &[
        (
            CONFIG_MAP,
            r#"{"immutable":true,"data":{"a":"b"}}"#,
            r#"{"data":{"a":"c"}}"#,
            &[
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ],
        ),
        (
            SECRET,
            "{}",
            r#"{"type":"x"}"#,
            &[r#"type: Invalid value: "x": field is immutable"#],
        ),
        (
            BINDING,
            r#"{"roleRef":{"kind":"Role","name":"a"}}"#,
            r#"{"roleRef":{"kind":"Role","name":"b"}}"#,
            &[
                r#"roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}: cannot change roleRef"#,
            ],
        ),
        (
            CLASS,
            r#"{"provisioner":"a","parameters":{"k":"v"}}"#,
            r#"{"provisioner":"b"}"#,
            &[
                "parameters: Forbidden: updates to parameters are forbidden.",
                "provisioner: Forbidden: updates to provisioner are forbidden.",
            ],
        ),
        (
            SERVICE,
            r#"{"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ports":[{"port":1}]}}"#,
            r#"{"spec":{"clusterIP":"10.0.0.2","clusterIPs":["10.0.0.2"],"ports":[{"port":1}]}}"#,
            &[r#"spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set"#],
        ),
        (
            CLAIM,
            r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}},"status":{"phase":"Bound","capacity":{"storage":"2Gi"}}}"#,
            r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"}}"#,
            &["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"],
        ),
        (
            NODE,
            r#"{"spec":{"providerID":"a"}}"#,
            r#"{"spec":{"providerID":"b"}}"#,
            &["spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid"],
        ),
    ];
    for (kind, old, new, expected) in cases {
        assert_eq!(updated(*kind, old, new).1, *expected, "{} {new}", kind.3);
    }
}
