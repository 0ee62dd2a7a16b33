//! Services and their pods beside a real API server: slices and Endpoints.

use std::time::Duration;

use client::{DeleteOptions, PatchKind, Resource, WriteOptions};
use serde_json::{Value, json};

use crate::node::Node;

static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
static ENDPOINTS: Resource = Resource::new("", "v1", "endpoints", "Endpoints", true);
static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
static SLICES: Resource = Resource::new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);

pub(crate) fn service(node: &Node, name: &str, spec: &Value) {
    let mut all = json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "web"}]});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    node.create(&SERVICES, "x", &json!({"metadata": {"name": name}, "spec": all}));
    node.settle();
}

/// A pod that runs on a node under an address.
pub(crate) fn pod(node: &Node, name: &str, address: &str) {
    let container = json!({"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 8080}]});
    let pod = json!({
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "n", "containers": [container]},
    });
    node.create(&PODS, "x", &pod);
    status(node, name, address, true);
}

pub(crate) fn status(node: &Node, name: &str, address: &str, ready: bool) {
    let status = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" },
            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }});
    let (client, name) = (node.client.clone(), name.to_owned());
    let patched = node.run(async move {
        let place = PODS.within("x").named(&name).below("status");
        let options = WriteOptions::default();
        client
            .patch(place, PatchKind::Strategic, status.to_string(), &options)
            .await
    });
    patched.unwrap();
    node.settle();
}

pub(crate) fn kill(node: &Node, name: &str, grace: i64) {
    let (client, name) = (node.client.clone(), name.to_owned());
    let options = DeleteOptions {
        grace_period_seconds: Some(grace),
        ..DeleteOptions::default()
    };
    node.run(async move { client.delete(PODS.within("x").named(&name), &options).await })
        .unwrap();
    node.settle();
}

/// The addresses in a service's slices, with what is said of each: ready, serving, terminating.
fn sliced(node: &Node, service: &str) -> Vec<(String, [bool; 3])> {
    let mut all = Vec::new();
    for slice in slices(node, service) {
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            let is = |condition: &str| endpoint["conditions"][condition] == true;
            let conditions = ["ready", "serving", "terminating"].map(is);
            all.push((endpoint["addresses"][0].as_str().unwrap().to_owned(), conditions));
        }
    }
    all.sort();
    all
}

fn slices(node: &Node, service: &str) -> Vec<Value> {
    let names = node.names(&SLICES, "x").into_iter();
    let all = names.filter_map(|name| node.get(&SLICES, "x", &name));
    all.filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == *service)
        .collect()
}

/// The ready and the other addresses of a service's Endpoints.
fn listed(node: &Node, service: &str) -> Option<[Vec<String>; 2]> {
    let endpoints = node.get(&ENDPOINTS, "x", service)?;
    let ips = |list: &str| {
        let addresses = endpoints["subsets"][0][list]
            .as_array()
            .cloned()
            .unwrap_or_default();
        addresses
            .iter()
            .map(|address| address["ip"].as_str().unwrap().to_owned())
            .collect()
    };
    Some([ips("addresses"), ips("notReadyAddresses")])
}

