//! How events end: each lives an hour after its last write (upstream's `--event-ttl`), by a lease of the store.
//!
//! As upstream does, events that are written within a minute share one lease, so that neither a lease nor a timer
//! belongs to a single event.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use driver::Instant;
use store::{Durability, LeaseId, Op as StoreOp, Write};

use crate::Answer;
use crate::registry::store_failed;
use crate::server::State;

/// How long an event stays at least.
const TTL: Duration = Duration::from_secs(3600);

/// How long a lease is given to further events.
const SHARED: Duration = Duration::from_secs(60);

/// Events that share a lease at most: they end together.
const MAX_EVENTS: usize = 1000;

/// The lease that events get now.
#[derive(Debug, Default)]
pub(crate) struct EventLease(Mutex<Option<Current>>);

#[derive(Debug)]
struct Current {
    id: LeaseId,
    until: Instant,
    events: usize,
}

impl EventLease {
    /// The lease for an event that is written now.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn get(&self, state: &State) -> Answer<LeaseId> {
        let now = state.env.now();
        if let Some(id) = self.share(now) {
            return Ok(id);
        }
        // Two who find none at once both make one; each ends in its time.
        let id = LeaseId(state.with_rng(|rng| NonZeroU64::MIN.saturating_add(rng.next_u64() >> 1)));
        let grant = Write {
            op: StoreOp::Grant {
                lease: id,
                ttl: TTL + SHARED,
            },
            durability: Durability::Relaxed,
        };
        state
            .store
            .write(grant)
            .await
            .map_err(|error| store_failed(&error))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Current {
            id,
            until: now.saturating_add(SHARED),
            events: 1,
        });
        Ok(id)
    }

    fn share(&self, now: Instant) -> Option<LeaseId> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = current
            .as_mut()
            .filter(|current| now < current.until && current.events < MAX_EVENTS)?;
        current.events += 1;
        Some(current.id)
    }
}
