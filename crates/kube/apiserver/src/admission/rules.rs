//! That a write is judged by the rules as they stand.
//!
//! Plugins read the watch cache, which follows the store by some microseconds. Upstream's do too, and papers over it
//! with sleeps and live look-ups. Here the newest write of an object that plugins look at is remembered, and the next
//! judgement waits until the cache has it: who creates a quota and then a pod has the pod judged by the quota. All other
//! writes wait for nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use schema::object::Revision;
use schema::status::Status;

use crate::server::State;
use crate::{Answer, Served};

/// What plugins look at, by group and plural.
const LOOKED_AT: &[(&str, &str)] = &[
    ("", "limitranges"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "persistentvolumeclaims"),
    ("", "resourcequotas"),
    ("", "serviceaccounts"),
    ("networking.k8s.io", "ingressclasses"),
    ("node.k8s.io", "runtimeclasses"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("storage.k8s.io", "storageclasses"),
];

/// The newest write of an object that plugins look at, and whether the cache has it.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    noted: AtomicU64,
    /// What the cache is known to have; most requests need not ask it.
    reached: AtomicU64,
}

impl Rules {
    /// Takes note of a write that became durable.
    pub(crate) fn wrote(&self, served: &Served, at: store::Revision) {
        let def = &served.def;
        let looked_at = def.group == "admissionregistration.k8s.io"
            || LOOKED_AT
                .iter()
                .any(|(group, plural)| def.plural == *plural && def.group == *group);
        if looked_at {
            self.noted.fetch_max(at.0, Ordering::AcqRel);
        }
    }

    /// Waits until the cache has everything that was noted.
    ///
    /// # Errors
    /// 504 after three seconds.
    pub(super) async fn catch_up(&self, state: &State) -> Answer<()> {
        let noted = self.noted.load(Ordering::Acquire);
        if self.reached.load(Ordering::Acquire) >= noted {
            return Ok(());
        }
        let waited = state.cache.wait(Revision(noted)).await;
        waited.map_err(|error| Status::timeout(&error.to_string(), 1))?;
        self.reached.fetch_max(noted, Ordering::AcqRel);
        Ok(())
    }
}
