//! Terms of affinity between pods, and counts by place: what [`super::inter_pod`] and [`super::spread`] share.

use std::collections::BTreeMap;

use views::placement::PodTerm;
use views::selector::label;

use super::Incoming;
use crate::snapshot::{NodeIx, Snapshot, namespace};

/// A place: a label of nodes and its value.
pub(super) type Place<'a> = (&'a str, &'a str);

/// The place that a node is in by a label; none if the node does not have it.
pub(super) fn place<'a>(world: &'a Snapshot, node: NodeIx, key: &'a str) -> Option<Place<'a>> {
    Some((key, label(&world.view(node).labels, key)?))
}

/// Numbers of places.
pub(super) type Counts<'a> = BTreeMap<Place<'a>, i64>;

/// A term, of the pod that has it.
#[derive(Clone, Copy)]
pub(super) struct Term<'a> {
    pub(super) term: &'a PodTerm,
    /// The namespace of that pod.
    pub(super) home: &'a str,
}

impl Term<'_> {
    /// Whether the term is about this pod.
    pub(super) fn matches(self, world: &Snapshot, pod: Incoming<'_>) -> bool {
        let selector = self.term.label_selector.as_ref();
        self.is_about(world, namespace(pod.key)) && selector.is_some_and(|it| it.matches(&pod.view.labels))
    }

    /// Whether the term is about pods of a namespace: those it lists and selects, its own if it does neither.
    fn is_about(self, world: &Snapshot, namespace: &str) -> bool {
        let Self { term, home } = self;
        let listed = term.namespaces.iter().any(|name| **name == *namespace);
        match &term.namespace_selector {
            Some(selector) => listed || selector.matches(world.labels_of_namespace(namespace)),
            None if term.namespaces.is_empty() => namespace == home,
            None => listed,
        }
    }
}
