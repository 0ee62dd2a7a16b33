//! Pods that want to be where certain others are, or where they are not (affinity and anti-affinity between pods).

use views::PodView;
use views::placement::{Affinity, PodTerm, Preferred};

use super::terms::{Counts, Term, place};
use super::{Fit, Happened, Incoming, MAX_SCORE, Plugin, Prepared, Scoring};
use crate::snapshot::{NodeIx, Snapshot, namespace};

/// What an existing pod's required affinity counts for in the score of one that it is about.
const HARD_WEIGHT: i64 = 1;

pub(super) struct InterPod;

fn affinity(pod: &PodView) -> Option<&Affinity> {
    pod.placement.as_deref().map(|placement| &placement.affinity)
}

fn towards(pod: &PodView) -> &[PodTerm] {
    affinity(pod).map_or(&[], |affinity| &affinity.pod_affinity.required)
}

fn away(pod: &PodView) -> &[PodTerm] {
    affinity(pod).map_or(&[], |affinity| &affinity.pod_anti_affinity.required)
}

/// What is known of the pods that are there.
struct State<'a> {
    world: &'a Snapshot,
    pod: Incoming<'a>,
    /// Places with pods that all terms of the pod's affinity are about.
    near: Counts<'a>,
    /// Places with pods that a term of the pod's anti-affinity is about.
    far: Counts<'a>,
    /// Places with pods that have an anti-affinity which is about the pod.
    unwelcome: Counts<'a>,
}

fn each_pod<'a>(world: &'a Snapshot, mut tell: impl FnMut(NodeIx, Incoming<'a>)) {
    for node in world.live() {
        for (key, view) in world.pods_on(*node) {
            tell(*node, Incoming { key, view });
        }
    }
}

impl<'a> State<'a> {
    fn new(world: &'a Snapshot, pod: Incoming<'a>) -> Self {
        let mut state = Self {
            world,
            pod,
            near: Counts::new(),
            far: Counts::new(),
            unwelcome: Counts::new(),
        };
        if !towards(pod.view).is_empty() || !away(pod.view).is_empty() {
            each_pod(world, |node, other| state.count(node, other));
        }
        for (key, other, node) in world.sociable() {
            state.count_unwelcome(node, Incoming { key, view: other });
        }
        state
    }

    fn own<'t>(&self, terms: &'t [PodTerm]) -> impl Iterator<Item = Term<'t>> + use<'a, 't>
    where
        'a: 't,
    {
        let home = self.pod.namespace();
        terms.iter().map(move |term| Term { term, home })
    }

    /// Whether all terms of the pod's affinity are about another pod.
    fn is_near(&self, other: Incoming<'_>) -> bool {
        self.own(towards(self.pod.view))
            .all(|term| term.matches(self.world, other))
    }

    fn count(&mut self, node: NodeIx, other: Incoming<'a>) {
        if self.is_near(other) {
            for term in towards(self.pod.view) {
                add(&mut self.near, self.world, node, &term.topology_key, 1);
            }
        }
        let terms = away(self.pod.view);
        for term in self
            .own(terms)
            .filter(|term| term.matches(self.world, other))
            .collect::<Vec<_>>()
        {
            add(&mut self.far, self.world, node, &term.term.topology_key, 1);
        }
    }

    fn count_unwelcome(&mut self, node: NodeIx, other: Incoming<'a>) {
        let home = namespace(other.key);
        for term in away(other.view) {
            if (Term { term, home }).matches(self.world, self.pod) {
                add(&mut self.unwelcome, self.world, node, &term.topology_key, 1);
            }
        }
    }

    fn has_nothing_to_say(&self) -> bool {
        self.unwelcome.is_empty() && towards(self.pod.view).is_empty() && away(self.pod.view).is_empty()
    }

    /// Whether the node is in a place where each term's pods are. The first of pods that want to be near each other has
    /// nobody to go to, and may go anywhere where there is a place.
    fn affinity_holds(&self, node: NodeIx) -> bool {
        let terms = towards(self.pod.view);
        let places: Option<Vec<_>> = terms
            .iter()
            .map(|term| place(self.world, node, &term.topology_key))
            .collect();
        let Some(places) = places else {
            return false;
        };
        places.iter().all(|place| self.near.contains_key(place))
            || self.near.is_empty() && self.is_near(self.pod)
    }

    fn is_too_near(&self, node: NodeIx) -> bool {
        let mut places = away(self.pod.view)
            .iter()
            .filter_map(|term| place(self.world, node, &term.topology_key));
        places.any(|place| self.far.contains_key(&place))
    }

    fn is_unwelcome(&self, node: NodeIx) -> bool {
        let mut places = self.unwelcome.keys();
        places.any(|(key, value)| place(self.world, node, key) == Some((*key, *value)))
    }

    fn look(&self, node: NodeIx) -> Fit {
        if !self.affinity_holds(node) {
            return Fit::never("node(s) didn't match pod affinity rules");
        }
        if self.is_too_near(node) {
            return Fit::no("node(s) didn't match pod anti-affinity rules");
        }
        let refuse = || Fit::no("node(s) didn't satisfy existing pods anti-affinity rules");
        Fit::unless(self.is_unwelcome(node), refuse)
    }
}

