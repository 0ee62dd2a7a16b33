//! What is in use stays while it is deleted: volumes while they are bound, classes while somebody has them.

use client::Resource;
use serde_json::json;

use crate::node::Node;

static VOLUMES: Resource = Resource::new("", "v1", "persistentvolumes", "PersistentVolume", false);
static CLAIMS: Resource = Resource::new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);
static CLASSES: Resource = Resource::new(
    "storage.k8s.io",
    "v1",
    "volumeattributesclasses",
    "VolumeAttributesClass",
    false,
);

fn volume(node: &Node, name: &str, class: Option<&str>) {
    let volume = json!({"metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": "csi.example.com", "volumeHandle": name}, "volumeAttributesClassName": class,
    }});
    node.create(&VOLUMES, "", &volume);
}

fn phase(node: &Node, name: &str, phase: &str) {
    let mut volume = node.get(&VOLUMES, "", name).unwrap();
    volume["status"]["phase"] = phase.into();
    node.update(&VOLUMES, "", name, "status", &volume);
}

#[test]
fn a_volume_goes_when_it_is_bound_no_more() {
    let node = Node::start(1);
    volume(&node, "bound", None);
    volume(&node, "free", None);
    let finalizers = &node.get(&VOLUMES, "", "bound").unwrap()["metadata"]["finalizers"];
    assert_eq!(
        *finalizers,
        json!(["kubernetes.io/pv-protection"]),
        "admission puts it on"
    );
    phase(&node, "bound", "Bound");
    for name in ["bound", "free"] {
        node.delete(&VOLUMES, "", name, None);
    }
    node.settle();
    assert_eq!(node.names(&VOLUMES, ""), ["bound"]);
    assert!(node.get(&VOLUMES, "", "bound").unwrap()["metadata"]["deletionTimestamp"].is_string());
    phase(&node, "bound", "Released");
    node.settle();
    assert_eq!(node.names(&VOLUMES, ""), Vec::<String>::new());
}

#[test]
fn a_class_goes_when_no_volume_and_no_claim_has_it() {
    let node = Node::start(1);
    node.namespace("x");
    let class = |name: &str| json!({"metadata": {"name": name}, "driverName": "csi.example.com", "parameters": {"iops": "1"}});
    for name in ["gold", "silver", "lead"] {
        node.create(&CLASSES, "", &class(name));
    }
    volume(&node, "v", Some("gold"));
    let claim = json!({"metadata": {"name": "c"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeAttributesClassName": "silver",
    }});
    node.create(&CLAIMS, "x", &claim);
    for name in ["gold", "silver", "lead"] {
        node.delete(&CLASSES, "", name, None);
    }
    node.settle();
    assert_eq!(node.names(&CLASSES, ""), ["gold", "silver"]);
    node.delete(&VOLUMES, "", "v", None);
    node.settle();
    assert_eq!(node.names(&CLASSES, ""), ["silver"]);
    node.delete(&CLAIMS, "x", "c", None);
    node.settle();
    assert_eq!(node.names(&CLASSES, ""), Vec::<String>::new());
}
