//! ReplicaSets beside a kubelet that runs whatever there is.

use std::time::Duration;

use client::{Propagation, Resource};
use driver::Env;
use serde_json::{Value, json};

use crate::kubelet::{PODS, read, view};
use crate::node::{EVENTS, Node};

pub(crate) static REPLICA_SETS: Resource = Resource::new("apps", "v1", "replicasets", "ReplicaSet", true);
static QUOTAS: Resource = Resource::new("", "v1", "resourcequotas", "ResourceQuota", true);

fn set(replicas: i64, image: &str) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    })
}

fn cluster(seed: u64) -> Node {
    let node = Node::start(seed);
    node.namespace("x");
    node.with_kubelet()
}

fn status(node: &Node) -> Value {
    node.get(&REPLICA_SETS, "x", "web").unwrap()["status"].clone()
}

fn live(node: &Node) -> Vec<Value> {
    let pods = node.pods().into_iter().filter(|pod| view(pod).is_active());
    pods.map(|pod| read(&pod)).collect()
}

fn ready(node: &Node) -> usize {
    node.pods().iter().filter(|pod| view(pod).is_ready()).count()
}

fn messages(node: &Node, reason: &str) -> Vec<String> {
    let names = node.names(&EVENTS, "x");
    let events = names.iter().filter_map(|name| node.get(&EVENTS, "x", name));
    let of = events.filter(|event| event["reason"] == reason);
    of.map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn so_many_pods_are_kept_whatever_happens_to_them() {
    for seed in 0..2 {
        let node = cluster(seed);
        node.create(&REPLICA_SETS, "x", &set(5, "i"));
        node.until("all are ready", |node| status(node)["readyReplicas"] == 5);
        let expected = json!({
            "replicas": 5, "fullyLabeledReplicas": 5, "readyReplicas": 5, "availableReplicas": 5,
            "terminatingReplicas": 0, "observedGeneration": 1,
        });
        assert_eq!(status(&node), expected);
        let pod = live(&node).remove(0);
        assert_eq!(pod["metadata"]["generateName"], "web-");
        assert_eq!(pod["metadata"]["annotations"], json!({"a": "b"}));
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["controller"]),
            (&json!("ReplicaSet"), &json!(true))
        );
        assert_eq!(messages(&node, "SuccessfulCreate").len(), 5);

        let victim = pod["metadata"]["name"].as_str().unwrap();
        node.delete(&PODS, "x", victim, None);
        node.until("it is seen to go", |node| {
            status(node)["terminatingReplicas"] == 1
        });
        node.until("another is ready", |node| {
            status(node)["readyReplicas"] == 5 && status(node)["terminatingReplicas"] == 0
        });
        assert!(live(&node).iter().all(|pod| pod["metadata"]["name"] != victim));

        node.patch(&REPLICA_SETS, "x", "web", &json!({"spec": {"replicas": 2}}));
        node.until("the others go", |node| node.pods().len() == 2);
        node.settle();
        assert_eq!(
            (
                status(&node)["replicas"].as_i64(),
                messages(&node, "SuccessfulDelete").len()
            ),
            (Some(2), 3)
        );
        node.delete(&REPLICA_SETS, "x", "web", Some(Propagation::Background));
        node.until("pods go with it", |node| node.pods().is_empty());
    }
}

#[test]
fn hundreds_of_pods_are_made_exactly() {
    let node = cluster(5);
    node.create(&REPLICA_SETS, "x", &set(600, "i"));
    node.until("all are there", |node| status(node)["replicas"] == 600);
    node.settle();
    assert_eq!(node.pods().len(), 600, "and none beyond, ever");
    assert!(
        messages(&node, "SuccessfulCreate").len() <= 11,
        "similar events are one"
    );
}

