//! Nodes of which CPU and memory are used alike are better (upstream's `NodeResourcesBalancedAllocation`).

use views::PodView;

use super::{Incoming, MAX_SCORE, Plugin, Scoring, plain};
use crate::snapshot::{NodeIx, Room, Snapshot};

pub(super) struct Balanced;

/// The part of a resource that is used once the pod is there, 0 to 1; none where the node has nothing of it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a score of whole hundredths needs few digits"
)]
fn part(wanted: i64, used: i64, capacity: i64) -> Option<f64> {
    (capacity > 0).then(|| ((used + wanted) as f64 / capacity as f64).min(1.0))
}

/// 100 where the parts are the same; the standard deviation of two numbers is half their distance.
#[expect(clippy::cast_possible_truncation, reason = "a number from 50 to 100")]
fn balance(pod: &PodView, room: &Room) -> i64 {
    let (capacity, used) = (&room.capacity, &room.used);
    let cpu = part(pod.requests.milli_cpu, used.milli_cpu, capacity.milli_cpu);
    let memory = part(pod.requests.memory, used.memory, capacity.memory);
    let deviation = match (cpu, memory) {
        (Some(cpu), Some(memory)) => (cpu - memory).abs() / 2.0,
        _ => 0.0,
    };
    ((1.0 - deviation) * MAX_SCORE as f64) as i64
}

impl Plugin for Balanced {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn weight(&self) -> i64 {
        1
    }

    /// A pod that asks for nothing changes no balance.
    fn score<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>, _: &[NodeIx]) -> Option<Scoring<'a>> {
        let asks = pod.view.requests.milli_cpu > 0 || pod.view.requests.memory > 0;
        asks.then(|| Scoring {
            each: Box::new(move |node| balance(pod.view, world.room(node))),
            normalize: plain,
        })
    }
}
