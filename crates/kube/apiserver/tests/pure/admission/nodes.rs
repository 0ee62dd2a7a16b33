//! What a node may write, and what a new one and its pods get.

use http::Request;
use serde_json::{Value, json};

use super::{PODS, make, pod};
use crate::door::{Door, Got};

const NODES: &str = "/api/v1/nodes";

/// A node's request; it has every right here, so that only admission stands against it.
fn as_node(door: &Door, method: &str, path: &str, body: &Value) -> Got {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .header("impersonate-user", "system:node:n1")
        .header("impersonate-group", "system:nodes")
        .header("impersonate-group", "system:masters");
    door.request(request, &body.to_string())
}

fn message(door: &Door, method: &str, path: &str, body: &Value) -> (u16, String) {
    let got = as_node(door, method, path, body);
    (got.code, got.message())
}

#[test]
fn a_new_node_is_tainted_and_its_pods_know_where_they_are() {
    let door = Door::open();
    let labels =
        json!({"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "o"});
    let node = make(
        &door,
        NODES,
        &json!({"metadata": {"name": "n1", "labels": labels}}),
    );
    let taint = json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]);
    assert_eq!(node.at("/spec/taints"), taint);
    make(&door, PODS, &pod("p", json!({})));
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}});
    make(&door, &format!("{PODS}/p/binding"), &binding);
    let bound = door.send("GET", &format!("{PODS}/p"), "");
    assert_eq!(
        bound.at("/metadata/labels"),
        json!({"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"})
    );
    let owned = bound.at("/metadata/managedFields").to_string();
    assert!(!owned.contains("f:nodeName"), "{owned}");
}

#[test]
fn a_node_speaks_for_itself() {
    let door = Door::open();
    let node = |name: &str| json!({"metadata": {"name": name}});
    assert_eq!(
        message(&door, "POST", NODES, &node("n2")),
        (
            403,
            r#"nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2""#.to_owned()
        )
    );
    let own = json!({"metadata": {"name": "n1", "labels": {"x.k8s.io/a": "1"}}});
    assert_eq!(
        message(&door, "POST", NODES, &own),
        (
            403,
            r#"nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: x.k8s.io/a"#
                .to_owned()
        )
    );
    let made = as_node(&door, "POST", NODES, &node("n1"));
    assert_eq!(made.code, 201, "{made:?}");
    let mut untainted = made.json();
    untainted["spec"] = json!({});
    assert_eq!(
        message(&door, "PUT", &format!("{NODES}/n1"), &untainted),
        (
            403,
            r#"nodes "n1" is forbidden: node "n1" is not allowed to modify taints"#.to_owned()
        )
    );
    let leases = "/apis/coordination.k8s.io/v1/namespaces";
    let lease = json!({"metadata": {"name": "n1"}});
    let (code, text) = message(&door, "POST", &format!("{leases}/default/leases"), &lease);
    assert_eq!(code, 403);
    assert!(
        text.ends_with(r#"can only access leases in the "kube-node-lease" system namespace"#),
        "{text}"
    );
    let own = as_node(&door, "POST", &format!("{leases}/kube-node-lease/leases"), &lease);
    assert_eq!(own.code, 201, "{own:?}");
}

#[test]
fn a_node_writes_its_own_pods_only() {
    let door = Door::open();
    make(&door, PODS, &pod("here", json!({"nodeName": "n1"})));
    let there = make(&door, PODS, &pod("there", json!({"nodeName": "n2"}))).json();
    let cases = [
        (
            "POST",
            PODS.to_owned(),
            pod("q", json!({})),
            r#"pods "q" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods"#,
        ),
        (
            "DELETE",
            format!("{PODS}/there"),
            json!({}),
            r#"pods "there" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself"#,
        ),
        (
            "PUT",
            format!("{PODS}/there/status"),
            there,
            r#"pods "there" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself"#,
        ),
        (
            "POST",
            format!("{PODS}/there/eviction"),
            json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "there"}}),
            r#"pods "there" is forbidden: node n1 can only evict pods with spec.nodeName set to itself"#,
        ),
    ];
    for (method, path, body, text) in cases {
        assert_eq!(
            message(&door, method, &path, &body),
            (403, text.to_owned()),
            "{path}"
        );
    }
    let gone = as_node(
        &door,
        "DELETE",
        &format!("{PODS}/here"),
        &json!({"gracePeriodSeconds": 0}),
    );
    assert_eq!(gone.code, 200, "{gone:?}");
}
