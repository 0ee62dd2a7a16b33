//! How many pods to make, and which to delete.

use std::time::{Duration, SystemTime};

use views::ready::Phase;

use crate::workload::pods::Pod;
use crate::workload::rank::{Neighbours, rank};
use crate::workload::time::Time;

/// Pods that are made or deleted in one look; upstream's.
const BURST: usize = 500;

/// A pod that fails so soon after it was made did not run: its node refused it.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Refused pods that are kept for people to see.
const KEPT: usize = 10;

/// The longest pause before the next pod of those that are refused.
const LONGEST: Duration = Duration::from_secs(300);

/// What is to be done for a ReplicaSet.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// So many pods are made.
    pub(super) create: usize,
    /// These are deleted.
    pub(super) delete: Vec<Pod>,
    /// Pods are missing, and will be made after this long.
    pub(super) wait: Option<Duration>,
}

/// Decides from all pods that a ReplicaSet owns. `neighbours` is asked for only where some pods are to be chosen.
pub(super) fn plan(
    replicas: i64,
    pods: &[Pod],
    neighbours: impl FnOnce() -> Neighbours,
    now: SystemTime,
) -> Plan {
    let active: Vec<&Pod> = pods.iter().filter(|pod| pod.view.is_active()).collect();
    let refused = refused(pods);
    let replicas = usize::try_from(replicas).unwrap_or(0);
    let missing = replicas.saturating_sub(active.len());
    let wait = pause(pods, &refused, now).filter(|_| missing > 0);
    let surplus = surplus(active, replicas, neighbours, now);
    let excess = excess(&refused).iter().copied();
    Plan {
        create: if wait.is_some() { 0 } else { missing.min(BURST) },
        delete: surplus.into_iter().chain(excess).cloned().collect(),
        wait,
    }
}

/// The active pods that are too many.
fn surplus(
    mut active: Vec<&Pod>,
    replicas: usize,
    neighbours: impl FnOnce() -> Neighbours,
    now: SystemTime,
) -> Vec<&Pod> {
    let too_many = active.len().saturating_sub(replicas);
    if too_many > 0 && too_many < active.len() {
        rank(&mut active, |pod| *pod, &neighbours(), now);
    }
    active.truncate(too_many.min(BURST));
    active
}

/// Pods that failed as soon as they were made, oldest first. A template that no node takes would else make thousands of
/// them: a ReplicaSet replaces what fails at once.
fn refused(pods: &[Pod]) -> Vec<&Pod> {
    let mut refused: Vec<&Pod> = pods.iter().filter(|pod| is_refused(pod)).collect();
    refused.sort_by_key(|pod| (pod.created(), &pod.object.meta.uid));
    refused
}

fn is_refused(pod: &Pod) -> bool {
    let lived = failed_at(pod)
        .zip(pod.created())
        .map(|(end, start)| end.since(start));
    pod.is(Phase::Failed) && pod.view.deleting.is_none() && lived.is_some_and(|lived| lived <= AT_ONCE)
}

/// When it became unready last; one that was never said to be ready or not was refused when it was made.
fn failed_at(pod: &Pod) -> Option<Time> {
    let since = pod.view.ready.and_then(|ready| ready.since);
    since.map(Time::at).or_else(|| pod.created())
}

fn excess<'a>(refused: &'a [&'a Pod]) -> &'a [&'a Pod] {
    &refused[..refused.len().saturating_sub(KEPT)]
}

/// How long to wait before the next pod: twice as long for each that was refused, unless a newer one was not.
fn pause(pods: &[Pod], refused: &[&Pod], now: SystemTime) -> Option<Duration> {
    let newest = refused.last()?;
    let newer = |pod: &Pod| pod.view.is_active() && pod.created() > newest.created();
    if pods.iter().any(newer) {
        return None;
    }
    let doubled = 1_u64
        .checked_shl(u32::try_from(refused.len()).ok()?)
        .unwrap_or(u64::MAX);
    let pause = Duration::from_secs(doubled).min(LONGEST);
    refused
        .iter()
        .filter_map(|pod| failed_at(pod))
        .max()?
        .left(pause, now)
}
