//! Pods that want to be spread over places (`spec.topologySpreadConstraints`).

use views::placement::{Inclusion, Placement, Spread, Unsatisfiable};
use views::taint::{Effect, untolerated};

use super::affinity::wants_at;
use super::terms::{Counts, place};
use super::{Fit, Happened, Incoming, MAX_SCORE, Plugin, Prepared, Scoring};
use crate::snapshot::{NodeIx, Snapshot, namespace};

const HOSTNAME: &str = "kubernetes.io/hostname";

/// The score of a node that is in none of the places.
const NOWHERE: i64 = -1;

pub(super) struct Spreading;

fn constraints<'a>(pod: Incoming<'a>, when: Unsatisfiable) -> Vec<&'a Spread> {
    let all = pod
        .view
        .placement
        .as_deref()
        .map_or(&[][..], |it| &it.topology_spread_constraints);
    all.iter()
        .filter(|each| each.when_unsatisfiable == when)
        .collect()
}

/// Whether a node is in a place for each constraint.
fn is_somewhere(world: &Snapshot, node: NodeIx, constraints: &[&Spread]) -> bool {
    constraints
        .iter()
        .all(|each| place(world, node, &each.topology_key).is_some())
}

/// Whether a constraint counts a node.
fn includes(spread: &Spread, world: &Snapshot, node: NodeIx, pod: Incoming<'_>) -> bool {
    const HARD: [Effect; 2] = [Effect::NoSchedule, Effect::NoExecute];
    let placement: Option<&Placement> = pod.view.placement.as_deref();
    let taints = &world.view(node).taints;
    (spread.node_affinity_policy == Inclusion::Ignore || wants_at(placement, world, node))
        && (spread.node_taints_policy == Inclusion::Ignore
            || untolerated(taints, &pod.view.tolerations, &HARD).is_none())
}

/// How many pods on a node a constraint is about. An empty selector is about none, and those that leave do not count.
fn count(spread: &Spread, world: &Snapshot, node: NodeIx, home: &str) -> i64 {
    let Some(selector) = spread.label_selector.as_ref().filter(|it| !it.is_empty()) else {
        return 0;
    };
    let pods = world.pods_on(node).iter();
    let counted = pods.filter(|(key, pod)| {
        pod.deleting.is_none() && namespace(key) == home && selector.matches(&pod.labels)
    });
    i64::try_from(counted.count()).unwrap_or(i64::MAX)
}

fn is_about(spread: &Spread, pod: Incoming<'_>) -> bool {
    spread
        .label_selector
        .as_ref()
        .is_some_and(|selector| selector.matches(&pod.view.labels))
}

/// What a constraint that must hold knows of the world.
struct Hard<'a> {
    spread: &'a Spread,
    /// How many pods it is about are in each place.
    counts: Counts<'a>,
    /// How many are in the place with the fewest.
    least: i64,
    /// Whether the pod itself counts.
    own: i64,
}

impl<'a> Hard<'a> {
    fn new(spread: &'a Spread, all: &[&Spread], world: &'a Snapshot, pod: Incoming<'a>) -> Self {
        let mut counts = Counts::new();
        for node in world.live().iter().copied() {
            if !is_somewhere(world, node, all) || !includes(spread, world, node, pod) {
                continue;
            }
            if let Some(place) = place(world, node, &spread.topology_key) {
                *counts.entry(place).or_default() += count(spread, world, node, pod.namespace());
            }
        }
        let enough = i64::try_from(counts.len()).unwrap_or(i64::MAX) >= spread.min_domains.unwrap_or(1);
        let least = counts.values().copied().min().filter(|_| enough).unwrap_or(0);
        Self {
            spread,
            counts,
            least,
            own: i64::from(is_about(spread, pod)),
        }
    }

    fn look(&self, world: &Snapshot, node: NodeIx) -> Fit {
        let Some(place) = place(world, node, &self.spread.topology_key) else {
            return Fit::never(
                "node(s) didn't match pod topology spread constraints (missing required label)",
            );
        };
        let there = self.counts.get(&place).copied().unwrap_or(0);
        let skew = (there + self.own).saturating_sub(self.least);
        let refuse = || Fit::no("node(s) didn't match pod topology spread constraints");
        Fit::unless(skew > self.spread.max_skew, refuse)
    }
}

