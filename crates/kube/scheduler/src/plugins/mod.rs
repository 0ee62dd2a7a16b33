//! What decides about a node: one file for each plugin of upstream's default profile.
//!
//! A plugin first looks at the pod and the world once ([`Plugin::prepare`]); what it hands back looks at each node. Most
//! plugins have nothing to say about most pods, and are then never asked again. Volume plugins are not here: a pod that
//! would need them is refused before ([`views::coverage`]). Nor is a plugin of node names: what waits here has none.

mod affinity;
mod balanced;
mod fit;
mod inter_pod;
mod ports;
mod spread;
mod taint;
mod terms;
mod unschedulable;

use std::collections::BTreeSet;

use views::{NodeView, PodView};

use crate::snapshot::{NodeIx, Snapshot, namespace};

/// The largest score that a plugin gives, before its weight.
pub(crate) const MAX_SCORE: i64 = 100;

/// Why a node does not take a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A sentence of one plugin.
    Text(&'static str),
    /// Too little is left of a resource.
    Insufficient(Box<str>),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Insufficient(resource) => write!(f, "Insufficient {resource}"),
        }
    }
}

/// What a filter says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It takes the pod.
    Fits,
    /// It would, if others were not there.
    No(Vec<Reason>),
    /// It does not, whoever else is there.
    Never(Vec<Reason>),
}

impl Fit {
    fn no(reason: &'static str) -> Self {
        Self::No(vec![Reason::Text(reason)])
    }

    fn never(reason: &'static str) -> Self {
        Self::Never(vec![Reason::Text(reason)])
    }

    fn unless(bad: bool, otherwise: impl FnOnce() -> Self) -> Self {
        if bad { otherwise() } else { Self::Fits }
    }
}

/// The look of a filter at one node.
pub type Look<'a> = Box<dyn Fn(NodeIx) -> Fit + 'a>;

/// What a filter has to say about a pod.
pub enum Prepared<'a> {
    /// Nothing.
    Skip,
    /// No node takes it, and why.
    All(Reason),
    /// It looks at each node; where there is a set, at those of the set, and no other takes the pod.
    Each(Option<BTreeSet<NodeIx>>, Look<'a>),
}

/// How a plugin scores nodes.
pub struct Scoring<'a> {
    /// The score of one node.
    pub each: Box<dyn Fn(NodeIx) -> i64 + 'a>,
    /// Brings the scores of all nodes into 0 to 100.
    pub normalize: fn(&mut [i64]),
}

/// A pod that is to be scheduled.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// `namespace/name`
    pub key: &'a str,
    /// What it asks for.
    pub view: &'a PodView,
}

impl<'a> Incoming<'a> {
    fn namespace(self) -> &'a str {
        namespace(self.key)
    }
}

/// What can make a pod fit that did not.
#[derive(Clone, Copy, Debug)]
pub enum Happened<'a> {
    /// A node came, changed or went.
    Node {
        /// As it was; none if it is new.
        before: Option<&'a NodeView>,
        /// As it is; none if it is gone.
        now: Option<&'a NodeView>,
    },
    /// A pod that has a node came, changed or went.
    Pod {
        /// As it was; none if it is new there.
        before: Option<&'a PodView>,
        /// As it is; none if it is gone.
        now: Option<&'a PodView>,
    },
    /// Labels of a namespace changed.
    Namespace,
}

impl Happened<'_> {
    /// Whether a node came.
    fn new_node(&self) -> bool {
        matches!(
            self,
            Self::Node {
                before: None,
                now: Some(_)
            }
        )
    }

    /// Whether a node is there that was not, or that was not the same.
    fn node(&self, same: impl Fn(&NodeView, &NodeView) -> bool) -> bool {
        match self {
            Self::Node {
                before,
                now: Some(now),
            } => before.is_none_or(|before| !same(before, now)),
            _ => false,
        }
    }

    /// The pod that went, if one did.
    fn gone_pod(&self) -> Option<&PodView> {
        match self {
            Self::Pod {
                before: Some(before),
                now: None,
            } => Some(before),
            _ => None,
        }
    }
}

/// A plugin. Its place in [`ALL`] is upstream's order: of a node's reasons, those of the first plugin that refuses it
/// are told.
pub trait Plugin: Send + Sync {
    /// `NodeResourcesFit`
    fn name(&self) -> &'static str;

    /// How much its score counts.
    fn weight(&self) -> i64 {
        0
    }

    /// Looks at the pod and the world, before it looks at nodes.
    fn prepare<'a>(&self, _world: &'a Snapshot, _pod: Incoming<'a>) -> Prepared<'a> {
        Prepared::Skip
    }

    /// How the nodes that take the pod are scored; none if all are the same to it.
    fn score<'a>(
        &self,
        _world: &'a Snapshot,
        _pod: Incoming<'a>,
        _feasible: &[NodeIx],
    ) -> Option<Scoring<'a>> {
        None
    }

    /// Whether a pod that this plugin refused may fit after this.
    fn wakes(&self, _event: &Happened<'_>, _pod: Incoming<'_>) -> bool {
        false
    }
}

/// The default profile.
pub static ALL: [&dyn Plugin; 8] = [
    &unschedulable::Unschedulable,
    &taint::Taints,
    &affinity::NodeAffinity,
    &ports::Ports,
    &fit::Resources,
    &spread::Spreading,
    &inter_pod::InterPod,
    &balanced::Balanced,
];

/// Some of the plugins of [`ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginSet(u16);

impl PluginSet {
    /// Adds the plugin of this place in [`ALL`].
    pub(crate) fn insert(&mut self, at: usize) {
        self.0 |= 1 << at;
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in it.
    pub fn plugins(self) -> impl Iterator<Item = &'static dyn Plugin> {
        let places = ALL.iter().enumerate();
        places
            .filter(move |(at, _)| self.0 & (1 << at) != 0)
            .map(|(_, plugin)| *plugin)
    }
}

/// Scores in proportion to the largest one.
fn proportional(scores: &mut [i64]) {
    let most = scores.iter().copied().max().unwrap_or(0);
    if most > 0 {
        scores
            .iter_mut()
            .for_each(|score| *score = *score * MAX_SCORE / most);
    }
}

/// The same, and the largest becomes the smallest.
fn reversed(scores: &mut [i64]) {
    proportional(scores);
    scores.iter_mut().for_each(|score| *score = MAX_SCORE - *score);
}

/// Scores that are already as they should be.
fn plain(_: &mut [i64]) {}

#[cfg(test)]
pub(crate) mod tests;
