//! Pods that take more of the disk than they may.

use serde_json::{Value, json};

use crate::node::{EVENTS, Node, PODS};
use crate::play::s;

fn limited() -> Value {
    json!({
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 600,
        "containers": [{"name": "c", "image": "web:1"}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}],
    })
}

fn takes(node: &Node, bytes: u64) {
    let volumes = &mut node.world.usage.lock().unwrap().volumes;
    volumes.insert("v".to_owned(), bytes);
}

#[test]
fn who_takes_too_much_is_evicted_in_seconds() {
    let node = Node::start(1);
    node.pod("greedy", &limited());
    node.until("running", |node| node.phase("greedy") == "Running");
    takes(&node, 1 << 20);
    node.pass(s(30));
    assert_eq!(node.phase("greedy"), "Running");
    takes(&node, 2 << 20);
    node.pass(s(15));
    let pod = node.get(&PODS, "greedy").unwrap();
    let message = "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ";
    assert_eq!(
        (
            &pod["status"]["phase"],
            &pod["status"]["reason"],
            &pod["status"]["message"]
        ),
        (&json!("Failed"), &json!("Evicted"), &json!(message))
    );
    assert_eq!(node.world.running("greedy"), 0);
    let events = node.list(&EVENTS);
    let told: Vec<&Value> = events
        .iter()
        .filter(|event| event["reason"] == "Evicted")
        .collect();
    assert_eq!(
        (told.len(), &told[0]["type"], &told[0]["message"]),
        (1, &json!("Warning"), &json!(message))
    );
}

#[test]
fn one_that_comes_later_is_looked_at_too() {
    let node = Node::start(2);
    takes(&node, 2 << 20);
    node.pass(s(60));
    node.pod("greedy", &limited());
    node.until("evicted", |node| node.phase("greedy") == "Failed");
}