pub(crate) fn cluster(seed: u64) -> Node {
    let node = Node::start(seed);
    node.namespace("x");
    let zone = json!({"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}}});
    node.create(&NODES, "", &zone);
    node.settle();
    node
}

const READY: [bool; 3] = [true, true, false];

#[test]
fn a_pod_comes_serves_ends_and_is_gone() {
    for seed in 0..4 {
        let node = cluster(seed);
        service(&node, "web", &json!({}));
        let empty = slices(&node, "web");
        assert_eq!(
            (&empty[0]["endpoints"], &empty[0]["ports"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(listed(&node, "web"), Some([vec![], vec![]]));
        pod(&node, "a", "10.42.0.1");
        pod(&node, "b", "10.42.0.2");
        status(&node, "b", "10.42.0.2", false);
        assert_eq!(
            sliced(&node, "web"),
            [("10.42.0.1".into(), READY), ("10.42.0.2".into(), [false; 3])]
        );
        assert_eq!(
            listed(&node, "web"),
            Some([vec!["10.42.0.1".into()], vec!["10.42.0.2".into()]])
        );
        let slice = slices(&node, "web").remove(0);
        assert_eq!(slice["endpoints"][0]["zone"], "z");
        assert_eq!(
            slice["ports"],
            json!([{"name": "", "port": 8080, "protocol": "TCP"}])
        );
        kill(&node, "a", 30);
        assert_eq!(sliced(&node, "web")[0].1, [false, true, true]);
        assert_eq!(listed(&node, "web"), Some([vec![], vec!["10.42.0.2".into()]]));
        kill(&node, "a", 0);
        assert_eq!(
            sliced(&node, "web"),
            [("10.42.0.2".into(), [false; 3])],
            "seed {seed}"
        );
        node.delete(&SERVICES, "x", "web", None);
        node.settle();
        assert!(
            slices(&node, "web").is_empty() && listed(&node, "web").is_none(),
            "seed {seed}"
        );
    }
}

#[test]
fn a_pod_of_an_unknown_node_is_told_when_the_node_comes() {
    let node = Node::start(1);
    node.namespace("x");
    service(&node, "web", &json!({}));
    pod(&node, "a", "10.42.0.1");
    assert_eq!(sliced(&node, "web"), []);
    node.create(&NODES, "", &json!({"metadata": {"name": "n"}}));
    node.settle();
    assert_eq!(sliced(&node, "web"), [("10.42.0.1".into(), READY)]);
}

#[test]
fn labels_decide_and_what_others_spoil_is_mended() {
    let node = cluster(1);
    service(&node, "web", &json!({}));
    pod(&node, "a", "10.42.0.1");
    node.patch(
        &PODS,
        "x",
        "a",
        &json!({"metadata": {"labels": {"app": "other"}}}),
    );
    node.settle();
    assert_eq!(sliced(&node, "web"), []);
    node.patch(
        &SERVICES,
        "x",
        "web",
        &json!({"spec": {"selector": {"app": "other"}}}),
    );
    node.settle();
    assert_eq!(sliced(&node, "web"), [("10.42.0.1".into(), READY)]);
    let name = slices(&node, "web")[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    node.delete(&SLICES, "x", &name, None);
    node.delete(&ENDPOINTS, "x", "web", None);
    node.pass(Duration::from_secs(2));
    assert_eq!(sliced(&node, "web"), [("10.42.0.1".into(), READY)]);
    assert_eq!(listed(&node, "web"), Some([vec!["10.42.0.1".into()], vec![]]));
}

#[test]
fn services_without_a_selector_and_mere_names_are_left_alone() {
    let node = cluster(1);
    service(&node, "own", &json!({"selector": null, "ports": [{"port": 80}]}));
    service(
        &node,
        "name",
        &json!({"type": "ExternalName", "externalName": "example.com"}),
    );
    let own = json!({"metadata": {"name": "own"}, "subsets": [{"addresses": [{"ip": "192.0.2.1"}]}]});
    node.create(&ENDPOINTS, "x", &own);
    let alone = json!({"metadata": {"name": "alone"}, "subsets": [{"addresses": [{"ip": "192.0.2.2"}]}]});
    node.create(&ENDPOINTS, "x", &alone);
    pod(&node, "a", "10.42.0.1");
    assert!(slices(&node, "own").is_empty() && slices(&node, "name").is_empty());
    assert_eq!(listed(&node, "own"), Some([vec!["192.0.2.1".into()], vec![]]));
    assert_eq!(listed(&node, "name"), None);
    node.delete(&SERVICES, "x", "own", None);
    node.settle();
    assert_eq!(
        (listed(&node, "own"), listed(&node, "alone").is_some()),
        (None, true)
    );
}

#[test]
fn what_happened_meanwhile_is_seen_at_the_start() {
    let node = cluster(3);
    service(&node, "web", &json!({}));
    service(&node, "gone", &json!({}));
    pod(&node, "a", "10.42.0.1");
    let mut node = node;
    node.stop();
    pod(&node, "b", "10.42.0.2");
    kill(&node, "a", 0);
    node.delete(&SERVICES, "x", "gone", None);
    let node = node.with_controllers();
    node.settle();
    assert_eq!(sliced(&node, "web"), [("10.42.0.2".into(), READY)]);
    assert_eq!(listed(&node, "web"), Some([vec!["10.42.0.2".into()], vec![]]));
    assert_eq!(listed(&node, "gone"), None);
}
