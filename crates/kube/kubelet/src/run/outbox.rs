//! Statuses on their way to the API: the newest one, one at a time, and the first not before it says something.

use std::time::Duration;

use driver::Instant;
use serde_json::{Map, Value, json};

use crate::container::Uid;
use crate::pod::Pod;
use crate::status::{PASSING, Status};

/// How long a status that nobody waits for may wait for the next one.
const PATIENCE: Duration = Duration::from_millis(50);

/// The first pause after a write that failed, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// A status that waits.
struct Waiting {
    number: u64,
    status: Status,
    due: Instant,
}

/// One pod's.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Option<Waiting>,
    writing: bool,
    failures: u32,
}

impl Outbox {
    /// A newer status. The one that waited is of no use any more.
    pub(super) fn put(&mut self, number: u64, status: Status, now: Instant) {
        let wait = if status.patient { PATIENCE } else { Duration::ZERO };
        let due = now.saturating_add(wait);
        // Patience is counted from the first one that waited.
        let due = self.waiting.as_ref().map_or(due, |waiting| waiting.due.min(due));
        self.waiting = Some(Waiting { number, status, due });
    }

    /// What is to be written now.
    pub(super) fn take(&mut self, now: Instant) -> Option<(u64, Status)> {
        let due = self.waiting.as_ref().is_some_and(|waiting| waiting.due <= now);
        if self.writing || !due {
            return None;
        }
        let waiting = self.waiting.take()?;
        self.writing = true;
        Some((waiting.number, waiting.status))
    }

    /// It was written.
    pub(super) fn wrote(&mut self) {
        self.writing = false;
        self.failures = 0;
    }

    /// It was not. It waits again, unless a newer one does.
    pub(super) fn failed(&mut self, number: u64, status: Status, now: Instant) {
        let (first, longest) = PAUSES;
        let pause = first.saturating_mul(1 << self.failures.min(10)).min(longest);
        let due = now.saturating_add(pause);
        self.writing = false;
        self.failures = self.failures.saturating_add(1);
        match &mut self.waiting {
            Some(waiting) => waiting.due = due,
            None => self.waiting = Some(Waiting { number, status, due }),
        }
    }

    /// When something is to be written.
    pub(super) fn wakes(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref().filter(|_| !self.writing);
        waiting.map(|waiting| waiting.due)
    }
}

/// The strategic merge patch that writes a status. Conditions of others stay where they are, before ours; of addresses only
/// the newest count.
pub(super) fn patch(pod: &Pod, object: &Uid, status: &Status) -> Vec<u8> {
    let mut body: Map<String, Value> = status.body.as_object().cloned().unwrap_or_default();
    for name in ["podIPs", "hostIPs"] {
        if let Some(Value::Array(list)) = body.get_mut(name) {
            list.push(json!({"$patch": "replace"}));
        }
    }
    if let Some(Value::Array(ours)) = body.get_mut("conditions") {
        let kinds: Vec<String> = ours
            .iter()
            .filter_map(|condition| condition["type"].as_str().map(str::to_owned))
            .collect();
        let others = pod.reported.conditions.iter().map(|condition| &*condition.kind);
        let others = others.filter(|kind| !kinds.iter().any(|own| own == kind));
        let (over, others): (Vec<&str>, Vec<&str>) = others.partition(|kind| PASSING.contains(kind));
        ours.extend(over.iter().map(|kind| json!({"type": kind, "$patch": "delete"})));
        let order: Value = others
            .into_iter()
            .chain(kinds.iter().map(String::as_str))
            .map(|kind| json!({"type": kind}))
            .collect();
        body.insert("$setElementOrder/conditions".to_owned(), order);
    }
    let patch = json!({"metadata": {"uid": &**object}, "status": body});
    patch.to_string().into_bytes()
}
