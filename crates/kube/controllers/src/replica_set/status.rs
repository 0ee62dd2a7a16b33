//! What a ReplicaSet says of its pods.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use schema::object::Meta;
use serde::{Deserialize, Serialize};

use super::ReplicaSet;
use crate::workload::conditions::{self, Condition, Truth};
use crate::workload::pods::Pod;
use crate::workload::time::Time;

/// The condition of a ReplicaSet whose pods cannot be made or deleted.
pub(crate) const REPLICA_FAILURE: &str = "ReplicaFailure";

/// `apps/v1 ReplicaSetStatus`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) replicas: i64,
    pub(crate) fully_labeled_replicas: i64,
    pub(crate) ready_replicas: i64,
    pub(crate) available_replicas: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) terminating_replicas: Option<i64>,
    pub(crate) observed_generation: i64,
    pub(crate) conditions: Vec<Condition>,
}

/// The status of a ReplicaSet with these pods. `failed` says why pods could not be made or deleted.
pub(super) fn of(
    meta: &Meta,
    set: &ReplicaSet,
    pods: &[Pod],
    failed: Option<String>,
    now: SystemTime,
) -> Status {
    let stamp = Timestamp::try_from(now).unwrap_or_default();
    let least = Duration::from_secs(set.spec.min_ready_seconds);
    let labels = &set.spec.template.metadata.labels;
    let labelled = |pod: &Pod| {
        labels
            .iter()
            .all(|(key, value)| pod.object.meta.label(key) == Some(value))
    };
    let active = || pods.iter().filter(|pod| pod.view.is_active());
    let mut status = Status {
        replicas: count(active()),
        fully_labeled_replicas: count(active().filter(|pod| labelled(pod))),
        ready_replicas: count(active().filter(|pod| pod.view.is_ready())),
        available_replicas: count(active().filter(|pod| pod.view.is_available(least, stamp))),
        terminating_replicas: Some(count(pods.iter().filter(|pod| pod.is_terminating()))),
        observed_generation: meta.generation,
        conditions: set.status.conditions.clone(),
    };
    let has = conditions::find(&status.conditions, REPLICA_FAILURE).is_some();
    match failed {
        None => conditions::remove(&mut status.conditions, REPLICA_FAILURE),
        Some(message) if !has => {
            let reason = if status.replicas < set.spec.replicas {
                "FailedCreate"
            } else {
                "FailedDelete"
            };
            let failure = Condition::new(REPLICA_FAILURE, Truth::True, reason, message, now);
            conditions::set(&mut status.conditions, failure);
        }
        Some(_) => {}
    }
    status
}

fn count<'a>(pods: impl Iterator<Item = &'a Pod>) -> i64 {
    i64::try_from(pods.count()).unwrap_or(i64::MAX)
}

/// When the next pod that is ready will have been so for long enough.
pub(super) fn again(min_ready_seconds: u64, pods: &[Pod], now: SystemTime) -> Option<Duration> {
    let least = Duration::from_secs(min_ready_seconds);
    let ready = pods.iter().filter(|pod| pod.view.is_active());
    let since = ready.filter_map(|pod| pod.view.ready.filter(|ready| ready.is)?.since);
    since.filter_map(|since| Time::at(since).left(least, now)).min()
}
