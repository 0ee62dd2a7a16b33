//! The status of a pod that waits: the condition `PodScheduled`, and the node that is kept for it.

use jiff::Timestamp;
use schema::object::Obj;
use serde::Deserialize;
use serde_json::{Value, json};

/// Why a pod waits: the reason of its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// No node takes it.
    Unschedulable,
    /// We made a mistake, or a write failed.
    SchedulerError,
}

impl Waits {
    const fn reason(self) -> &'static str {
        match self {
            Self::Unschedulable => "Unschedulable",
            Self::SchedulerError => "SchedulerError",
        }
    }
}

/// What of a pod's status has to be compared.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    status: RawStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawStatus {
    conditions: Vec<Condition>,
    nominated_node_name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
    last_transition_time: Option<String>,
}

/// The status that says why a pod waits; none if it says so already. `nominated` is the node that is kept for it, empty
/// for none any more; where nothing is known of that, it stays as it is.
pub(crate) fn waiting(
    pod: &Obj,
    why: Waits,
    message: &str,
    nominated: Option<&str>,
    now: Timestamp,
) -> Option<Value> {
    let reason = why.reason();
    let known: Raw = serde_json::from_slice(pod.body()).unwrap_or_default();
    let known = known.status;
    let old = known
        .conditions
        .into_iter()
        .find(|condition| condition.r#type == "PodScheduled");
    let old = old.filter(|old| old.status == "False");
    let same_node = nominated.is_none_or(|node| node == known.nominated_node_name);
    if same_node
        && old
            .as_ref()
            .is_some_and(|old| (&*old.reason, &*old.message) == (reason, message))
    {
        return None;
    }
    let since = old
        .and_then(|old| old.last_transition_time)
        .unwrap_or_else(|| seconds(now));
    let mut status = json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": since, "observedGeneration": pod.meta.generation,
    }]});
    if let Some(node) = nominated.filter(|_| !same_node) {
        status["nominatedNodeName"] = if node.is_empty() { Value::Null } else { node.into() };
    }
    Some(status)
}

/// `meta/v1 Time`: without fractions of a second.
pub(crate) fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schema::object::{Order, Revision};

    use super::*;

    fn pod(status: &Value) -> Obj {
        let body = json!({"metadata": {"name": "p", "generation": 3}, "status": status}).to_string();
        Obj::new("default/p", Revision(1), Bytes::from(body), Order::Declared).unwrap()
    }

    fn condition(reason: &str, message: &str) -> Value {
        json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    }

    #[test]
    fn a_condition_is_written_when_it_says_something_new() {
        let now = "2026-01-02T00:00:00.5Z".parse().unwrap();
        let status =
            |known: &Value, nominated| waiting(&pod(known), Waits::Unschedulable, "why", nominated, now);
        let first = status(&json!({}), None).unwrap();
        assert_eq!(
            first["conditions"][0]["lastTransitionTime"],
            "2026-01-02T00:00:00Z"
        );
        assert_eq!(first["conditions"][0]["observedGeneration"], 3);
        assert_eq!(status(&condition("Unschedulable", "why"), None), None);
        let other = status(&condition("Unschedulable", "because"), None).unwrap();
        assert_eq!(
            other["conditions"][0]["lastTransitionTime"],
            "2026-01-01T00:00:00Z"
        );
        assert!(status(&condition("SchedulerError", "why"), None).is_some());
        let nominated = status(&condition("Unschedulable", "why"), Some("n")).unwrap();
        assert_eq!(nominated["nominatedNodeName"], "n");
    }
}
