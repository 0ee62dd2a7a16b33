//! Leases: which keys go away together, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driver::Instant;

use crate::{Event, Key, LeaseId};

/// All leases of a store. Expiries live in memory only: at open each lease counts as renewed.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    by_id: BTreeMap<LeaseId, Lease>,
    expiries: BTreeSet<(Instant, LeaseId)>,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    expires: Instant,
    keys: BTreeSet<Key>,
}

impl Leases {
    pub(crate) fn contains(&self, id: LeaseId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Starts a lease; one that is there already is left alone (a replay may meet it twice).
    pub(crate) fn grant(&mut self, id: LeaseId, seconds: u64, now: Instant) {
        let ttl = Duration::from_secs(seconds);
        let expires = now.saturating_add(ttl);
        if !self.contains(id) {
            self.by_id.insert(
                id,
                Lease {
                    ttl,
                    expires,
                    keys: BTreeSet::new(),
                },
            );
            self.expiries.insert((expires, id));
        }
    }

    pub(crate) fn revoke(&mut self, id: LeaseId) {
        if let Some(lease) = self.by_id.remove(&id) {
            self.expiries.remove(&(lease.expires, id));
        }
    }

    /// Lets the lease last its whole time from now on; false if there is none.
    pub(crate) fn renew(&mut self, id: LeaseId, now: Instant) -> bool {
        let Some(ttl) = self.by_id.get(&id).map(|lease| lease.ttl) else {
            return false;
        };
        self.expire_at(id, now.saturating_add(ttl));
        true
    }

    /// Moves the end of a lease.
    pub(crate) fn expire_at(&mut self, id: LeaseId, expires: Instant) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            self.expiries.remove(&(lease.expires, id));
            lease.expires = expires;
            self.expiries.insert((expires, id));
        }
    }

    /// Keeps track of which lease holds the key of an event. A row of a lease that is gone was
    /// read from a checkpoint; its delete is in the log behind it.
    pub(crate) fn observe(&mut self, event: &Event) {
        if let Some((previous, lease)) = event.previous.as_ref().and_then(|row| Some((row, row.lease?)))
            && let Some(lease) = self.by_id.get_mut(&lease)
        {
            lease.keys.remove(&previous.key);
        }
        if let Some((row, lease)) = event.row.as_ref().and_then(|row| Some((row, row.lease?)))
            && let Some(lease) = self.by_id.get_mut(&lease)
        {
            lease.keys.insert(row.key.clone());
        }
    }

    /// The keys of a lease; `None` if there is none.
    pub(crate) fn keys(&self, id: LeaseId) -> Option<&BTreeSet<Key>> {
        self.by_id.get(&id).map(|lease| &lease.keys)
    }

    /// The lease that ends next, and when.
    pub(crate) fn next_expiry(&self) -> Option<(Instant, LeaseId)> {
        self.expiries.first().copied()
    }

    /// All leases with their time to live in seconds.
    pub(crate) fn list(&self) -> Vec<(LeaseId, u64)> {
        self.by_id
            .iter()
            .map(|(&id, lease)| (id, lease.ttl.as_secs()))
            .collect()
    }
}
