//! What is known of a node that is silent: nothing. Its conditions say so, and its pods are not ready (upstream's
//! `node_lifecycle_controller`).

use std::time::Duration;

use serde_json::{Value, json};
use views::NodeView;
use views::node::Truth;

/// How long a node may be silent (upstream's `--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(50);

/// How long a new node may take to say something (upstream's `--node-startup-grace-period`).
const STARTUP_GRACE: Duration = Duration::from_secs(60);

/// What a kubelet says, and what becomes unknown when it is silent.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// How long this node may be silent.
pub(super) fn grace(node: &NodeView) -> Duration {
    if node.condition("Ready").is_some() {
        GRACE
    } else {
        STARTUP_GRACE
    }
}

/// Whether a node's pods are to be counted on; none while it has said nothing.
pub(super) fn is_ready(node: &NodeView) -> Option<bool> {
    node.condition("Ready").map(|ready| ready.status == Truth::True)
}

/// Makes what a silent kubelet says unknown; answers whether that is new.
pub(super) fn forget(node: &mut Value, now: &str) -> bool {
    let created = node["metadata"]["creationTimestamp"].clone();
    if !node["status"]["conditions"].is_array() {
        node["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = node["status"]["conditions"].as_array_mut() else {
        return false;
    };
    let mut changed = false;
    for kind in CONDITIONS {
        match conditions.iter_mut().find(|condition| condition["type"] == *kind) {
            Some(condition) if condition["status"] == "Unknown" => {}
            Some(condition) => {
                condition["status"] = json!("Unknown");
                condition["reason"] = json!("NodeStatusUnknown");
                condition["message"] = json!("Kubelet stopped posting node status.");
                condition["lastTransitionTime"] = json!(now);
                changed = true;
            }
            None => {
                conditions.push(json!({
                    "type": kind, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": created, "lastTransitionTime": now,
                }));
                changed = true;
            }
        }
    }
    changed
}

/// Makes a pod not ready; answers whether it was. The reason stays.
pub(super) fn not_ready(pod: &mut Value, now: &str) -> bool {
    let conditions = pod["status"]["conditions"].as_array_mut();
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|condition| condition["type"] == "Ready" && condition["status"] != "False");
    let Some(ready) = ready else {
        return false;
    };
    ready["status"] = json!("False");
    ready["lastTransitionTime"] = json!(now);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_silent_kubelet_said_is_unknown_once() {
        let mut node = json!({
            "metadata": {"creationTimestamp": "C"},
            "status": {"conditions": [
                {"type": "NetworkUnavailable", "status": "False"},
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "H"},
            ]},
        });
        assert!(forget(&mut node, "N"));
        let conditions = node["status"]["conditions"].as_array().unwrap();
        assert_eq!(
            conditions[0],
            json!({"type": "NetworkUnavailable", "status": "False"})
        );
        let stopped = json!({
            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.", "lastHeartbeatTime": "H", "lastTransitionTime": "N",
        });
        assert_eq!(conditions[1], stopped);
        let never = json!({
            "type": "PIDPressure", "status": "Unknown", "reason": "NodeStatusNeverUpdated",
            "message": "Kubelet never posted node status.", "lastHeartbeatTime": "C", "lastTransitionTime": "N",
        });
        assert_eq!(conditions[4], never);
        let before = node.clone();
        assert!(!forget(&mut node, "later"));
        assert_eq!(node, before);
    }

    #[test]
    fn a_pod_is_made_not_ready_and_keeps_its_reason() {
        let mut pod = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "R"}]}});
        assert!(not_ready(&mut pod, "N"));
        let ready = json!({"type": "Ready", "status": "False", "reason": "R", "lastTransitionTime": "N"});
        assert_eq!(pod["status"]["conditions"][0], ready);
        assert!(!not_ready(&mut pod, "later"));
        assert!(!not_ready(&mut json!({}), "N"));
    }
}
