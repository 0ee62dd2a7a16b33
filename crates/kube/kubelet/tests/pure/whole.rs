//! The whole kubelet beside a real API server, with containers that are only written down.

use std::time::Duration;

use client::Resource;
use serde_json::{Value, json};

use crate::node::{EVENTS, MAPS, Node, PODS, SECRETS};
use crate::play::s;

fn web() -> Value {
    json!({"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "web:1"}]})
}

#[test]
fn a_pod_runs_is_restarted_and_goes() {
    let node = Node::start(1);
    node.pod("web", &web());
    node.until("running", |node| node.phase("web") == "Running");
    let pod = node.get(&PODS, "web").unwrap();
    assert_eq!(pod["status"]["podIP"], "10.42.0.1");
    assert_eq!(pod["status"]["hostIP"], "192.0.2.1");
    assert_eq!(pod["status"]["observedGeneration"], 1);
    let kinds: Vec<&str> = pod["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
            "PodScheduled"
        ]
    );
    node.world.kill("web", 137);
    node.until("restarted", |node| {
        node.get(&PODS, "web").unwrap()["status"]["containerStatuses"][0]["restartCount"] == 1
    });
    node.delete("web", 5);
    node.until("gone", |node| {
        node.get(&PODS, "web").is_none() && node.world.is_empty()
    });
    let told: Vec<String> = node
        .list(&EVENTS)
        .iter()
        .map(|event| format!("{} {}", event["involvedObject"]["fieldPath"], event["reason"]))
        .collect();
    let expected = r#""spec.containers{c}" "Created""#;
    assert!(told.iter().any(|line| line == expected), "{told:?}");
}

#[test]
fn environments_and_volumes_come_from_their_sources() {
    let node = Node::start(2);
    let spec = json!({"containers": [{"name": "c", "image": "web:1",
        "env": [{"name": "M", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "envFrom": [{"secretRef": {"name": "s"}}]}],
        "automountServiceAccountToken": false,
        "volumes": [{"name": "v", "configMap": {"name": "m"}},
            {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
                {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}}]});
    node.pod("web", &spec);
    node.until("missing map", |node| {
        node.list(&EVENTS).iter().any(|event| {
            event["reason"] == "FailedMount"
                && event["message"] == "MountVolume.SetUp failed for volume \"v\" : configmap \"m\" not found"
        })
    });
    node.create(
        &MAPS,
        "default",
        &json!({"metadata": {"name": "m"}, "data": {"k": "one"}}),
    );
    let missing = (
        "CreateContainerConfigError".to_owned(),
        "secret \"s\" not found".to_owned(),
    );
    node.until("missing secret", |node| node.waits("web") == missing);
    node.create(
        &SECRETS,
        "default",
        &json!({"metadata": {"name": "s"}, "stringData": {"PASSWORD": "p"}}),
    );
    node.until("running", |node| node.phase("web") == "Running");
    let environments = node.world.environments.lock().unwrap();
    let value = |name: &str| {
        let mut all = environments["web"].iter();
        all.find(|(own, _)| own == name).map(|(_, value)| value.clone())
    };
    assert_eq!(value("M").as_deref(), Some("one"));
    assert_eq!(value("PASSWORD").as_deref(), Some("p"));
    assert_eq!(value("IP").as_deref(), Some("10.42.0.1"));
    assert_eq!(value("KUBERNETES_SERVICE_HOST").as_deref(), Some("10.43.0.1"));
    drop(environments);
    let token = node.world.file("web", "p", "token").unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    node.patch(&MAPS, "m", &json!({"data": {"k": "two"}}));
    node.until("followed", |node| {
        node.world.file("web", "v", "k").as_deref() == Some("two")
    });
    node.patch(&PODS, "web", &json!({"metadata": {"labels": {"a": "b"}}}));
    node.until("labels", |node| {
        node.world.file("web", "p", "labels").as_deref() == Some("a=\"b\"")
    });
    node.pass(s(500));
    let renewed = node.world.file("web", "p", "token").unwrap();
    assert_ne!(renewed, token);
    assert_eq!(node.world.running("web"), 1);
}

#[test]
fn an_image_that_comes_wakes_who_waits_for_it() {
    let node = Node::start(3);
    node.world.image_is("web:1", false);
    node.pod("web", &web());
    node.until("waiting", |node| node.waits("web").0 == "ImagePullBackOff");
    let message = "Back-off pulling image \"web:1\": ErrImagePull: no registries";
    assert_eq!(node.waits("web").1, message);
    node.world.image_is("web:1", true);
    node.pass(Duration::from_millis(200));
    assert_eq!(node.phase("web"), "Running");
}

#[test]
fn a_pod_that_cannot_run_here_is_failed() {
    let node = Node::start(4);
    let mut spec = web();
    spec["hostUsers"] = json!(false);
    node.pod("web", &spec);
    node.until("failed", |node| node.phase("web") == "Failed");
    let status = node.get(&PODS, "web").unwrap()["status"].clone();
    assert_eq!(status["reason"], "UnsupportedField");
    assert_eq!(status["message"], "spec.hostUsers");
    assert!(node.world.is_empty());
    node.delete("web", 30);
    node.until("gone", |node| node.get(&PODS, "web").is_none());
}

#[test]
fn a_class_leads_to_a_runtime() {
    static CLASSES: Resource = Resource::new("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false);
    let node = Node::start(47);
    for (name, handler) in [("ours", "gantry"), ("theirs", "kata")] {
        node.create(
            &CLASSES,
            "",
            &json!({"metadata": {"name": name}, "handler": handler}),
        );
        let mut spec = web();
        spec["runtimeClassName"] = json!(name);
        node.pod(name, &spec);
    }
    node.until("running", |node| node.phase("ours") == "Running");
    let said = |node: &Node| {
        let events = node.list(&EVENTS);
        let of = |event: &&Value| event["reason"] == "FailedCreatePodSandBox";
        events.iter().find(of).map(|event| event["message"].clone())
    };
    node.until("told", |node| said(node).is_some());
    let why =
        "Failed to create pod sandbox: failed to get sandbox runtime: no runtime for \"kata\" is configured";
    assert_eq!(said(&node).unwrap(), why);
    assert_eq!(node.phase("theirs"), "Pending");
}

#[test]
fn a_place_is_taken_until_the_api_forgets_its_pod() {
    let node = Node::start(7);
    let mut spec = web();
    spec["containers"][0]["resources"] = json!({"requests": {"cpu": "1500m"}});
    node.pod("first", &spec);
    node.until("running", |node| node.phase("first") == "Running");
    node.pod("second", &spec);
    node.until("rejected", |node| node.phase("second") == "Failed");
    let status = node.get(&PODS, "second").unwrap()["status"].clone();
    assert_eq!(status["reason"], "OutOfcpu");
    let text = "Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, used: 1500, capacity: 2000";
    assert_eq!(status["message"], text);
    node.delete("first", 0);
    node.pod("third", &spec);
    node.until("running", |node| node.phase("third") == "Running");
}

#[test]
fn a_kubelet_that_comes_back_adopts_what_runs() {
    let mut node = Node::start(5);
    for name in ["stays", "dies", "goes", "forced"] {
        node.pod(name, &web());
    }
    let running = |name| move |node: &Node| node.phase(name) == "Running";
    for name in ["stays", "dies", "goes", "forced"] {
        node.until("running", running(name));
    }
    node.stop();
    let started = node.world.log.lock().unwrap().len();
    node.world.kill("dies", 3);
    node.delete("goes", 5);
    node.delete("forced", 0);
    node.kubelet();
    node.until("restarted", |node| node.world.running("dies") == 1);
    node.until("gone", |node| node.get(&PODS, "goes").is_none());
    node.until("ended", |node| node.world.running("forced") == 0);
    assert_eq!(node.world.running("stays"), 1);
    let log = node.world.log.lock().unwrap()[started..].join("\n");
    assert!(
        log.contains("start dies/c#1") && !log.contains("start stays"),
        "{log}"
    );
}

#[test]
fn a_hundred_pods_run_and_go_whatever_fails() {
    let node = Node::start(6);
    *node.world.fails.lock().unwrap() = 20;
    let names: Vec<String> = (0..100).map(|at| format!("p{at}")).collect();
    for name in &names {
        node.pod(name, &web());
    }
    let running = |node: &Node| {
        node.list(&PODS)
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Running")
            .count()
    };
    node.until_each(s(5), "all run", |node| running(node) == names.len());
    for name in &names {
        assert_eq!(node.world.running(name), 1, "{name}");
        node.delete(name, 1);
    }
    node.until_each(s(1), "all gone", |node| {
        node.list(&PODS).is_empty() && node.world.is_empty()
    });
}
