//! Pods that come from files of the node, and what the API shows of them.

use std::time::Duration;

use client::Resource;
use serde_json::json;

use crate::node::{NODES, Node, PODS};

const FILE: &str = "/m/web.yaml";

fn manifest(image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: c, image: '{image}'}}]}}"
    )
}

fn with_a_static_pod(seed: u64) -> Node {
    let node = Node::start(seed);
    node.world.manifest(FILE, Some(&manifest("web:1")));
    node.until("shown as running", |node| node.phase("web-n1") == "Running");
    node
}

fn hash(node: &Node) -> String {
    let pod = node.get(&PODS, "web-n1").unwrap_or_default();
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_file_is_run_and_shown_until_it_is_taken_away() {
    let node = with_a_static_pod(41);
    let pod = node.get(&PODS, "web-n1").unwrap();
    let owner = &pod["metadata"]["ownerReferences"][0];
    let own = node.get(&NODES, "n1").unwrap();
    assert_eq!(
        (&owner["kind"], &owner["uid"]),
        (&json!("Node"), &own["metadata"]["uid"])
    );
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["kubernetes.io/config.source"], "file");
    assert_eq!(
        annotations["kubernetes.io/config.hash"],
        annotations["kubernetes.io/config.mirror"]
    );
    assert_ne!(pod["metadata"]["uid"], annotations["kubernetes.io/config.mirror"]);
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], true);
    node.world.manifest(FILE, None);
    node.until("gone", |node| {
        node.get(&PODS, "web-n1").is_none() && node.world.is_empty()
    });
}

#[test]
fn a_mirror_that_somebody_deletes_is_made_again_and_nothing_is_restarted() {
    let node = with_a_static_pod(42);
    let before = node.get(&PODS, "web-n1").unwrap();
    node.delete("web-n1", 0);
    node.until("another", |node| {
        let now = node.get(&PODS, "web-n1").unwrap_or_default();
        now["metadata"]["uid"].is_string()
            && now["metadata"]["uid"] != before["metadata"]["uid"]
            && now["status"]["phase"] == "Running"
    });
    let after = node.get(&PODS, "web-n1").unwrap();
    let container = |pod: &serde_json::Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    assert_eq!(container(&after), container(&before));
    // With a grace that the pod does not take, for it does not end.
    node.delete("web-n1", 30);
    node.until("a third", |node| {
        let now = node.get(&PODS, "web-n1").unwrap_or_default();
        now["metadata"]["uid"].is_string() && now["metadata"]["uid"] != after["metadata"]["uid"]
    });
    assert_eq!(node.world.running("web-n1"), 1);
}

#[test]
fn a_file_that_says_something_else_is_another_pod_after_the_first() {
    let node = with_a_static_pod(43);
    let before = hash(&node);
    node.world.manifest(FILE, Some(&manifest("web:2")));
    node.until("another", |node| {
        assert!(node.world.running("web-n1") <= 1, "two at once");
        hash(node) != before && node.phase("web-n1") == "Running"
    });
    let pod = node.get(&PODS, "web-n1").unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], "web:2");
    node.world.manifest(FILE, Some("kind: nonsense"));
    node.until("gone", |node| {
        node.get(&PODS, "web-n1").is_none() && node.world.is_empty()
    });
}

#[test]
fn the_next_kubelet_goes_on_where_the_last_one_was() {
    let mut node = with_a_static_pod(44);
    let before = node.get(&PODS, "web-n1").unwrap();
    node.stop();
    node.kubelet();
    node.pass(Duration::from_secs(5));
    let after = node.get(&PODS, "web-n1").unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(
        after["status"]["containerStatuses"],
        before["status"]["containerStatuses"]
    );
    node.stop();
    node.world.manifest(FILE, Some(&manifest("web:2")));
    node.kubelet();
    node.until("replaced", |node| {
        assert!(node.world.running("web-n1") <= 1, "two at once");
        hash(node) != before["metadata"]["annotations"]["kubernetes.io/config.mirror"]
            && node.phase("web-n1") == "Running"
    });
    node.stop();
    node.world.manifest(FILE, None);
    node.kubelet();
    node.until("gone", |node| {
        node.get(&PODS, "web-n1").is_none() && node.world.is_empty()
    });
}

#[test]
fn a_pod_runs_though_the_api_does_not_take_its_mirror() {
    static NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);
    let node = Node::start(45);
    let text = manifest("web:1").replace("{name: web}", "{name: web, namespace: late}");
    node.world.manifest(FILE, Some(&text));
    node.until("running", |node| node.world.running("web-n1") == 1);
    node.pass(Duration::from_secs(30));
    node.create(&NAMESPACES, "", &json!({"metadata": {"name": "late"}}));
    node.until_each(Duration::from_secs(1), "shown", |node| {
        let pod = node.get_in(&PODS, "late", "web-n1");
        pod.is_some_and(|pod| pod["status"]["phase"] == "Running")
    });
}

#[test]
fn a_pod_that_is_over_stays_over_and_a_stranger_is_no_mirror() {
    let node = Node::start(46);
    let once = manifest("web:1").replace("spec: {", "spec: {restartPolicy: Never, ");
    node.world.manifest(FILE, Some(&once));
    node.until("running", |node| node.phase("web-n1") == "Running");
    node.world.kill("web-n1", 0);
    node.until("over", |node| node.phase("web-n1") == "Succeeded");
    node.pod("web", &json!({"containers": [{"name": "c", "image": "web:1"}]}));
    node.until("the other", |node| node.phase("web") == "Running");
    let strange = json!({"metadata": {"name": "strange", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "web:1"}]}});
    node.create(&PODS, "default", &strange);
    node.until("taken away", |node| node.get(&PODS, "strange").is_none());
    assert_eq!(node.world.running("strange"), 0);
    assert_eq!(node.phase("web-n1"), "Succeeded");
}
