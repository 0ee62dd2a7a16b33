//! Which writes are between their judgement and the store, so that nobody counts while something is under way.
//!
//! What is charged is stored a moment later. A count that is made in between does not see it, and would give back what
//! was just charged: fifty creations beside a new quota once left one object too many. Upstream has that race. Here
//! every write that quotas can count is entered before its quotas are read, and a count is stored only if nothing was
//! under way meanwhile: else it is refused as a conflict, and made again. A count that is refused thrice closes the
//! namespace for newcomers until it is made, so that no traffic can starve it.
//!
//! One server sees its own writes only. There is one server.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Group and plural.
pub(super) type Resource = (Box<str>, Box<str>);

/// After so many refusals nothing more is let in.
const PATIENCE: u32 = 3;

/// So many namespaces are remembered before those without quotas are looked for.
const MANY: usize = 256;

/// What is under way, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<Box<str>, Room>>);

/// A namespace.
#[derive(Debug, Default)]
struct Room {
    /// How many writes of each resource are under way.
    under_way: BTreeMap<Resource, u32>,
    /// The newest write of each that has ended.
    ended: BTreeMap<Resource, u64>,
    /// The number of the newest one.
    last: u64,
    /// How many counts are being stored.
    counting: u32,
    /// Whether nothing more is let in.
    closed: bool,
    /// Each quota's newest count that was refused: the writes that its next one has seen, and how many came before.
    refused: BTreeMap<Box<str>, (u64, u32)>,
}

impl Room {
    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.counting == 0
    }
}

impl Ledger {
    fn rooms(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a write; false while it must wait for a count.
    pub(super) fn enter(&self, namespace: &str, resource: &Resource) -> bool {
        let mut rooms = self.rooms();
        let room = rooms.entry(namespace.into()).or_default();
        let open = room.counting == 0 && !room.closed;
        if open {
            *room.under_way.entry(resource.clone()).or_default() += 1;
        }
        open
    }

    /// Lets newcomers in again: nobody has counted.
    pub(super) fn open(&self, namespace: &str) {
        if let Some(room) = self.rooms().get_mut(namespace) {
            room.closed = false;
        }
    }

    /// A write has ended; whether there are quotas in a namespace, the caller knows. Where there are none nobody counts,
    /// and nothing is remembered.
    pub(super) fn leave(
        &self,
        namespace: &str,
        resource: &Resource,
        stored: bool,
        has_quotas: impl Fn(&str) -> bool,
    ) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get_mut(namespace) else {
            return;
        };
        if let Some(count) = room.under_way.get_mut(resource) {
            *count -= 1;
            if *count == 0 {
                room.under_way.remove(resource);
            }
        }
        if stored && has_quotas(namespace) {
            room.last += 1;
            room.ended.insert(resource.clone(), room.last);
        }
        if room.is_idle() && room.ended.is_empty() {
            rooms.remove(namespace);
        } else if rooms.len() > MANY {
            rooms.retain(|namespace, room| !room.is_idle() || has_quotas(namespace));
        }
    }

    /// Begins to store a quota's count of these resources; false if there is, or was since its last one was refused, a
    /// write that it may not have seen. Who begins ends ([`Self::counted`]).
    pub(super) fn count(&self, namespace: &str, quota: &str, counts: impl Fn(&Resource) -> bool) -> bool {
        let mut rooms = self.rooms();
        let room = rooms.entry(namespace.into()).or_default();
        let (seen, refusals) = room.refused.get(quota).copied().unwrap_or_default();
        let unseen = |(resource, at): (&Resource, &u64)| *at > seen && counts(resource);
        if room.under_way.keys().any(&counts) || room.ended.iter().any(unseen) {
            room.refused.insert(quota.into(), (room.last, refusals + 1));
            room.closed |= refusals + 1 >= PATIENCE;
            return false;
        }
        room.refused.insert(quota.into(), (room.last, 0));
        room.counting += 1;
        true
    }

    /// A count is stored, or was not.
    pub(super) fn counted(&self, namespace: &str) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get_mut(namespace) else {
            return;
        };
        room.counting = room.counting.saturating_sub(1);
        room.closed = false;
        if room.is_idle() && room.ended.is_empty() {
            rooms.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests;
