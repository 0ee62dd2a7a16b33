//! Pods find nodes: what clients see of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::UserInfo;
use bytes::Bytes;
use client::{Answered, Client, InProcess, Transport, TransportError};
use serde_json::{Value, json};

use crate::plane::{NODES, PODS, Plane};

fn nothing() -> Value {
    json!({})
}

fn tainted(key: &str) -> Value {
    json!({"spec": {"taints": [{"key": key, "effect": "NoSchedule"}]}})
}

fn event(kind: &str, reason: &str, message: &str) -> (String, String, String) {
    (kind.to_owned(), reason.to_owned(), message.to_owned())
}

#[test]
fn a_pod_is_bound_and_people_are_told() {
    let mut plane = Plane::start(1);
    plane.node("a", "1", 10, &nothing());
    plane.pod("p", "500m", &nothing());
    plane.settle();
    assert_eq!(plane.node_of("p"), "a");
    assert_eq!(plane.scheduled("p").0, "True");
    let told = event("Normal", "Scheduled", "Successfully assigned default/p to a");
    assert_eq!(plane.events("p"), [told]);
    assert!(plane.scheduler.as_ref().unwrap().idle());
    plane.stop();
}

#[test]
fn a_pod_that_fits_nowhere_says_why_and_is_bound_once_it_fits() {
    let plane = Plane::start(2);
    plane.pod("p", "2", &nothing());
    plane.settle();
    assert_eq!(
        plane.scheduled("p"),
        event("False", "Unschedulable", "no nodes available to schedule pods")
    );
    plane.node("tainted", "9", 10, &tainted("dedicated"));
    plane.node("small", "1", 10, &nothing());
    plane.settle();
    let message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). \
                   no new claims to deallocate, preemption: 0/2 nodes are available: \
                   2 Preemption is not helpful for scheduling.";
    assert_eq!(plane.scheduled("p"), event("False", "Unschedulable", message));
    let told = event("Warning", "FailedScheduling", message);
    assert!(plane.events("p").contains(&told), "{:?}", plane.events("p"));
    plane.patch(&NODES, "tainted", "", &json!({"spec": {"taints": null}}));
    plane.settle();
    assert_eq!(
        (plane.node_of("p").as_str(), plane.scheduled("p").0.as_str()),
        ("tainted", "True")
    );
}

#[test]
fn a_pod_that_leaves_makes_room() {
    let plane = Plane::start(3);
    plane.node("a", "1", 10, &nothing());
    plane.pod("first", "1", &nothing());
    plane.settle();
    plane.pod("second", "1", &nothing());
    plane.settle();
    assert_eq!(plane.node_of("second"), "");
    plane.delete(&PODS, "first");
    plane.settle();
    assert_eq!(plane.node_of("second"), "a");
}

#[test]
fn gates_names_of_others_and_nodes_keep_us_away() {
    let plane = Plane::start(4);
    plane.node("a", "4", 10, &nothing());
    plane.pod(
        "gated",
        "1",
        &json!({"spec": {"schedulingGates": [{"name": "g"}]}}),
    );
    plane.pod("other", "1", &json!({"spec": {"schedulerName": "other"}}));
    plane.pod("placed", "1", &json!({"spec": {"nodeName": "b"}}));
    plane.settle();
    assert_eq!(
        (plane.node_of("gated").as_str(), plane.node_of("other").as_str()),
        ("", "")
    );
    assert_eq!(plane.scheduled("gated").1, "SchedulingGated");
    assert!(plane.events("gated").is_empty() && plane.events("placed").is_empty());
    plane.patch(&PODS, "gated", "", &json!({"spec": {"schedulingGates": null}}));
    plane.settle();
    assert_eq!(plane.node_of("gated"), "a");
}

#[test]
fn a_pod_that_no_node_can_run_fails() {
    let plane = Plane::start(5);
    plane.node("a", "4", 10, &nothing());
    plane.pod("p", "1", &json!({"spec": {"shareProcessNamespace": true}}));
    plane.settle();
    let pod = plane.get(&PODS, "p").unwrap();
    let status = &pod["status"];
    assert_eq!(
        (&status["phase"], &status["reason"], &status["message"]),
        (
            &json!("Failed"),
            &json!("UnsupportedField"),
            &json!("spec.shareProcessNamespace")
        )
    );
    assert_eq!(plane.node_of("p"), "");
}

/// A server that drops the first bindings.
struct Flaky {
    inner: InProcess,
    drops: Arc<AtomicUsize>,
}