/// Adds to the number of a node's place, if it is in one.
fn add<'a>(counts: &mut Counts<'a>, world: &'a Snapshot, node: NodeIx, key: &'a str, number: i64) {
    if let Some(place) = place(world, node, key) {
        *counts.entry(place).or_default() += number;
    }
}

/// What a pod wishes, and how much: away counts below zero.
fn wishes(pod: &PodView) -> impl Iterator<Item = (&PodTerm, i64)> {
    fn weighed(terms: &[Preferred<PodTerm>], sign: i64) -> impl Iterator<Item = (&PodTerm, i64)> {
        terms
            .iter()
            .map(move |wish| (&wish.term, sign * i64::from(wish.weight)))
    }
    let affinity = affinity(pod);
    let to = affinity.map_or(&[][..], |affinity| &affinity.pod_affinity.preferred);
    let from = affinity.map_or(&[][..], |affinity| &affinity.pod_anti_affinity.preferred);
    weighed(to, 1).chain(weighed(from, -1))
}

/// How much the pod likes each place, and pods that are there like it to come.
fn liking<'a>(world: &'a Snapshot, pod: Incoming<'a>) -> Counts<'a> {
    let mut counts = Counts::new();
    if wishes(pod.view).next().is_some() {
        let home = pod.namespace();
        each_pod(world, |node, other| {
            for (term, weight) in
                wishes(pod.view).filter(|(term, _)| Term { term, home }.matches(world, other))
            {
                add(&mut counts, world, node, &term.topology_key, weight);
            }
        });
    }
    for (key, other, node) in world.sociable() {
        let home = namespace(key);
        let required = towards(other).iter().map(|term| (term, HARD_WEIGHT));
        let about = required
            .chain(wishes(other))
            .filter(|(term, _)| Term { term, home }.matches(world, pod));
        for (term, weight) in about {
            add(&mut counts, world, node, &term.topology_key, weight);
        }
    }
    counts
}

/// The least becomes 0, the most [`MAX_SCORE`].
fn stretched(scores: &mut [i64]) {
    let least = scores.iter().copied().min().unwrap_or(0);
    let distance = scores.iter().copied().max().unwrap_or(0) - least;
    let stretch = |score: i64| {
        if distance > 0 {
            MAX_SCORE * (score - least) / distance
        } else {
            0
        }
    };
    scores.iter_mut().for_each(|score| *score = stretch(*score));
}

impl Plugin for InterPod {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        let state = State::new(world, pod);
        if state.has_nothing_to_say() {
            return Prepared::Skip;
        }
        Prepared::Each(None, Box::new(move |node| state.look(node)))
    }

    fn score<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>, _: &[NodeIx]) -> Option<Scoring<'a>> {
        let liking = liking(world, pod);
        (!liking.is_empty()).then(|| Scoring {
            each: Box::new(move |node| {
                let places = liking
                    .iter()
                    .filter(|((key, value), _)| place(world, node, key) == Some((*key, *value)));
                places.map(|(_, weight)| weight).sum()
            }),
            normalize: stretched,
        })
    }

    fn wakes(&self, event: &Happened<'_>, _: Incoming<'_>) -> bool {
        match event {
            Happened::Pod {
                before: Some(before),
                now: Some(now),
            } => before.labels != now.labels,
            Happened::Pod { .. } | Happened::Namespace => true,
            Happened::Node { .. } => event.node(|before, now| before.labels == now.labels),
        }
    }
}