/// What a constraint that is a wish knows of the world.
struct Soft<'a> {
    spread: &'a Spread,
    /// How many pods it is about are in each place where a feasible node is.
    counts: Counts<'a>,
    /// Few places would else count less than many.
    weight: f64,
}

impl<'a> Soft<'a> {
    fn new(
        spread: &'a Spread,
        all: &[&Spread],
        world: &'a Snapshot,
        pod: Incoming<'a>,
        feasible: &[NodeIx],
    ) -> Self {
        let mut counts = Counts::new();
        let candidates = || {
            feasible
                .iter()
                .copied()
                .filter(|node| is_somewhere(world, *node, all))
        };
        let by_host = &*spread.topology_key == HOSTNAME;
        for node in candidates().filter(|_| !by_host) {
            counts.extend(place(world, node, &spread.topology_key).map(|place| (place, 0)));
        }
        for node in world.live().iter().copied().filter(|_| !by_host) {
            let counted = is_somewhere(world, node, all) && includes(spread, world, node, pod);
            let place = place(world, node, &spread.topology_key).filter(|_| counted);
            if let Some(number) = place.and_then(|place| counts.get_mut(&place)) {
                *number += count(spread, world, node, pod.namespace());
            }
        }
        let places = if by_host {
            candidates().count()
        } else {
            counts.len()
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of places")]
        let weight = ((places + 2) as f64).ln();
        Self {
            spread,
            counts,
            weight,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of pods")]
    fn score(&self, world: &Snapshot, node: NodeIx, home: &str) -> f64 {
        let Some(place) = place(world, node, &self.spread.topology_key) else {
            return 0.0;
        };
        let there = if place.0 == HOSTNAME {
            count(self.spread, world, node, home)
        } else {
            self.counts.get(&place).copied().unwrap_or(0)
        };
        there as f64 * self.weight + (self.spread.max_skew - 1) as f64
    }
}

/// The emptiest place gets the most; nodes that are nowhere get nothing.
fn emptiest_first(scores: &mut [i64]) {
    let known = || scores.iter().copied().filter(|score| *score != NOWHERE);
    let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    for score in scores {
        *score = match *score {
            NOWHERE => 0,
            _ if most == 0 => MAX_SCORE,
            score => MAX_SCORE * (most + least - score) / most,
        };
    }
}

impl Plugin for Spreading {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        let all = constraints(pod, Unsatisfiable::DoNotSchedule);
        if all.is_empty() {
            return Prepared::Skip;
        }
        let hard: Vec<Hard<'a>> = all.iter().map(|each| Hard::new(each, &all, world, pod)).collect();
        let look = move |node| {
            let mut looks = hard.iter().map(|each| each.look(world, node));
            looks.find(|fit| *fit != Fit::Fits).unwrap_or(Fit::Fits)
        };
        Prepared::Each(None, Box::new(look))
    }

    fn score<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>, feasible: &[NodeIx]) -> Option<Scoring<'a>> {
        let all = constraints(pod, Unsatisfiable::ScheduleAnyway);
        if all.is_empty() {
            return None;
        }
        let soft: Vec<Soft<'a>> = all
            .iter()
            .map(|each| Soft::new(each, &all, world, pod, feasible))
            .collect();
        #[expect(clippy::cast_possible_truncation, reason = "a number of pods, weighed")]
        let score = move |node| {
            if !is_somewhere(world, node, &all) {
                return NOWHERE;
            }
            let sum: f64 = soft
                .iter()
                .map(|each| each.score(world, node, pod.namespace()))
                .sum();
            sum.round() as i64
        };
        Some(Scoring {
            each: Box::new(score),
            normalize: emptiest_first,
        })
    }

    fn wakes(&self, event: &Happened<'_>, _: Incoming<'_>) -> bool {
        match event {
            Happened::Pod {
                before: Some(before),
                now: Some(now),
            } => before.labels != now.labels || before.deleting != now.deleting,
            Happened::Pod { .. } | Happened::Node { now: None, .. } => true,
            Happened::Node { .. } => {
                event.node(|before, now| before.labels == now.labels && before.taints == now.taints)
            }
            Happened::Namespace => false,
        }
    }
}
