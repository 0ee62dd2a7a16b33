//! What is written about a pod: its binding, why it waits, that it has failed.
//!
//! A write is a task of its own, a bounded number at once; what came of it is told to the one task that decides. Every
//! write names the pod's uid, so that it never meets another pod of the same name.

use std::sync::Arc;

use async_channel::{Receiver, Sender};
use client::{Client, Error, Level, PatchKind, Recorder, Resource, Subject, WriteOptions};
use driver::Env;
use jiff::Timestamp;
use schema::object::Obj;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::snapshot::Key;

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);

/// Writes that are under way at once.
pub(crate) const AT_ONCE: usize = 64;

/// Bytes that the message of an event has at most.
const LONGEST_MESSAGE: usize = 1024;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The pod has a node.
    Binding,
    /// Why it waits.
    Condition,
    /// It will never run.
    Failure,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) key: Key,
    pub(crate) uid: Box<str>,
    pub(crate) what: What,
    pub(crate) result: Result<(), Error>,
}

/// Why a pod waits: the reason of the condition `PodScheduled`.
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

/// Writes, and counts what is under way.
pub(crate) struct Writer {
    client: Client,
    recorder: Recorder,
    env: Arc<dyn Env>,
    telling: Sender<Done>,
    pub(crate) told: Receiver<Done>,
    under_way: usize,
}

impl Writer {
    pub(crate) fn new(client: Client, recorder: Recorder, env: Arc<dyn Env>) -> Self {
        let (telling, told) = async_channel::bounded(AT_ONCE);
        Self {
            client,
            recorder,
            env,
            telling,
            told,
            under_way: 0,
        }
    }

    /// Whether no further write may begin.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way >= AT_ONCE
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// Takes note that a write has ended.
    pub(crate) fn ended(&mut self) {
        self.under_way -= 1;
    }

    /// Tells people of a pod.
    pub(crate) fn tell(&self, pod: &Obj, level: Level, reason: &str, message: &str) {
        self.recorder
            .event(&Subject::of(&PODS, pod), level, reason, cut(message));
    }

    /// Gives a pod its node; people are told once it has it.
    pub(crate) fn bind(&mut self, pod: &Obj, node: &str) {
        let meta = &pod.meta;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"kind": "Node", "name": node},
        });
        let told = format!("Successfully assigned {} to {node}", pod.key);
        self.write(pod, What::Binding, binding, Some(told));
    }

    /// Says why a pod waits; whether that has to be written.
    pub(crate) fn wait(&mut self, pod: &Obj, why: Waits, message: &str, nominated: Option<&str>) -> bool {
        self.tell(pod, Level::Warning, "FailedScheduling", message);
        let now = Timestamp::try_from(self.env.wall()).unwrap_or_default();
        let Some(status) = waiting_status(pod, why.reason(), message, nominated, now) else {
            return false;
        };
        self.write(pod, What::Condition, status, None);
        true
    }

    /// Ends a pod that no node can run.
    pub(crate) fn fail(&mut self, pod: &Obj, reason: &str, message: &str) {
        self.tell(pod, Level::Warning, reason, message);
        let status = json!({"phase": "Failed", "reason": reason, "message": message});
        self.write(pod, What::Failure, status, None);
    }

    fn write(&mut self, pod: &Obj, what: What, body: Value, scheduled: Option<String>) {
        self.under_way += 1;
        let (client, telling, recorder) = (self.client.clone(), self.telling.clone(), self.recorder.clone());
        let (meta, key, subject) = (pod.meta.clone(), Key::from(&*pod.key), Subject::of(&PODS, pod));
        self.env.spawn(Box::pin(async move {
            let place = PODS.within(&meta.namespace).named(&meta.name);
            let options = WriteOptions::default();
            let written = match what {
                What::Binding => {
                    client
                        .create(place.below("binding"), body.to_string(), &options)
                        .await
                }
                What::Condition | What::Failure => {
                    let patch = json!({"metadata": {"uid": meta.uid}, "status": body}).to_string();
                    let kind = PatchKind::Strategic;
                    client.patch(place.below("status"), kind, patch, &options).await
                }
            };
            let result = written.map(drop);
            if let (Ok(()), Some(message)) = (&result, scheduled) {
                recorder.event(&subject, Level::Normal, "Scheduled", message);
            }
            let done = Done {
                key,
                uid: meta.uid,
                what,
                result,
            };
            // Nobody listens any more when the scheduler has ended.
            let _ended = telling.send(done).await;
        }));
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

/// The status that says why a pod waits; none if it says so already.
fn waiting_status(
    pod: &Obj,
    reason: &str,
    message: &str,
    nominated: Option<&str>,
    now: Timestamp,
) -> Option<Value> {
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
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or_default()
        .to_string()
}

/// A message that an event can hold.
fn cut(message: &str) -> String {
    const MORE: &str = " ...";
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(LONGEST_MESSAGE - MORE.len());
    format!("{}{MORE}", &message[..end])
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
            |known: &Value, nominated| waiting_status(&pod(known), "Unschedulable", "why", nominated, now);
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

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(cut(&"a".repeat(1024)).len(), 1024);
        let cut = cut(&"ä".repeat(600));
        assert!(cut.len() <= 1024 && cut.ends_with("ä ..."));
    }
}
