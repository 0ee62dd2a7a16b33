//! What a pod needs and what a node has left; emptier nodes are better (upstream's `LeastAllocated`).

use views::{PodView, Requests};

use super::{Fit, Happened, Incoming, MAX_SCORE, Plugin, Prepared, Reason, Scoring, plain};
use crate::snapshot::{NodeIx, Room, Snapshot};

pub(super) struct Resources;

/// What is wanted, what there is, and what of it is taken.
#[derive(Clone, Copy)]
struct Line<'a> {
    name: &'a str,
    wanted: i64,
    capacity: i64,
    used: i64,
}

impl Line<'_> {
    const fn is_short(&self) -> bool {
        self.wanted > 0 && self.wanted > self.capacity - self.used
    }
}

fn lines<'a>(wanted: &'a Requests, room: &Room) -> [Line<'a>; 3] {
    let line = |name, wanted, capacity, used| Line {
        name,
        wanted,
        capacity,
        used,
    };
    let (capacity, used) = (&room.capacity, &room.used);
    [
        line("cpu", wanted.milli_cpu, capacity.milli_cpu, used.milli_cpu),
        line("memory", wanted.memory, capacity.memory, used.memory),
        line(
            "ephemeral-storage",
            wanted.ephemeral,
            capacity.ephemeral,
            used.ephemeral,
        ),
    ]
}

/// The common answer, without an allocation: there is room for one more, and nothing rare is asked for.
fn fits(pod: &PodView, room: &Room) -> bool {
    room.used.pods < room.capacity.pods
        && pod.requests.other.is_empty()
        && !lines(&pod.requests, room).iter().any(Line::is_short)
}

fn look(world: &Snapshot, pod: Incoming<'_>, node: NodeIx) -> Fit {
    let promised = world.nominated(node, pod.view.priority, pod.key);
    let room = promised
        .iter()
        .fold(*world.room(node), |room, other| room.with(other));
    if fits(pod.view, &room) {
        return Fit::Fits;
    }
    let rare = pod.view.requests.other.iter().map(|(name, wanted)| Line {
        name,
        wanted: *wanted,
        capacity: world.view(node).allocatable.other(name),
        used: world.taken(node, name)
            + promised
                .iter()
                .map(|other| other.requests.other(name))
                .sum::<i64>(),
    });
    let all = lines(&pod.view.requests, &room).into_iter().chain(rare);
    let short: Vec<Line<'_>> = all.filter(Line::is_short).collect();
    let full = (room.used.pods >= room.capacity.pods).then_some(Reason::Text("Too many pods"));
    let lacking = short.iter().map(|line| Reason::Insufficient(line.name.into()));
    let reasons: Vec<Reason> = full.into_iter().chain(lacking).collect();
    match short.iter().any(|line| line.wanted > line.capacity) {
        _ if reasons.is_empty() => Fit::Fits,
        true => Fit::Never(reasons),
        false => Fit::No(reasons),
    }
}

/// The free part of a resource once the pod is there, of 100; none where the node has nothing of it.
fn free(wanted: i64, used: i64, capacity: i64) -> Option<i64> {
    let left = capacity - used - wanted;
    (capacity > 0).then(|| left.max(0).saturating_mul(MAX_SCORE) / capacity)
}

/// The mean free part of CPU and memory.
fn least_allocated(pod: &PodView, room: &Room) -> i64 {
    let cpu = free(pod.nonzero.0, room.scored.0, room.capacity.milli_cpu);
    let memory = free(pod.nonzero.1, room.scored.1, room.capacity.memory);
    match (cpu, memory) {
        (Some(cpu), Some(memory)) => cpu.midpoint(memory),
        (one, other) => one.or(other).unwrap_or(0),
    }
}

impl Plugin for Resources {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        Prepared::Each(None, Box::new(move |node| look(world, pod, node)))
    }

    fn score<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>, _: &[NodeIx]) -> Option<Scoring<'a>> {
        Some(Scoring {
            each: Box::new(move |node| least_allocated(pod.view, world.room(node))),
            normalize: plain,
        })
    }

    fn wakes(&self, event: &Happened<'_>, _: Incoming<'_>) -> bool {
        let shrunk = match event {
            Happened::Pod {
                before: Some(before),
                now: Some(now),
            } => before.requests != now.requests,
            _ => event.gone_pod().is_some(),
        };
        shrunk || event.node(|before, now| (&before.allocatable, before.pods) == (&now.allocatable, now.pods))
    }
}
