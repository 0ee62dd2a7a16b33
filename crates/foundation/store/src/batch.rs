//! Planning a commit: writes in, operations, events and answers out. No I/O, no time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::lease::Leases;
use crate::queue::Request;
use crate::record::{LogOp, RecordBuilder};
use crate::tree::Tree;
use crate::{
    Completer, Durability, Error, Event, Expect, Key, KeyValue, LeaseId, Op, Options, Reading, Revision,
    Snapshot, Written,
};

/// How many keys of a lease are deleted in one batch; with the longest keys they are 4 MiB.
const REVOKED_AT_ONCE: usize = 1000;

/// A commit in the making, on an index of its own.
#[derive(Debug)]
pub(crate) struct Batch {
    tree: Tree,
    base: Revision,
    newest: Revision,
    record: RecordBuilder,
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) granted: Option<(LeaseId, u64)>,
    pub(crate) revoked: Option<LeaseId>,
    /// Whether somebody waits for an fsync.
    pub(crate) durable: bool,
    /// Whether it holds an operation that has a batch to itself.
    alone: bool,
    answers: Vec<(Completer<Written>, Result<Written, Error>)>,
}

impl Batch {
    /// A batch on top of `current`; its first operation gets the revision `base`.
    pub(crate) fn new(current: &Snapshot, base: Revision) -> Self {
        Self {
            tree: current.tree.clone(),
            base,
            newest: current.revision,
            record: RecordBuilder::new(),
            events: Vec::new(),
            granted: None,
            revoked: None,
            durable: false,
            alone: false,
            answers: Vec::new(),
        }
    }

    pub(crate) fn base(&self) -> Revision {
        self.base
    }

    /// Nothing to write: every write was refused or changed nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.record.count() == 0
    }

    /// Whether one more operation may go in: there is room, and neither it nor one that is in
    /// changes leases.
    pub(crate) fn admits(&self, op: &Op) -> bool {
        let alone = changes_leases(op);
        let taken = self.alone || self.record.stride() > Options::MAX_RECORD as u64 / 2;
        self.answers.is_empty() || !alone && !taken
    }

    /// The record to write. The batch has none any more.
    pub(crate) fn take_record(&mut self) -> RecordBuilder {
        std::mem::replace(&mut self.record, RecordBuilder::new())
    }

    /// The state after it.
    pub(crate) fn after(&self) -> Snapshot {
        Snapshot {
            revision: self.newest,
            tree: self.tree.clone(),
        }
    }

    /// Tells every writer its own outcome, or that the whole batch failed.
    pub(crate) fn answer(self, outcome: &Result<(), Error>) {
        for (done, answer) in self.answers {
            done.complete(outcome.clone().and(answer));
        }
    }

    /// Plans a write. A lease with many keys is revoked in several batches: the request is then
    /// given back to be done again.
    pub(crate) fn add(&mut self, leases: &Leases, request: Request) -> Option<Request> {
        let before = self.record.count();
        self.alone = changes_leases(&request.write.op);
        let answer = match &request.write.op {
            Op::Put {
                key,
                value,
                expect,
                lease,
            } => self.put(leases, key, value, *expect, *lease),
            Op::Delete { key, expect } => self.delete(key, *expect),
            Op::Grant { lease, ttl } => self.grant(leases, *lease, *ttl),
            Op::KeepAlive { lease } if leases.contains(*lease) => Ok(self.unchanged()),
            Op::KeepAlive { lease } => Err(Error::LeaseNotFound(*lease)),
            Op::Revoke { lease } => match self.revoke(leases, *lease) {
                Ok(false) => return Some(request),
                Ok(true) => Ok(self.unchanged()),
                Err(error) => Err(error),
            },
        };
        // A write that changed nothing is a read, and needs no fsync of its own.
        self.durable |= request.write.durability == Durability::Durable && self.record.count() > before;
        self.answers.push((request.done, answer));
        None
    }

    fn put(
        &mut self,
        leases: &Leases,
        key: &Key,
        value: &Bytes,
        expect: Expect,
        lease: Option<LeaseId>,
    ) -> Result<Written, Error> {
        if let Some(missing) = lease.filter(|&lease| !leases.contains(lease)) {
            return Err(Error::LeaseNotFound(missing));
        }
        let previous = self.tree.get(key);
        expect.check(previous)?;
        let revision = self.next();
        let (key, value) = (key.clone(), value.clone());
        let row = Arc::new(match previous {
            Some(old) => {
                // The key's allocation that is there already is the one to share.
                let (key, create_revision, version) = (old.key.clone(), old.create_revision, old.version + 1);
                KeyValue {
                    key,
                    value,
                    create_revision,
                    mod_revision: revision,
                    version,
                    lease,
                    reading: Reading::default(),
                }
            }
            None => KeyValue {
                key,
                value,
                create_revision: revision,
                mod_revision: revision,
                version: 1,
                lease,
                reading: Reading::default(),
            },
        });
        self.log(&LogOp::Put(row.clone()));
        let previous = self.tree.insert(row.clone());
        Ok(self.happened(Some(row), previous))
    }

    fn delete(&mut self, key: &Key, expect: Expect) -> Result<Written, Error> {
        expect.check(self.tree.get(key))?;
        let Some(previous) = self.tree.remove(key) else {
            return Ok(self.unchanged());
        };
        self.log(&LogOp::Delete(key.clone()));
        Ok(self.happened(None, Some(previous)))
    }

    fn grant(&mut self, leases: &Leases, lease: LeaseId, ttl: Duration) -> Result<Written, Error> {
        if leases.contains(lease) {
            return Err(Error::LeaseExists(lease));
        }
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        self.log(&LogOp::Grant { lease, seconds });
        self.granted = Some((lease, seconds));
        Ok(self.unchanged())
    }

    /// Deletes the keys of a lease; false if some are left and the lease stays for now.
    fn revoke(&mut self, leases: &Leases, lease: LeaseId) -> Result<bool, Error> {
        let keys = leases.keys(lease).ok_or(Error::LeaseNotFound(lease))?;
        for key in keys.iter().take(REVOKED_AT_ONCE) {
            self.delete(key, Expect::Any)?;
        }
        if keys.len() > REVOKED_AT_ONCE {
            return Ok(false);
        }
        self.log(&LogOp::Revoke { lease });
        self.revoked = Some(lease);
        Ok(true)
    }

    /// The revision that the next operation gets.
    fn next(&self) -> Revision {
        Revision(self.base.0 + self.record.count())
    }

    fn log(&mut self, op: &LogOp) {
        self.newest = self.next();
        self.record.push(op);
    }

    fn happened(&mut self, row: Option<Arc<KeyValue>>, previous: Option<Arc<KeyValue>>) -> Written {
        let revision = self.newest;
        self.events.push(Arc::new(Event {
            revision,
            row: row.clone(),
            previous: previous.clone(),
        }));
        Written {
            revision,
            row,
            previous,
        }
    }

    fn unchanged(&self) -> Written {
        Written {
            revision: self.newest,
            row: None,
            previous: None,
        }
    }
}

fn changes_leases(op: &Op) -> bool {
    matches!(op, Op::Grant { .. } | Op::Revoke { .. })
}
