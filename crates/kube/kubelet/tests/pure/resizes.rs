//! Other limits for containers that run (KEP-1287).

use serde_json::{Value, json};

use crate::node::{Node, PODS};

fn amounts(cpu: &str, memory: &str) -> Value {
    let both = json!({"cpu": cpu, "memory": memory});
    json!({"requests": both, "limits": both})
}

fn with_a_pod(seed: u64, policy: &Value) -> Node {
    let node = Node::start(seed);
    node.pod(
        "web",
        &json!({"automountServiceAccountToken": false, "containers": [
            {"name": "c", "image": "web:1", "resources": amounts("100m", "64Mi"), "resizePolicy": policy},
        ]}),
    );
    node.until("running", |node| node.phase("web") == "Running");
    node
}

fn container(node: &Node) -> Value {
    node.get(&PODS, "web").unwrap()["status"]["containerStatuses"][0].clone()
}

fn condition(node: &Node, kind: &str) -> Option<Value> {
    let pod = node.get(&PODS, "web").unwrap();
    let all = pod["status"]["conditions"].as_array().unwrap().clone();
    all.into_iter().find(|condition| condition["type"] == kind)
}

#[test]
fn limits_change_without_a_start() {
    let node = with_a_pod(51, &json!([]));
    let before = container(&node);
    node.resize("web", &amounts("200m", "32Mi"));
    node.until("in force", |node| {
        container(node)["resources"] == amounts("200m", "32Mi")
    });
    let after = container(&node);
    assert_eq!(after["containerID"], before["containerID"]);
    assert_eq!(after["allocatedResources"], amounts("200m", "32Mi")["requests"]);
    node.until("told", |node| condition(node, "PodResizeInProgress").is_none());
    let log = node.world.log.lock().unwrap();
    assert_eq!(
        log.iter().filter(|line| *line == "resize web [c]").count(),
        1,
        "{log:?}"
    );
}

#[test]
fn a_container_that_wants_it_is_started_anew() {
    let policy = json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]);
    let node = with_a_pod(52, &policy);
    node.resize("web", &amounts("200m", "64Mi"));
    node.until("in force", |node| {
        container(node)["resources"] == amounts("200m", "64Mi")
    });
    assert_eq!(container(&node)["restartCount"], 0);
    node.resize("web", &amounts("200m", "128Mi"));
    node.until("started anew", |node| {
        let container = container(node);
        container["restartCount"] == 1
            && container["resources"] == amounts("200m", "128Mi")
            && container["ready"] == true
    });
}

#[test]
fn what_the_node_has_not_is_not_given() {
    let node = with_a_pod(53, &json!([]));
    node.resize("web", &amounts("1000", "64Mi"));
    node.until("refused", |node| condition(node, "PodResizePending").is_some());
    let said = condition(&node, "PodResizePending").unwrap();
    assert_eq!(said["reason"], "Infeasible");
    let message = said["message"].as_str().unwrap();
    assert!(
        message.starts_with("Node didn't have enough capacity: cpu, requested: 1000000, capacity: "),
        "{message}"
    );
    assert_eq!(container(&node)["resources"], amounts("100m", "64Mi"));
    node.resize("web", &amounts("150m", "64Mi"));
    node.until("in force", |node| {
        container(node)["resources"] == amounts("150m", "64Mi")
    });
    node.until("told", |node| condition(node, "PodResizePending").is_none());
}