impl Transport for Flaky {
    fn send(&self, request: http::Request<Bytes>) -> Answered<'_> {
        let binding = request.uri().path().ends_with("/binding");
        let drop = || {
            self.drops
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        };
        if binding && drop().is_ok() {
            return Box::pin(async { Err(TransportError("the connection broke".to_owned())) });
        }
        self.inner.send(request)
    }
}

#[test]
fn a_binding_that_fails_is_tried_again_after_a_while() {
    let mut plane = Plane::open(6);
    let identity = UserInfo {
        name: "system:kube-scheduler".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    let inner = InProcess::new(plane.server.clone(), identity);
    let drops = Arc::new(AtomicUsize::new(2));
    let flaky = Flaky {
        inner,
        drops: drops.clone(),
    };
    plane.schedule(Client::new(Arc::new(flaky), "kube-scheduler"));
    plane.node("a", "1", 10, &nothing());
    plane.pod("p", "1", &nothing());
    plane.settle();
    let (status, reason, message) = plane.scheduled("p");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "SchedulerError"));
    assert!(message.contains("the connection broke"), "{message}");
    plane.pod("other", "1", &nothing());
    plane.settle();
    // What was assumed for the first has been given back, so that the other could have it; its binding fails too.
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    plane.pass(Duration::from_secs(3));
    let bound = [plane.node_of("p"), plane.node_of("other")];
    assert_eq!(bound.iter().filter(|node| *node == "a").count(), 1, "{bound:?}");
}

/// Creates pods while nodes come and go; answers where each pod went.
fn crowd(seed: u64, nodes: u32, pods: u32) -> BTreeMap<String, String> {
    let plane = Plane::start(seed);
    let step = pods / nodes;
    for number in 0..nodes {
        plane.node(&format!("n{number}"), "1", 12, &nothing());
        for pod in 0..step {
            plane.pod(&format!("p{}", number * step + pod), "90m", &nothing());
        }
        if number % 10 == 9 {
            plane.delete(&NODES, &format!("n{}", number - 3));
        }
    }
    plane.settle();
    for number in 0..nodes / 10 {
        plane.node(&format!("m{number}"), "1", 12, &nothing());
    }
    plane.pass(Duration::from_secs(20));
    let pods = plane.list(&PODS);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pods.iter()
        .map(|pod| (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"])))
        .collect()
}

#[test]
fn a_crowd_is_bound_once_each_and_never_over_capacity() {
    let bound = crowd(7, 20, 200);
    assert_eq!(bound.len(), 200);
    let mut used: BTreeMap<&str, u32> = BTreeMap::new();
    for (pod, node) in &bound {
        assert!(!node.is_empty(), "{pod} has no node");
        *used.entry(node).or_default() += 1;
    }
    assert!(used.values().all(|pods| *pods <= 11), "{used:?}");
    assert_eq!(bound, crowd(7, 20, 200), "the same seed is the same run");
}

#[test]
fn a_more_important_pod_pushes_a_less_important_one_out() {
    let plane = Plane::start(8);
    plane.node("a", "1", 10, &nothing());
    plane.pod("low", "1", &nothing());
    plane.pass(Duration::from_secs(1));
    let low = plane.get(&PODS, "low").unwrap();
    plane.pod(
        "high",
        "1",
        &json!({"spec": {"priorityClassName": "system-cluster-critical"}}),
    );
    plane.settle();
    let high = plane.get(&PODS, "high").unwrap();
    let told = format!(
        "Preempted by pod {} on node a",
        high["metadata"]["uid"].as_str().unwrap()
    );
    assert!(plane.events("low").contains(&event("Normal", "Preempted", &told)));
    // Nobody runs it, so that it is gone only once its node says so; until then the other waits.
    let leaving = plane.get(&PODS, "low").unwrap();
    assert_eq!(leaving["metadata"]["uid"], low["metadata"]["uid"]);
    assert!(leaving["metadata"]["deletionTimestamp"].is_string());
    let conditions = leaving["status"]["conditions"].as_array().unwrap();
    let disrupted = conditions
        .iter()
        .find(|it| it["type"] == "DisruptionTarget")
        .unwrap();
    assert_eq!(disrupted["reason"], "PreemptionByScheduler");
    assert_eq!(high["status"]["nominatedNodeName"], "a");
    assert_eq!(
        plane.scheduled("high").2,
        "0/1 nodes are available: 1 Insufficient cpu."
    );
    plane.delete(&PODS, "low");
    plane.settle();
    assert_eq!(plane.node_of("high"), "a");
}
