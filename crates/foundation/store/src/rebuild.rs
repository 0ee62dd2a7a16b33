//! What replay builds, record by record: index, watch window and leases. No I/O.

use std::sync::Arc;

use driver::Instant;

use crate::checkpoint::Checkpoint;
use crate::history::{History, apply};
use crate::lease::Leases;
use crate::record::LogOp;
use crate::tree::Tree;
use crate::{Event, Options, Revision, Snapshot};

/// What replay builds.
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) history: History,
    pub(crate) leases: Leases,
    floor: Revision,
    now: Instant,
}

impl State {
    pub(crate) fn new(checkpoint: &Checkpoint, options: &Options, now: Instant) -> Self {
        let mut leases = Leases::default();
        checkpoint
            .leases
            .iter()
            .for_each(|&(lease, seconds)| leases.grant(lease, seconds, now));
        for row in checkpoint.tree.rows().filter(|row| row.lease.is_some()) {
            leases.observe(&Event {
                revision: row.mod_revision,
                row: Some(row.clone()),
                previous: None,
            });
        }
        let (floor, tree) = (checkpoint.revision, checkpoint.tree.clone());
        let history = History::new(
            Snapshot {
                revision: floor,
                tree: tree.clone(),
            },
            options,
        );
        Self {
            tree,
            history,
            leases,
            floor,
            now,
        }
    }

    /// Does what a record says, leaving out what the checkpoint has.
    pub(crate) fn apply(&mut self, base: Revision, ops: Vec<LogOp>) {
        let last = Revision(base.0 + ops.len() as u64 - 1);
        let first = base.max(self.floor.next());
        if last < first {
            return;
        }
        let mut events = Vec::new();
        for (revision, op) in (base.0..)
            .map(Revision)
            .zip(ops)
            .filter(|(revision, _)| *revision >= first)
        {
            events.extend(self.apply_op(revision, op).map(Arc::new));
        }
        self.history.push(
            first,
            &events,
            Snapshot {
                revision: last,
                tree: self.tree.clone(),
            },
        );
    }

    fn apply_op(&mut self, revision: Revision, op: LogOp) -> Option<Event> {
        let (row, previous) = match op {
            LogOp::Put(row) => (Some(row.clone()), self.tree.get(&row.key).cloned()),
            LogOp::Delete(key) => (None, self.tree.get(&key).cloned()),
            LogOp::Grant { lease, seconds } => {
                self.leases.grant(lease, seconds, self.now);
                return None;
            }
            LogOp::Revoke { lease } => {
                self.leases.revoke(lease);
                return None;
            }
        };
        let event = Event {
            revision,
            row,
            previous,
        };
        apply(&mut self.tree, &event);
        self.leases.observe(&event);
        Some(event)
    }
}
