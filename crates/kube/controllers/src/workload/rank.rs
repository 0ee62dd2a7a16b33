//! Which pods go first when there are too many.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::SystemTime;

use views::ready::Phase;

use super::pods::Pod;
use super::time::Time;

/// Active pods of the same owner on each node.
pub(crate) type Neighbours = BTreeMap<Box<str>, usize>;

/// Puts those first that are missed least; upstream's order (`ActivePodsWithRanks`): without a node, not running, not
/// ready, cheap by their annotation, with many neighbours, ready for a short time, often restarted, young. Times count by
/// their logarithms, so that it is by chance, which is their uids, who goes of those that are about as old. (Upstream
/// compares restarts only between pods that became ready in the same second, which is no order where three meet.)
pub(crate) fn rank<T>(pods: &mut [T], pod: impl Fn(&T) -> &Pod, neighbours: &Neighbours, now: SystemTime) {
    pods.sort_by_cached_key(|each| {
        let pod = pod(each);
        let view = &pod.view;
        let since = view.ready.filter(|ready| ready.is).map(|ready| ready.since);
        (
            (
                !view.node.is_empty(),
                phase(view.phase),
                since.is_some(),
                view.cost,
            ),
            Reverse(neighbours.get(&view.node).copied().unwrap_or(0)),
            since.map(|since| logarithm(since.map(Time::at), now)),
            Reverse((view.restarts, view.sidecar_restarts)),
            logarithm(pod.created(), now),
            pod.object.meta.uid.clone(),
        )
    });
}

const fn phase(phase: Phase) -> u8 {
    match phase {
        Phase::Pending => 0,
        Phase::Unknown => 1,
        Phase::Running | Phase::Succeeded | Phase::Failed => 2,
    }
}

/// Of the nanoseconds since then; below all where there is no time, or none has passed.
fn logarithm(since: Option<Time>, now: SystemTime) -> Option<u32> {
    since.and_then(|since| since.age(now).as_nanos().checked_ilog2())
}
