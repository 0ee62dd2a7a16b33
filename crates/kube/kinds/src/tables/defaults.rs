//! What is filled in, and what goes.

use super::*;

#[test]
fn defaults_and_preparation_fill_what_upstream_fills() {
    let cases: &[(Kind, &str, &str, &str)] = &[
        (
            NAMESPACE,
            r#"{"metadata":{"name":"a"}}"#,
            "metadata.labels",
            r#"{"kubernetes.io/metadata.name":"a"}"#,
        ),
        (NAMESPACE, "{}", "spec.finalizers", r#"["kubernetes"]"#),
        (NAMESPACE, "{}", "status.phase", r#""Active""#),
        (SECRET, r#"{"stringData":{"a":"b"}}"#, "data", r#"{"a":"Yg=="}"#),
        (SECRET, "{}", "type", r#""Opaque""#),
        (
            SERVICE,
            r#"{"spec":{"ports":[{"port":80}]}}"#,
            "spec.ports",
            r#"[{"protocol":"TCP","port":80,"targetPort":80}]"#,
        ),
        (
            SERVICE,
            r#"{"spec":{"type":"LoadBalancer"}}"#,
            "spec.allocateLoadBalancerNodePorts",
            "true",
        ),
        (
            SERVICE,
            r#"{"spec":{"sessionAffinity":"ClientIP"}}"#,
            "spec.sessionAffinityConfig",
            r#"{"clientIP":{"timeoutSeconds":10800}}"#,
        ),
        (
            POLICY,
            r#"{"spec":{"egress":[{}]}}"#,
            "spec.policyTypes",
            r#"["Ingress","Egress"]"#,
        ),
        (
            WEBHOOKS,
            r#"{"webhooks":[{"name":"a"}]}"#,
            "webhooks",
            r#"[{"name":"a","clientConfig":{},"failurePolicy":"Fail","matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{},"sideEffects":null,"timeoutSeconds":10,"admissionReviewVersions":null,"reinvocationPolicy":"Never"}]"#,
        ),
        (VOLUME, "{}", "spec.persistentVolumeReclaimPolicy", r#""Retain""#),
        (CLASS, "{}", "volumeBindingMode", r#""Immediate""#),
    ];
    for (kind, json, path, expected) in cases {
        let object = created(*kind, json).0;
        assert_eq!(
            Ref::new(&BUILTIN, &object).path(path).json(),
            *expected,
            "{} {json}",
            kind.3
        );
        let mut again = object.clone();
        (special(*kind).default)(&BUILTIN, &mut again);
        assert_eq!(again, object, "defaults are idempotent: {}", kind.3);
    }
}

#[test]
fn a_service_that_changes_its_type_loses_what_it_no_longer_needs() {
    let old = r#"{"spec":{"type":"LoadBalancer","clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],
        "ports":[{"port":1,"nodePort":30001}],"externalTrafficPolicy":"Local","healthCheckNodePort":30002}}"#;
    let new = old.replace("LoadBalancer", "ClusterIP");
    let spec = |json: &str| {
        Ref::new(&BUILTIN, &updated(SERVICE, old, json).0)
            .at("spec")
            .json()
    };
    assert_eq!(
        spec(&new),
        r#"{"ports":[{"protocol":"TCP","port":1,"targetPort":1}],"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"internalTrafficPolicy":"Cluster"}"#
    );
    let named = old.replace(
        r#""type":"LoadBalancer""#,
        r#""type":"ExternalName","externalName":"a.b""#,
    );
    assert!(!spec(&named).contains("clusterIP"), "{}", spec(&named));
    let changed = new.replace("30001", "30009");
    assert!(
        spec(&changed).contains("30009"),
        "what the client changed is for validation to refuse"
    );
}
