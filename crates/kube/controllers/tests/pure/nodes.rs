//! Nodes that come, are silent and go, and what becomes of the pods on them.

use std::time::Duration;

use client::Resource;
use driver::Env;
use serde_json::{Value, json};

use crate::node::{EVENTS, Node};

static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
static LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases", "Lease", true);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cluster with a namespace and nodes that are ready.
fn cluster(nodes: &[&str]) -> Node {
    let node = Node::start(1);
    node.namespace("x");
    for name in nodes {
        let lease = json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
        node.create(&LEASES, "kube-node-lease", &lease);
        node.create(
            &NODES,
            "",
            &json!({"metadata": {"name": name}, "status": ready(&node, "True")}),
        );
    }
    node.settle();
    node
}

/// What time it is: `…Z`, to the microsecond.
fn now(node: &Node) -> String {
    let passed = node.sim().now().saturating_since(driver::Instant::default());
    let (seconds, micros) = (passed.as_secs(), passed.subsec_micros());
    format!(
        "1970-01-01T00:{:02}:{:02}.{micros:06}Z",
        seconds / 60,
        seconds % 60
    )
}

fn ready(node: &Node, status: &str) -> Value {
    let condition = json!({
        "type": "Ready", "status": status, "reason": "R", "message": "M",
        "lastHeartbeatTime": now(node), "lastTransitionTime": now(node),
    });
    json!({"conditions": [condition]})
}

/// What the kubelet of a node says.
fn say(node: &Node, name: &str, status: &str) {
    let mut object = node.get(&NODES, "", name).unwrap();
    object["status"] = ready(node, status);
    node.update(&NODES, "", name, "status", &object);
    node.settle();
}

/// Time passes in which only these renew their leases.
fn pass(node: &Node, time: u64, alive: &[&str]) {
    for _ in 0..time / 10 {
        node.pass(seconds(10));
        for name in alive {
            let renewed = json!({"spec": {"renewTime": now(node)}});
            node.patch(&LEASES, "kube-node-lease", name, &renewed);
        }
        node.settle();
    }
}

/// A pod on a node, ready.
fn pod(node: &Node, name: &str, on: &str, more: &Value) {
    let mut object = json!({
        "metadata": {"name": name},
        "spec": {"nodeName": on, "containers": [{"name": "c", "image": "i"}]},
        "status": {},
    });
    for (member, value) in more.as_object().unwrap() {
        object["spec"][member] = value.clone();
    }
    node.create(&PODS, "x", &object);
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "reason": "K"}]}});
    node.patch_below(&PODS, "x", name, "status", &status);
    node.settle();
}

fn taints(node: &Node, name: &str) -> Vec<String> {
    let object = node.get(&NODES, "", name).unwrap();
    let taints = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let short = |taint: &Value| {
        let key = taint["key"].as_str().unwrap().replace("node.kubernetes.io/", "");
        format!("{key}:{}", taint["effect"].as_str().unwrap())
    };
    taints.iter().map(short).collect()
}

/// The messages of events with a reason.
fn told(node: &Node, namespace: &str, reason: &str) -> Vec<String> {
    let names = node.names(&EVENTS, namespace);
    let events = names
        .iter()
        .map(|name| node.get(&EVENTS, namespace, name).unwrap());
    let told = events.filter(|event| event["reason"] == *reason);
    told.map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = conditions
        .into_iter()
        .find(|condition| condition["type"] == *kind);
    found.unwrap_or_default()
}

fn is_ending(node: &Node, pod: &str) -> bool {
    let pod = node.get(&PODS, "x", pod);
    pod.is_none_or(|pod| pod["metadata"]["deletionTimestamp"].is_string())
}

