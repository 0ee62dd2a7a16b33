//! Nodes that a pod asks for, by `spec.nodeSelector` and node affinity.

use std::collections::BTreeSet;

use views::placement::{NodeAffinity as Affinity, Placement};
use views::selector::{NodeSelector, NodeSelectorTerm, Operator};

use super::{Fit, Happened, Incoming, Plugin, Prepared, Reason, Scoring, proportional};
use crate::snapshot::{NodeIx, Snapshot};

pub(super) struct NodeAffinity;

/// Whether a node is one that the pod asks for.
pub(super) fn wants(placement: &Placement, name: &str, labels: &[(Box<str>, Box<str>)]) -> bool {
    let required = &placement.affinity.node_affinity.required;
    placement.node_selector.matches(labels)
        && required
            .as_ref()
            .is_none_or(|required| required.matches(name, labels))
}

/// Whether a node of the world is.
pub(super) fn wants_at(placement: Option<&Placement>, world: &Snapshot, node: NodeIx) -> bool {
    placement.is_none_or(|placement| wants(placement, world.name(node), &world.view(node).labels))
}

/// The names of nodes that a term asks for, if it asks by name: pods of DaemonSets do, and no other node need be
/// looked at.
fn names(term: &NodeSelectorTerm) -> Option<BTreeSet<&str>> {
    let mut asked = term
        .match_fields
        .iter()
        .filter(|each| each.operator == Operator::In);
    let first = asked.next()?.values.iter().map(|name| &**name).collect();
    Some(asked.fold(first, |names: BTreeSet<&str>, each| {
        names
            .into_iter()
            .filter(|name| each.values.iter().any(|value| **value == **name))
            .collect()
    }))
}

/// The names that are asked for, if every alternative asks for some.
fn named(required: &NodeSelector) -> Option<BTreeSet<&str>> {
    let terms = &required.node_selector_terms;
    let names: Option<Vec<BTreeSet<&str>>> = terms.iter().map(names).collect();
    names
        .filter(|names| !names.is_empty())
        .map(|names| names.into_iter().flatten().collect())
}

fn preference(affinity: &Affinity, name: &str, labels: &[(Box<str>, Box<str>)]) -> i64 {
    let met = affinity
        .preferred
        .iter()
        .filter(|wish| wish.term.matches(name, labels));
    met.map(|wish| i64::from(wish.weight)).sum()
}

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        let Some(placement) = pod.view.placement.as_deref() else {
            return Prepared::Skip;
        };
        let required = &placement.affinity.node_affinity.required;
        if required.is_none() && placement.node_selector.is_empty() {
            return Prepared::Skip;
        }
        let named = required.as_ref().and_then(named);
        if named.as_ref().is_some_and(BTreeSet::is_empty) {
            return Prepared::All(Reason::Text("pod affinity terms conflict"));
        }
        let only = named.map(|names| names.into_iter().filter_map(|name| world.find(name)).collect());
        let refuse = || Fit::never("node(s) didn't match Pod's node affinity/selector");
        let look = move |node| Fit::unless(!wants_at(Some(placement), world, node), refuse);
        Prepared::Each(only, Box::new(look))
    }

    fn score<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>, _: &[NodeIx]) -> Option<Scoring<'a>> {
        let affinity = &pod.view.placement.as_deref()?.affinity.node_affinity;
        (!affinity.preferred.is_empty()).then(|| Scoring {
            each: Box::new(|node| preference(affinity, world.name(node), &world.view(node).labels)),
            normalize: proportional,
        })
    }

    fn wakes(&self, event: &Happened<'_>, _: Incoming<'_>) -> bool {
        event.node(|before, now| before.labels == now.labels)
    }
}
