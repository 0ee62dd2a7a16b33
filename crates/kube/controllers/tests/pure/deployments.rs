//! Deployments beside a kubelet that runs whatever there is: what must hold at every moment of a rollout.

use std::time::Duration;

use client::{Object, Resource};
use driver::Env;
use serde_json::{Value, json};

use crate::kubelet::{read, view};
use crate::node::{EVENTS, Node};
use crate::replica_sets::REPLICA_SETS;

static DEPLOYMENTS: Resource = Resource::new("apps", "v1", "deployments", "Deployment", true);

fn deployment(replicas: i64, image: &str, strategy: &Value) -> Value {
    json!({
        "metadata": {"name": "web", "annotations": {"note": "n"}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "strategy": strategy,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    })
}

fn rolling(surge: &Value, unavailable: &Value) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
}

fn cluster(seed: u64) -> Node {
    let node = Node::start(seed);
    node.namespace("x");
    node.with_kubelet()
}

fn get(node: &Node) -> Value {
    node.get(&DEPLOYMENTS, "x", "web").unwrap()
}

fn condition(node: &Node, kind: &str) -> Value {
    let status = get(node)["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions
        .into_iter()
        .find(|each| each["type"] == kind)
        .unwrap_or_default()
}

fn is_done(node: &Node) -> bool {
    let deployment = get(node);
    let (status, replicas) = (&deployment["status"], &deployment["spec"]["replicas"]);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && [
            &status["replicas"],
            &status["updatedReplicas"],
            &status["availableReplicas"],
        ] == [replicas; 3]
        && condition(node, "Progressing")["reason"] == "NewReplicaSetAvailable"
        && status["terminatingReplicas"] == 0
}

fn sets(node: &Node) -> Vec<Value> {
    let names = node.names(&REPLICA_SETS, "x");
    let mut sets: Vec<Value> = names
        .iter()
        .map(|name| node.get(&REPLICA_SETS, "x", name).unwrap())
        .collect();
    sets.sort_by_key(|set| revision(set).parse::<u64>().unwrap());
    sets
}

fn revision(object: &Value) -> &str {
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        .as_str()
        .unwrap_or("0")
}

fn set_image(node: &Node, image: &str) {
    let containers = json!([{"name": "c", "image": image}]);
    node.patch(
        &DEPLOYMENTS,
        "x",
        "web",
        &json!({"spec": {"template": {"spec": {"containers": containers}}}}),
    );
}

fn told(node: &Node) -> Vec<String> {
    let names = node.names(&EVENTS, "x");
    let events = names.iter().filter_map(|name| node.get(&EVENTS, "x", name));
    let mut of: Vec<Value> = events
        .filter(|event| event["involvedObject"]["kind"] == "Deployment")
        .collect();
    of.sort_by_key(|event| event["metadata"]["name"].as_str().map(str::to_owned));
    of.iter()
        .map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

/// Goes on, one round at a time, until the rollout is done; meanwhile never fewer pods than so many are ready, and never
/// more than so many there.
fn roll_within(node: &Node, least: usize, most: usize) {
    for _ in 0..200_000 {
        let pods: Vec<_> = node
            .pods()
            .iter()
            .map(|pod| view(pod))
            .filter(|pod| pod.is_active())
            .collect();
        let ready = pods.iter().filter(|pod| pod.is_ready()).count();
        assert!(
            ready >= least && pods.len() <= most,
            "{ready} ready of {}",
            pods.len()
        );
        if !node.turn() {
            if is_done(node) {
                return;
            }
            assert!(node.sim().step(), "the rollout stands: {}", get(node)["status"]);
        }
    }
    panic!("the rollout does not end");
}

#[test]
fn a_rollout_keeps_within_its_bounds_whatever_they_are() {
    let cases = [
        (json!("25%"), json!("25%"), 8, 13),
        (json!(0), json!(1), 9, 10),
        (json!(1), json!(0), 10, 11),
        (json!("100%"), json!(0), 10, 20),
        (json!(0), json!("100%"), 0, 10),
        (json!(3), json!(2), 8, 13),
    ];
    for (seed, (surge, unavailable, least, most)) in cases.into_iter().enumerate() {
        let node = cluster(seed as u64);
        node.create(
            &DEPLOYMENTS,
            "x",
            &deployment(10, "v1", &rolling(&surge, &unavailable)),
        );
        node.until("it is complete", is_done);
        set_image(&node, "v2");
        roll_within(&node, least, most);
        let sets = sets(&node);
        let sizes: Vec<_> = sets
            .iter()
            .map(|set| set["spec"]["replicas"].as_i64().unwrap())
            .collect();
        assert_eq!(sizes, [0, 10]);
        assert!(
            node.pods()
                .iter()
                .all(|pod| read(pod)["spec"]["containers"][0]["image"] == "v2")
        );
    }
}

#[test]
fn a_new_deployment_says_what_upstream_says() {
    let node = cluster(20);
    node.create(&DEPLOYMENTS, "x", &deployment(3, "v1", &Value::Null));
    node.until("it is complete", is_done);
    let set = sets(&node).remove(0);
    let name = set["metadata"]["name"].as_str().unwrap();
    let hash = name.strip_prefix("web-").unwrap();
    for labels in [
        &set["metadata"]["labels"],
        &set["spec"]["selector"]["matchLabels"],
        &set["spec"]["template"]["metadata"]["labels"],
    ] {
        assert_eq!(*labels, json!({"app": "web", "pod-template-hash": hash}));
    }
    let annotations = json!({
        "note": "n", "deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    });
    assert_eq!(set["metadata"]["annotations"], annotations);
    let web = get(&node);
    assert_eq!(revision(&web), "1");
    let mut status = web["status"].clone();
    let conditions = status["conditions"].take();
    let expected = json!({
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "terminatingReplicas": 0, "conditions": null,
    });
    assert_eq!(status, expected);
    let texts: Vec<[&str; 4]> = conditions
        .as_array()
        .unwrap()
        .iter()
        .map(|each| ["type", "status", "reason", "message"].map(|member| each[member].as_str().unwrap()))
        .collect();
    let progressed = format!("ReplicaSet {name:?} has successfully progressed.");
    let expected = [
        [
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        ],
        ["Progressing", "True", "NewReplicaSetAvailable", &progressed],
    ];
    assert_eq!(texts, expected);
    assert_eq!(told(&node), [format!("Scaled up replica set {name} from 0 to 3")]);
}

#[test]
fn revisions_are_undone_and_forgotten() {
    let node = cluster(21);
    let mut web = deployment(2, "v1", &Value::Null);
    web["spec"]["revisionHistoryLimit"] = 2.into();
    node.create(&DEPLOYMENTS, "x", &web);
    node.until("it is complete", is_done);
    let change = |image: &str| {
        let generation = get(&node)["metadata"]["generation"].as_i64();
        set_image(&node, image);
        node.until("it is rolled out", |node| {
            is_done(node) && get(node)["metadata"]["generation"].as_i64() > generation
        });
        node.settle();
    };
    change("v2");
    // What `kubectl rollout undo` sends.
    change("v1");
    let revisions: Vec<String> = sets(&node).iter().map(|set| revision(set).to_owned()).collect();
    assert_eq!(
        (revisions, revision(&get(&node))),
        (vec!["2".to_owned(), "3".to_owned()], "3")
    );
    let history = &sets(&node)[1]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"];
    assert_eq!(*history, "1");
    change("v3");
    change("v4");
    node.until("the oldest is forgotten", |node| sets(node).len() == 3);
    let revisions: Vec<String> = sets(&node).iter().map(|set| revision(set).to_owned()).collect();
    assert_eq!(revisions, ["3", "4", "5"]);
}

#[test]
fn recreating_runs_nothing_new_beside_the_old() {
    let node = cluster(22);
    node.create(
        &DEPLOYMENTS,
        "x",
        &deployment(4, "v1", &json!({"type": "Recreate"})),
    );
    node.until("it is complete", is_done);
    set_image(&node, "v2");
    for _ in 0..20_000 {
        let images: std::collections::BTreeSet<String> = node
            .pods()
            .iter()
            .map(|pod| read(pod)["spec"]["containers"][0]["image"].to_string())
            .collect();
        assert!(images.len() <= 1, "{images:?}");
        if !node.turn() {
            if is_done(&node) && images.contains("\"v2\"") {
                return;
            }
            assert!(node.sim().step());
        }
    }
    panic!("never done");
}

#[test]
fn what_is_stuck_is_said_to_be_and_is_undone() {
    let node = cluster(23);
    let mut web = deployment(10, "v1", &rolling(&json!(3), &json!(2)));
    web["spec"]["progressDeadlineSeconds"] = 60.into();
    node.create(&DEPLOYMENTS, "x", &web);
    node.until("it is complete", is_done);
    set_image(&node, "stuck");
    node.until("it is stuck", |node| {
        condition(node, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    });
    let sizes: Vec<_> = sets(&node)
        .iter()
        .map(|set| set["spec"]["replicas"].as_i64().unwrap())
        .collect();
    assert_eq!(sizes, [8, 5]);
    let progressing = condition(&node, "Progressing");
    assert_eq!(progressing["status"], "False");
    assert!(
        progressing["message"]
            .as_str()
            .unwrap()
            .ends_with("has timed out progressing.")
    );
    assert_eq!(condition(&node, "Available")["status"], "True");
    set_image(&node, "v1");
    roll_within(&node, 8, 13);
}

#[test]
fn scaling_amid_a_rollout_keeps_proportions() {
    let node = cluster(24);
    node.create(
        &DEPLOYMENTS,
        "x",
        &deployment(10, "v1", &rolling(&json!(3), &json!(2))),
    );
    node.until("it is complete", is_done);
    set_image(&node, "stuck");
    let sizes = |node: &Node| -> Vec<i64> {
        sets(node)
            .iter()
            .map(|set| set["spec"]["replicas"].as_i64().unwrap())
            .collect()
    };
    node.until("it cannot go on", |node| sizes(node) == [8, 5]);
    node.patch(&DEPLOYMENTS, "x", "web", &json!({"spec": {"replicas": 15}}));
    // As upstream's documentation computes it.
    node.until("both grow", |node| sizes(node) == [11, 7]);
    node.patch(&DEPLOYMENTS, "x", "web", &json!({"spec": {"replicas": 0}}));
    node.until("all go", |node| node.pods().is_empty());
}

#[test]
fn a_paused_deployment_is_scaled_and_not_rolled() {
    let node = cluster(25);
    node.create(&DEPLOYMENTS, "x", &deployment(2, "v1", &Value::Null));
    node.until("it is complete", is_done);
    node.patch(&DEPLOYMENTS, "x", "web", &json!({"spec": {"paused": true}}));
    set_image(&node, "v2");
    node.settle();
    assert_eq!(sets(&node).len(), 1);
    let progressing = condition(&node, "Progressing");
    assert_eq!(
        (&progressing["status"], &progressing["reason"]),
        (&json!("Unknown"), &json!("DeploymentPaused"))
    );
    node.patch(&DEPLOYMENTS, "x", "web", &json!({"spec": {"replicas": 5}}));
    node.until("it is scaled", |node| {
        get(node)["status"]["availableReplicas"] == 5
    });
    assert_eq!(sets(&node).len(), 1);
    node.patch(&DEPLOYMENTS, "x", "web", &json!({"spec": {"paused": false}}));
    node.until("it is rolled", is_done);
    assert_eq!(sets(&node).len(), 2);
}

#[test]
fn a_name_that_is_taken_is_another_name() {
    let node = cluster(26);
    node.create(&DEPLOYMENTS, "x", &deployment(1, "v1", &Value::Null));
    node.until("it is complete", is_done);
    let name = Object::name(&node.create(&DEPLOYMENTS, "x", &{
        let mut other = deployment(0, "v1", &Value::Null);
        other["metadata"]["name"] = "other".into();
        other["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
        other["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
        other
    }));
    assert_eq!(name, "other");
    // Somebody else takes the name that the next template would have.
    let taken = sets(&node)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    node.delete(&DEPLOYMENTS, "x", "web", Some(client::Propagation::Background));
    node.until("all is gone", |node| node.pods().is_empty());
    node.settle();
    let labels = json!({"app": "squatter"});
    let squatter = json!({
        "metadata": {"name": taken},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    });
    node.create(&REPLICA_SETS, "x", &squatter);
    node.create(&DEPLOYMENTS, "x", &deployment(1, "v1", &Value::Null));
    node.until("it is complete", is_done);
    assert_eq!(get(&node)["status"]["collisionCount"], 1);
}

#[test]
fn min_ready_seconds_slow_a_rollout_down() {
    let node = cluster(27);
    let mut web = deployment(3, "v1", &rolling(&json!(1), &json!(0)));
    web["spec"]["minReadySeconds"] = 20.into();
    node.create(&DEPLOYMENTS, "x", &web);
    node.until("it is complete", is_done);
    set_image(&node, "v2");
    let before = node.sim().now();
    roll_within(&node, 3, 4);
    let took = node.sim().now().saturating_since(before);
    assert!(
        (Duration::from_secs(60)..Duration::from_secs(90)).contains(&took),
        "{took:?}"
    );
}

#[test]
fn a_rollout_goes_on_wherever_the_power_fails() {
    for rounds in [2, 10, 30] {
        let node = cluster(rounds);
        node.create(
            &DEPLOYMENTS,
            "x",
            &deployment(4, "v1", &rolling(&json!(1), &json!(1))),
        );
        node.until("it is complete", is_done);
        set_image(&node, "v2");
        let mut node = node;
        for crash in 0..3 {
            for _ in 0..rounds {
                if !node.turn() {
                    node.sim().step();
                }
            }
            node = node.crash(100 * rounds + crash).with_controllers().with_kubelet();
        }
        roll_within(&node, 3, 5);
        assert_eq!(sets(&node).len(), 2, "{rounds}");
    }
}
