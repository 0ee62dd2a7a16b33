use serde_json::{Value, json};

use super::*;
use crate::plan::{Decision, plan};
use crate::plugins::ALL;
use crate::plugins::tests::{node, pod, world};

fn on(node: &str, priority: i32, cpu: &str, more: Value) -> Arc<PodView> {
    let mut spec = json!({"nodeName": node, "priority": priority,
        "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]});
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(name, value)| spec[name] = value);
    }
    let status = json!({"startTime": spec["started"]});
    pod(json!({"spec": spec, "status": status}))
}

/// Who leaves which node for a pod, or what is said.
fn who(
    nodes: &[&str],
    there: &[(&str, Arc<PodView>)],
    pod: &PodView,
) -> Result<(String, Vec<String>), String> {
    let nodes: Vec<_> = nodes.iter().map(|name| (*name, node(json!({})))).collect();
    let mut world = world(&nodes, there);
    let incoming = Incoming {
        key: "default/incoming",
        view: pod,
    };
    let mut rng = Rng::from_seed(1);
    let Decision::Unschedulable(error) = plan(&world, &ALL, incoming, 0, &mut rng).decision else {
        panic!("the pod fits");
    };
    let found = preempt(&mut world, &ALL, incoming, &error, &mut rng);
    for (key, pod) in there {
        let (placed, at) = world.placed(key).unwrap();
        assert!(
            Arc::ptr_eq(placed, pod) && *world.name(at) == *pod.node,
            "the world is as it was"
        );
    }
    found
        .map(|found| {
            let victims = found.victims.iter().map(|key| key.to_string()).collect();
            (world.name(found.node).to_owned(), victims)
        })
        .map_err(|why| why.message())
}

fn says(why: &str) -> Result<(String, Vec<String>), String> {
    Err(format!("no new claims to deallocate, preemption: {why}"))
}

fn leave(node: &str, keys: &[&str]) -> Result<(String, Vec<String>), String> {
    Ok((
        node.to_owned(),
        keys.iter().map(|key| (*key).to_owned()).collect(),
    ))
}

#[test]
fn only_as_many_leave_as_have_to_and_the_least_important_first() {
    let there = [
        ("default/low", on("n", 1, "1", json!({}))),
        ("default/mid", on("n", 5, "1", json!({}))),
        ("default/high", on("n", 20, "1", json!({}))),
    ];
    assert_eq!(
        who(&["n"], &there, &on("", 10, "2", json!({}))),
        leave("n", &["default/low"])
    );
    let both = leave("n", &["default/mid", "default/low"]);
    assert_eq!(who(&["n"], &there, &on("", 10, "3", json!({}))), both);
    let too_much = says("0/1 nodes are available: 1 Insufficient cpu.");
    assert_eq!(who(&["n"], &there, &on("", 10, "4", json!({}))), too_much);
}

#[test]
fn the_node_is_taken_where_it_hurts_least() {
    type Pods<'a> = &'a [(&'a str, i32, &'a str)];
    let cases: [(Pods<'_>, &str); 4] = [
        // The most important victim is less important.
        (&[("a", 3, "4"), ("b", 2, "4")], "b"),
        // All together are less important.
        (&[("a", 2, "2"), ("a", 2, "2"), ("b", 2, "3"), ("b", 1, "1")], "b"),
        // Fewer.
        (&[("a", 0, "2"), ("a", 0, "2"), ("b", 0, "4")], "b"),
        // The other has nothing that may leave.
        (&[("a", 50, "4"), ("b", 9, "4")], "b"),
    ];
    for (pods, expected) in cases {
        let keys: Vec<String> = (0..pods.len())
            .map(|number| format!("default/p{number}"))
            .collect();
        let there: Vec<_> = keys
            .iter()
            .zip(pods)
            .map(|(key, (node, priority, cpu))| (key.as_str(), on(node, *priority, cpu, json!({}))))
            .collect();
        let (node, _) = who(&["a", "b"], &there, &on("", 10, "4", json!({}))).unwrap();
        assert_eq!(node, expected, "{pods:?}");
    }
    let started = |node: &str, at: &str| on(node, 1, "4", json!({"started": at}));
    let there = [
        ("default/old", started("a", "2026-01-01T00:00:00Z")),
        ("default/new", started("b", "2026-01-02T00:00:00Z")),
    ];
    assert_eq!(
        who(&["a", "b"], &there, &on("", 10, "4", json!({}))),
        leave("b", &["default/new"])
    );
}

#[test]
fn texts_are_upstreams() {
    let equal = [("default/a", on("n", 10, "4", json!({})))];
    assert_eq!(
        who(&["n"], &equal, &on("", 10, "1", json!({}))),
        says("0/1 nodes are available: 1 No preemption victims found for incoming pod.")
    );
    assert_eq!(
        who(&["n"], &[], &on("", 10, "9", json!({}))),
        says("0/1 nodes are available: 1 Preemption is not helpful for scheduling.")
    );
    let never = on("", 10, "4", json!({"preemptionPolicy": "Never"}));
    let low = [("default/a", on("n", 1, "4", json!({})))];
    assert_eq!(
        who(&["n"], &low, &never),
        says("not eligible due to preemptionPolicy=Never.")
    );
}

#[test]
fn who_waits_for_others_to_leave_pushes_nobody_else_out() {
    let mut leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    leaving["spec"] = json!({"nodeName": "n", "priority": 1,
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "4"}}}]});
    let there = [
        ("default/a", pod(leaving)),
        ("default/b", on("m", 1, "4", json!({}))),
    ];
    let mut waits = (*on("", 10, "4", json!({}))).clone();
    waits.nominated = "n".into();
    let waiting = says("not eligible due to a terminating pod on the nominated node.");
    assert_eq!(who(&["n", "m"], &there, &waits), waiting);
}
