//! APIServices: groups and versions that another server serves (`kube-aggregator`).
//!
//! One task ([`follow()`]) keeps the table of such versions by what is in the watch cache, asks the servers behind them
//! whether they answer and what they serve, and writes what came of it into the APIServices' status. A request for such a
//! version passes the pipeline like any other up to its handler, which sends it on ([`forward()`]); documents of discovery
//! are this server's with theirs merged in ([`merge`]). Without such APIServices all of it costs a comparison.

mod check;
mod describe;
mod follow;
mod forward;
mod merge;
mod register;
mod spec;
mod status;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use describe::Description;

use crate::{Call, RequestInfo};

pub(crate) use follow::run as follow;
pub(crate) use forward::{drop_hop_by_hop, forward, forwarded_for, openapi};
pub(crate) use spec::Remote;

/// Where APIServices are stored.
const PREFIX: &str = "/registry/apiregistration.k8s.io/apiservices/";

type Version = (String, String);

/// What other servers serve, as it was last looked at.
#[derive(Debug, Default)]
struct Table {
    /// By group and version.
    remotes: BTreeMap<Version, Arc<Remote>>,
    /// What they say of themselves.
    described: BTreeMap<Version, Description>,
}

/// What is known of other servers.
#[derive(Debug, Default)]
pub(crate) struct Aggregation {
    table: RwLock<Arc<Table>>,
    /// Grows with every change; 0 until there is any other server.
    epoch: AtomicU64,
}

impl Aggregation {
    /// Who serves a version, if another server does.
    pub(crate) fn remote(&self, group: &str, version: &str) -> Option<Arc<Remote>> {
        if self.epoch() == 0 {
            return None;
        }
        let key = (group.to_owned(), version.to_owned());
        self.table().remotes.get(&key).cloned()
    }

    /// Who serves what a call's path leads to, if another server does.
    pub(crate) fn of_call(&self, call: &Call) -> Option<Arc<Remote>> {
        if self.epoch() == 0 {
            return None;
        }
        let mut parts = call.info.path.trim_matches('/').split('/');
        let below = (parts.next()?, parts.next()?, parts.next()?);
        match below {
            ("apis", group, version) => self.remote(group, version),
            _ => None,
        }
    }

    /// Whether a request is another server's.
    pub(crate) fn takes(&self, info: &RequestInfo) -> bool {
        self.remote(&info.group, &info.version).is_some()
    }

    /// Grows with every change: what was merged at an older epoch is stale.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the table, if the new one says something else.
    fn put(&self, table: Table) {
        let mut present = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if present.remotes == table.remotes && present.described == table.described {
            return;
        }
        *present = Arc::new(table);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}
