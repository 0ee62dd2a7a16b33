//! How endpoints of equal ports are laid into slices: as few writes as can be, and no endpoint moves without need.
//!
//! What is there stays where it is. Slices that have to be written anyway are filled up, the fullest first; what is left
//! goes into one slice that has room for all of it, or into new ones. Nothing is ever moved to make slices fewer.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::wire::{Endpoint, Identity};

/// Endpoints in one slice at most; upstream's default.
pub(super) const MOST: usize = 100;

/// Endpoints that have to be in some slice.
pub(super) type Wanted = BTreeMap<Identity, Endpoint>;

/// A slice as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub(super) endpoints: &'a [Endpoint],
    /// Whether something else than its endpoints has to be written.
    pub(super) stale: bool,
}

/// What becomes of a slice that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Write(Vec<Endpoint>),
    Delete,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// One for each slot.
    pub(super) fates: Vec<Fate>,
    /// The endpoints of slices to be made.
    pub(super) new: Vec<Vec<Endpoint>>,
}

/// Lays what is wanted into the slots.
pub(super) fn fill(slots: &[Slot<'_>], mut wanted: Wanted) -> Filled {
    let mut fates: Vec<Fate> = slots.iter().map(|slot| keep(slot, &mut wanted)).collect();
    let mut written: Vec<&mut Vec<Endpoint>> = fates.iter_mut().filter_map(Fate::written).collect();
    written.sort_by_key(|endpoints| Reverse(endpoints.len()));
    for endpoints in written {
        top_up(endpoints, &mut wanted);
    }
    let mut new = Vec::new();
    while !wanted.is_empty() {
        let into = roomy(slots, &fates, wanted.len());
        let mut endpoints = into.map_or_else(Vec::new, |at| slots[at].endpoints.to_vec());
        top_up(&mut endpoints, &mut wanted);
        match into {
            Some(at) => fates[at] = Fate::Write(endpoints),
            None => new.push(endpoints),
        }
    }
    Filled { fates, new }
}

impl Fate {
    fn written(&mut self) -> Option<&mut Vec<Endpoint>> {
        match self {
            Self::Write(endpoints) => Some(endpoints),
            Self::Keep | Self::Delete => None,
        }
    }
}

/// Takes what a slot holds off what is wanted, as it should be now.
fn keep(slot: &Slot<'_>, wanted: &mut Wanted) -> Fate {
    let kept: Vec<Endpoint> = slot
        .endpoints
        .iter()
        .filter_map(|endpoint| wanted.remove(&endpoint.identity()))
        .collect();
    match (kept == slot.endpoints, kept.is_empty()) {
        (true, _) if !slot.stale => Fate::Keep,
        (false, true) => Fate::Delete,
        _ => Fate::Write(kept),
    }
}

fn top_up(endpoints: &mut Vec<Endpoint>, wanted: &mut Wanted) {
    while endpoints.len() < MOST
        && let Some((_, endpoint)) = wanted.pop_first()
    {
        endpoints.push(endpoint);
    }
}

/// The untouched slot that all that is left fits into and that is fullest then. An empty one is no better than a new one.
fn roomy(slots: &[Slot<'_>], fates: &[Fate], left: usize) -> Option<usize> {
    let held = |at: usize| slots[at].endpoints.len();
    (0..slots.len())
        .filter(|at| fates[*at] == Fate::Keep && held(*at) + left <= MOST)
        .max_by_key(|at| (held(*at), Reverse(*at)))
}
