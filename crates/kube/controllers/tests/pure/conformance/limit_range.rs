//! `[sig-scheduling] LimitRange`

use client::Resource;
use serde_json::{Value, json};

use super::{PODS, pod, resources};
use crate::node::Node;

static RANGES: Resource = Resource::new("", "v1", "limitranges", "LimitRange", true);

fn range(name: &str, labels: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "spec": {"limits": [{
        "type": "Container",
        "min": resources("50m", "100Mi", "100Gi"), "max": resources("500m", "500Mi", "500Gi"),
        "default": resources("500m", "500Mi", "500Gi"), "defaultRequest": resources("100m", "200Mi", "200Gi"),
    }]}})
}

fn given(node: &Node, name: &str) -> Value {
    node.get(&PODS, "l", name).unwrap()["spec"]["containers"][0]["resources"].clone()
}

/// should create a LimitRange with defaults and ensure pod has those defaults applied. [Conformance]
#[test]
fn should_create_a_limit_range_with_defaults_and_ensure_pod_has_those_defaults_applied() {
    let node = Node::start(1);
    node.namespace("l");
    let none = json!({});
    node.create(&RANGES, "l", &range("limit-range", &json!({"time": "now"})));
    assert_eq!(node.labelled(&RANGES, "time=now"), ["limit-range"]);
    node.create(&PODS, "l", &pod("pod-no-resources", &none, &none));
    assert_eq!(
        given(&node, "pod-no-resources"),
        json!({"requests": resources("100m", "200Mi", "200Gi"), "limits": resources("500m", "500Mi", "500Gi")})
    );
    let partial = pod(
        "pod-partial-resources",
        &resources("", "150Mi", "150Gi"),
        &resources("300m", "", ""),
    );
    node.create(&PODS, "l", &partial);
    assert_eq!(
        given(&node, "pod-partial-resources"),
        json!({"requests": resources("300m", "150Mi", "150Gi"), "limits": resources("300m", "500Mi", "500Gi")})
    );
    let little = pod("pfpod", &resources("10m", "50Mi", "50Gi"), &none);
    let much = pod("pfpod2", &resources("600m", "600Mi", "600Gi"), &none);
    assert!(node.try_create(&PODS, "l", &little).is_err());
    assert!(node.try_create(&PODS, "l", &much).is_err());
    let mut changed = node.get(&RANGES, "l", "limit-range").unwrap();
    changed["spec"]["limits"][0]["min"] = resources("9m", "49Mi", "49Gi");
    node.replace(&RANGES, "l", &changed).unwrap();
    node.create(&PODS, "l", &little);
    assert!(node.try_create(&PODS, "l", &much).is_err());
    node.delete(&RANGES, "l", "limit-range", None);
    assert_eq!(node.names(&RANGES, "l"), Vec::<String>::new());
    node.create(&PODS, "l", &much);
}

/// should list, patch and delete a LimitRange by collection [Conformance]
#[test]
fn should_list_patch_and_delete_a_limit_range_by_collection() {
    let node = Node::start(1);
    for namespace in ["l", "other"] {
        node.namespace(namespace);
        node.create(
            &RANGES,
            namespace,
            &range("r", &json!({"e2e-test": "r", "r": "created"})),
        );
    }
    assert_eq!(node.labelled(&RANGES, "e2e-test=r").len(), 2);
    let mut limits = node.get(&RANGES, "l", "r").unwrap()["spec"]["limits"].clone();
    limits[0]["min"] = resources("9m", "49Mi", "49Gi");
    let patch = json!({"metadata": {"labels": {"r": "patched"}}, "spec": {"limits": limits}});
    let patched: Value = node.merge(&RANGES, ("l", "r"), "", &patch).read().unwrap();
    assert_eq!(patched["metadata"]["labels"]["r"], "patched");
    assert_eq!(
        patched["spec"]["limits"][0]["min"],
        resources("9m", "49Mi", "49Gi")
    );
    node.delete_labelled(&RANGES, "l", "r=patched");
    assert_eq!(node.labelled(&RANGES, "r=patched"), Vec::<String>::new());
    assert_eq!(node.labelled(&RANGES, "e2e-test=r"), ["r"], "the other's stays");
}