#[test]
fn a_node_takes_pods_as_soon_as_it_is_ready() {
    let node = Node::start(1);
    node.create(
        &NODES,
        "",
        &json!({"metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux"}}}),
    );
    node.settle();
    assert_eq!(
        taints(&node, "n"),
        ["not-ready:NoSchedule"],
        "it has said nothing yet"
    );
    say(&node, "n", "True");
    assert_eq!(taints(&node, "n"), Vec::<String>::new());
    let object = node.get(&NODES, "", "n").unwrap();
    assert_eq!(object["metadata"]["labels"]["beta.kubernetes.io/os"], "linux");
    assert_eq!(
        told(&node, "default", "RegisteredNode"),
        ["Node n event: Registered Node n in Controller"]
    );
    node.patch(&NODES, "", "n", &json!({"spec": {"unschedulable": true}}));
    node.settle();
    assert_eq!(taints(&node, "n"), ["unschedulable:NoSchedule"]);
    node.pass(seconds(1));
    node.delete(&NODES, "", "n", None);
    node.settle();
    assert_eq!(
        told(&node, "default", "RemovingNode"),
        ["Node n event: Removing Node n from Controller"]
    );
}

#[test]
fn a_silent_node_is_unknown_and_loses_its_pods_in_their_time() {
    let node = cluster(&["a", "b"]);
    let forever = json!({"tolerations": [{"operator": "Exists"}]});
    pod(&node, "usual", "a", &json!({}));
    pod(&node, "patient", "a", &forever);
    pass(&node, 40, &["b"]);
    assert_eq!(taints(&node, "a"), Vec::<String>::new());
    pass(&node, 20, &["b"]);
    let object = node.get(&NODES, "", "a").unwrap();
    let unknown = condition(&object, "Ready");
    assert_eq!(
        (&unknown["status"], &unknown["reason"], &unknown["message"]),
        (
            &json!("Unknown"),
            &json!("NodeStatusUnknown"),
            &json!("Kubelet stopped posting node status.")
        )
    );
    assert_eq!(
        condition(&object, "PIDPressure")["reason"],
        "NodeStatusNeverUpdated"
    );
    assert_eq!(
        taints(&node, "a"),
        ["unreachable:NoSchedule", "unreachable:NoExecute"]
    );
    assert_eq!(taints(&node, "b"), Vec::<String>::new());
    assert_eq!(
        told(&node, "default", "NodeNotReady"),
        ["Node a status is now: NodeNotReady"]
    );
    let usual = node.get(&PODS, "x", "usual").unwrap();
    let unready = condition(&usual, "Ready");
    assert_eq!(
        (&unready["status"], &unready["reason"]),
        (&json!("False"), &json!("K"))
    );
    assert_eq!(told(&node, "x", "NodeNotReady"), ["Node is not ready"; 2]);

    pass(&node, 280, &["b"]);
    assert!(!is_ending(&node, "usual"), "its 300 seconds are not over");
    pass(&node, 30, &["b"]);
    assert!(is_ending(&node, "usual") && !is_ending(&node, "patient"));
    let target = condition(&node.get(&PODS, "x", "usual").unwrap(), "DisruptionTarget");
    assert_eq!(
        (&target["reason"], &target["message"]),
        (
            &json!("DeletionByTaintManager"),
            &json!("Taint manager: deleting due to NoExecute taint")
        )
    );
    assert_eq!(
        told(&node, "x", "TaintManagerEviction"),
        ["Marking for deletion Pod x/usual"]
    );
}

#[test]
fn a_node_that_comes_back_keeps_its_pods() {
    let node = cluster(&["a", "b"]);
    pod(&node, "p", "a", &json!({}));
    pass(&node, 100, &["b"]);
    assert_eq!(taints(&node, "a").len(), 2);
    say(&node, "a", "True");
    assert_eq!(taints(&node, "a"), Vec::<String>::new());
    assert_eq!(
        told(&node, "x", "TaintManagerEviction"),
        ["Cancelling deletion of Pod x/p"]
    );
    pass(&node, 400, &["a", "b"]);
    assert!(!is_ending(&node, "p"));
}

#[test]
fn a_kubelet_that_is_not_ready_says_so_itself() {
    let node = cluster(&["a", "b"]);
    say(&node, "a", "False");
    assert_eq!(
        taints(&node, "a"),
        ["not-ready:NoSchedule", "not-ready:NoExecute"]
    );
    pass(&node, 60, &["b"]);
    assert_eq!(
        taints(&node, "a"),
        ["unreachable:NoSchedule", "unreachable:NoExecute"]
    );
}

