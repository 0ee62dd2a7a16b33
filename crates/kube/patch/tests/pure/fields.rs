//! The fields of a new object, against what kube-apiserver shows for it.

use super::{kind, managers, write, writer};

#[test]
fn the_creator_of_a_deployment_owns_what_upstream_says() {
    let kind = kind("apps/v1", "Deployment");
    let json = r#"{"metadata":{"name":"web","namespace":"default","labels":{"app":"web"}},"spec":{"replicas":1,
        "selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[
        {"name":"nginx","image":"nginx","ports":[{"containerPort":80,"protocol":"TCP"}],"terminationMessagePath":"/dev/termination-log",
        "terminationMessagePolicy":"File","imagePullPolicy":"Always"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,
        "dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler","imagePullSecrets":[{"name":"s"}]}},
        "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"revisionHistoryLimit":10,
        "progressDeadlineSeconds":600}}"#;
    let created = write(
        kind,
        None,
        json,
        &writer("kubectl-create", "2026-01-01T00:00:00Z"),
    );
    let expected = concat!(
        r#"kubectl-create Update apps/v1 2026-01-01T00:00:00Z {"f:metadata":{"f:labels":{".":{},"f:app":{}}},"#,
        r#""f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},"f:revisionHistoryLimit":{},"f:selector":{},"#,
        r#""f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},"f:maxUnavailable":{}},"f:type":{}},"#,
        r#""f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"nginx\"}":"#,
        r#"{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":"#,
        r#"{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"#,
        r#""f:dnsPolicy":{},"f:imagePullSecrets":{".":{},"k:{\"name\":\"s\"}":{}},"f:restartPolicy":{},"f:schedulerName":{},"#,
        r#""f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}}}"#,
    );
    assert_eq!(managers(kind, &created), expected);
}

#[test]
fn the_creators_of_other_kinds_own_what_upstream_says() {
    for (version, name, json, fields) in [
        (
            "v1",
            "ConfigMap",
            r#"{"metadata":{"name":"c"},"data":{"a":"1"}}"#,
            r#"{"f:data":{".":{},"f:a":{}}}"#,
        ),
        (
            "v1",
            "Namespace",
            r#"{"metadata":{"name":"n","labels":{"kubernetes.io/metadata.name":"n"}},"status":{"phase":"Active"}}"#,
            r#"{"f:metadata":{"f:labels":{".":{},"f:kubernetes.io/metadata.name":{}}}}"#,
        ),
        (
            "v1",
            "Service",
            r#"{"metadata":{"name":"s"},"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":80}],
            "selector":{"app":"x"},"sessionAffinity":"None","type":"ClusterIP","internalTrafficPolicy":"Cluster"}}"#,
            concat!(
                r#"{"f:spec":{"f:internalTrafficPolicy":{},"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":"#,
                r#"{".":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}"#
            ),
        ),
        (
            "v1",
            "Secret",
            r#"{"metadata":{"name":"s"},"data":{"a":"MQ=="},"type":"Opaque"}"#,
            r#"{"f:data":{".":{},"f:a":{}},"f:type":{}}"#,
        ),
        (
            "rbac.authorization.k8s.io/v1",
            "Role",
            r#"{"metadata":{"name":"r"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}"#,
            r#"{"f:rules":{}}"#,
        ),
        (
            "v1",
            "Pod",
            r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}],"tolerations":[{"key":"k"}]}}"#,
            concat!(
                r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"#,
                r#""f:name":{},"f:resources":{}}},"f:tolerations":{}}}"#
            ),
        ),
    ] {
        let kind = kind(version, name);
        let created = write(kind, None, json, &writer("m", "2026-01-01T00:00:00Z"));
        assert_eq!(
            managers(kind, &created),
            format!("m Update {version} 2026-01-01T00:00:00Z {fields}"),
            "{name}"
        );
    }
}