#[test]
fn orphans_are_taken_in_and_strangers_let_go() {
    let node = cluster(6);
    let bare = |name: &str, app: &str| {
        json!({
            "metadata": {"name": name, "labels": {"app": app}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        })
    };
    node.create(&PODS, "x", &bare("orphan", "web"));
    node.create(&PODS, "x", &bare("other", "db"));
    node.until("both run", |node| ready(node) == 2);
    node.create(&REPLICA_SETS, "x", &set(2, "i"));
    node.until("two are ready", |node| status(node)["readyReplicas"] == 2);
    let owner =
        |name: &str| node.get(&PODS, "x", name).unwrap()["metadata"]["ownerReferences"][0]["name"].clone();
    assert_eq!((owner("orphan"), owner("other")), (json!("web"), Value::Null));
    assert_eq!(node.pods().len(), 3);

    node.patch(
        &PODS,
        "x",
        "orphan",
        &json!({"metadata": {"labels": {"app": "away"}}}),
    );
    node.until("another takes its place", |node| node.pods().len() == 4);
    node.settle();
    assert_eq!(owner("orphan"), Value::Null);
    node.patch(
        &PODS,
        "x",
        "orphan",
        &json!({"metadata": {"labels": {"app": "web"}}}),
    );
    node.until("it is taken in, and one is too many", |node| {
        live(node).len() == 3
    });
    node.until("which goes", |node| {
        status(node)["replicas"] == 2 && status(node)["terminatingReplicas"] == 0
    });
}

#[test]
fn a_quota_that_is_used_up_is_told_and_waited_for() {
    let node = cluster(7);
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}});
    node.create(&QUOTAS, "x", &quota);
    node.settle();
    node.create(&REPLICA_SETS, "x", &set(4, "i"));
    node.until("two are ready", |node| status(node)["readyReplicas"] == 2);
    let failure = status(&node)["conditions"][0].clone();
    assert_eq!(
        (&failure["type"], &failure["reason"]),
        (&json!("ReplicaFailure"), &json!("FailedCreate"))
    );
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.ends_with("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"),
        "{message}"
    );
    let told = messages(&node, "FailedCreate");
    assert!(
        told.iter()
            .all(|message| message.contains("Error creating: pods \"web-")),
        "{told:?}"
    );
    node.patch(&QUOTAS, "x", "q", &json!({"spec": {"hard": {"pods": "9"}}}));
    node.until("the others come", |node| {
        status(node)["readyReplicas"] == 4 && status(node)["conditions"].is_null()
    });
}

#[test]
fn what_is_refused_makes_no_storm() {
    let node = cluster(8);
    node.create(&REPLICA_SETS, "x", &set(3, "refuse"));
    for _ in 0..60 {
        node.pass(Duration::from_secs(60));
    }
    let pods = node.pods().len();
    assert!((10..=13).contains(&pods), "{pods} of an hour are kept");
    // Three at a time: after 8, 64 and 300 seconds, and each 5 minutes then.
    let made = messages(&node, "SuccessfulCreate").len();
    assert!(made <= 15, "{made}");
    assert_eq!(status(&node)["replicas"], 0);
}

#[test]
fn a_pod_counts_when_it_was_ready_for_long_enough() {
    let node = cluster(9);
    let mut set = set(2, "i");
    set["spec"]["minReadySeconds"] = 30.into();
    node.create(&REPLICA_SETS, "x", &set);
    node.until("both are ready", |node| status(node)["readyReplicas"] == 2);
    assert!(status(&node)["availableReplicas"].is_null());
    let before = node.sim().now();
    node.until("both are available", |node| {
        status(node)["availableReplicas"] == 2
    });
    let waited = node.sim().now().saturating_since(before);
    assert!(waited <= Duration::from_secs(31), "{waited:?}");
}

#[test]
fn a_kill_at_any_point_costs_no_pod_and_leaves_none_too_many() {
    for rounds in [1, 4, 11, 23] {
        let node = cluster(rounds);
        node.create(&REPLICA_SETS, "x", &set(6, "i"));
        for _ in 0..rounds {
            node.turn();
        }
        let node = node.crash(rounds + 1).with_controllers().with_kubelet();
        node.until("all are ready", |node| status(node)["readyReplicas"] == 6);
        node.settle();
        assert_eq!(live(&node).len(), 6, "{rounds}");
    }
}