#[test]
fn nobody_is_sent_away_while_all_are_silent() {
    let node = cluster(&["a", "b"]);
    pod(&node, "p", "a", &json!({}));
    pass(&node, 60, &["b"]);
    assert_eq!(taints(&node, "a").len(), 2);
    pass(&node, 60, &[]);
    for name in ["a", "b"] {
        assert_eq!(taints(&node, name), ["unreachable:NoSchedule"], "{name}");
    }
    pass(&node, 400, &[]);
    assert!(!is_ending(&node, "p"));
    say(&node, "b", "True");
    assert_eq!(
        taints(&node, "a"),
        ["unreachable:NoSchedule", "unreachable:NoExecute"]
    );
}

#[test]
fn a_persons_taint_sends_pods_away_at_once_or_after_their_time() {
    let node = cluster(&["a"]);
    pod(&node, "now", "a", &json!({}));
    pod(
        &node,
        "later",
        "a",
        &json!({"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20}]}),
    );
    let taint = |taints: &Value| {
        node.patch(&NODES, "", "a", &json!({"spec": {"taints": taints}}));
        node.settle();
    };
    taint(&json!([{"key": "k", "value": "v", "effect": "NoExecute"}]));
    assert!(is_ending(&node, "now") && !is_ending(&node, "later"));
    pass(&node, 10, &["a"]);
    taint(&json!(null));
    pass(&node, 30, &["a"]);
    assert!(!is_ending(&node, "later"));
    taint(&json!([{"key": "k", "value": "v", "effect": "NoExecute"}]));
    pass(&node, 30, &["a"]);
    assert!(is_ending(&node, "later"));
}

#[test]
fn pods_of_a_node_that_is_gone_are_ended() {
    let node = cluster(&["a", "b"]);
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    pod(&node, "gone", "a", &json!({}));
    pod(&node, "held", "a", &json!({}));
    pod(&node, "stays", "b", &json!({}));
    node.patch(&PODS, "x", "held", &held);
    node.delete(&NODES, "", "a", None);
    pass(&node, 30, &["b"]);
    assert_eq!(node.names(&PODS, "x"), ["gone", "held", "stays"]);
    pass(&node, 20, &["b"]);
    assert_eq!(node.names(&PODS, "x"), ["held", "stays"]);
    let held = node.get(&PODS, "x", "held").unwrap();
    assert_eq!(held["status"]["phase"], "Failed");
    let target = condition(&held, "DisruptionTarget");
    assert_eq!(
        (&target["reason"], &target["message"]),
        (&json!("DeletionByPodGC"), &json!("PodGC: node no longer exists"))
    );
}

#[test]
fn a_node_that_comes_back_in_time_keeps_all() {
    let node = cluster(&["a", "b"]);
    pod(&node, "p", "a", &json!({}));
    node.delete(&NODES, "", "a", None);
    pass(&node, 20, &["b"]);
    node.create(
        &NODES,
        "",
        &json!({"metadata": {"name": "a"}, "status": ready(&node, "True")}),
    );
    pass(&node, 60, &["a", "b"]);
    assert!(!is_ending(&node, "p"));
}

#[test]
fn what_was_never_scheduled_or_is_out_of_service_ends_at_once() {
    let node = cluster(&["a", "b"]);
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    node.create(
        &PODS,
        "x",
        &json!({"metadata": {"name": "new", "finalizers": ["example.com/held"]}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    );
    pod(&node, "lost", "a", &json!({}));
    node.patch(&PODS, "x", "lost", &held);
    for name in ["new", "lost"] {
        node.delete(&PODS, "x", name, None);
    }
    node.settle();
    let phase = |name: &str| node.get(&PODS, "x", name).unwrap()["status"]["phase"].clone();
    assert_eq!((phase("new"), phase("lost")), (json!("Failed"), json!("Running")));
    say(&node, "a", "False");
    let taint =
        json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"});
    let mut object = node.get(&NODES, "", "a").unwrap();
    object["spec"]["taints"].as_array_mut().unwrap().push(taint);
    node.update(&NODES, "", "a", "", &object);
    node.settle();
    assert_eq!(phase("lost"), "Failed");
}
