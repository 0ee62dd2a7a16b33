//! The watch window: the events since some revision, and the roots to read the past by.
//!
//! Not every root is kept: a batch of one write costs a path of nodes, far more than its event.
//! Every so many revisions ([`MAX_STRIDE`]) one is, and what lies between is the root before with the events
//! since applied, so that every single revision of the window can be read exactly.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::tree::Tree;
use crate::{Error, Event, Options, Revision, Snapshot};

/// How many revisions lie at most between two roots that are kept. A short window has them
/// closer, as it is cut off at roots.
const MAX_STRIDE: usize = 256;

/// The window. Its first root is the state at its floor, the oldest revision that can be read.
#[derive(Debug)]
pub(crate) struct History {
    roots: VecDeque<Snapshot>,
    floor: Revision,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Revisions (from, until] that nobody may have seen, as they were lost with the power.
    gaps: Vec<(Revision, Revision)>,
    newest: Revision,
    stride: u64,
    max_events: usize,
    max_bytes: usize,
}

impl History {
    pub(crate) fn new(floor: Snapshot, options: &Options) -> Self {
        Self {
            floor: floor.revision,
            newest: floor.revision,
            roots: VecDeque::from([floor]),
            events: VecDeque::new(),
            bytes: 0,
            gaps: Vec::new(),
            stride: (options.window_events / 8).clamp(1, MAX_STRIDE) as u64,
            max_events: options.window_events,
            max_bytes: options.window_bytes,
        }
    }

    pub(crate) fn floor(&self) -> Snapshot {
        self.roots.front().cloned().unwrap_or_default()
    }

    pub(crate) fn newest(&self) -> Revision {
        self.newest
    }

    /// Opens a gap from the newest revision up to `until`, unless that is where it ends.
    pub(crate) fn skip_to(&mut self, until: Revision) {
        let gap = (self.newest, until);
        if until > self.newest && self.gaps.last() != Some(&gap) {
            self.gaps.push(gap);
        }
    }

    /// Takes in a batch whose first revision is `base`, and the state after it.
    pub(crate) fn push(&mut self, base: Revision, events: &[Arc<Event>], after: Snapshot) {
        self.skip_to(base.previous());
        self.newest = after.revision;
        self.bytes += events.iter().map(|event| weight(event)).sum::<usize>();
        self.events.extend(events.iter().cloned());
        if self
            .roots
            .back()
            .is_none_or(|root| root.revision.0 + self.stride <= after.revision.0)
        {
            self.roots.push_back(after);
        }
        self.trim();
    }

    /// Whether someone who has seen the state at `seen` can be told all that followed.
    pub(crate) fn check(&self, seen: Revision) -> Result<(), Error> {
        if seen < self.floor {
            return Err(Error::Compacted { oldest: self.floor });
        }
        match self
            .gaps
            .iter()
            .find(|&&(from, until)| from < seen && seen <= until)
        {
            Some((_, until)) => Err(Error::Compacted { oldest: until.next() }),
            None => Ok(()),
        }
    }

    /// The state at a revision.
    pub(crate) fn at(&self, revision: Revision) -> Result<Snapshot, Error> {
        self.check(revision)?;
        if revision > self.newest {
            return Err(Error::FutureRevision { current: self.newest });
        }
        let root = self
            .roots
            .partition_point(|root| root.revision <= revision)
            .saturating_sub(1);
        let Some(root) = self.roots.get(root) else {
            return Err(Error::Compacted { oldest: self.floor });
        };
        let mut tree = root.tree.clone();
        for event in self
            .since(root.revision.next())
            .take_while(|event| event.revision <= revision)
        {
            apply(&mut tree, event);
        }
        Ok(Snapshot { revision, tree })
    }

    /// The events from a revision on.
    pub(crate) fn since(&self, from: Revision) -> impl Iterator<Item = &Arc<Event>> {
        let first = self.events.partition_point(|event| event.revision < from);
        self.events.range(first..)
    }

    /// Gives up what was before `revision`.
    pub(crate) fn compact(&mut self, revision: Revision) -> Result<(), Error> {
        let floor = self.at(revision)?;
        while let Some(event) = self.events.pop_front_if(|event| event.revision <= revision) {
            self.bytes -= weight(&event);
        }
        self.roots.retain(|root| root.revision > revision);
        self.roots.push_front(floor);
        self.gaps.retain(|&(_, until)| until > revision);
        self.floor = revision;
        Ok(())
    }

    /// Moves the floor to the first root with which the window is within its limits.
    fn trim(&mut self) {
        while (self.events.len() > self.max_events || self.bytes > self.max_bytes) && self.roots.len() > 1 {
            let next = self.roots[1].revision;
            // A root's revision was published, so it is in no gap and not in the future.
            if self.compact(next).is_err() {
                return;
            }
        }
    }
}

/// What an event keeps in memory, roughly, in bytes.
fn weight(event: &Event) -> usize {
    let value = |row: &Option<Arc<crate::KeyValue>>| row.as_ref().map_or(0, |row| row.value.len());
    value(&event.row) + value(&event.previous) + 128
}

/// Does to an index what an event says was done.
pub(crate) fn apply(tree: &mut Tree, event: &Event) {
    match &event.row {
        Some(row) => drop(tree.insert(row.clone())),
        None => drop(tree.remove(event.key())),
    }
}
