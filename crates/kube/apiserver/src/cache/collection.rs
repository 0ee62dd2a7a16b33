//! One resource's part of the cache.

use std::sync::Arc;
use std::task::Waker;

use imbl::OrdSet;
use schema::object::{Obj, Revision};

use super::event::Event;
use super::seats::Seats;
use super::snapshot::{Row, Snapshot};
use super::window::Window;

/// Who may wait for a change at once. One more, and all look again: some have long stopped waiting.
const WAITERS: usize = 256;

#[derive(Debug)]
pub(super) struct Collection {
    rows: OrdSet<Row>,
    changed: Revision,
    /// Woken by the next change, and by nothing that happens elsewhere.
    waiters: Vec<Waker>,
    pub(super) window: Window,
    pub(super) seats: Seats,
}

impl Collection {
    /// An empty one, of which everything after `floor` will be known.
    pub(super) fn new(floor: Revision) -> Self {
        Self {
            rows: OrdSet::new(),
            changed: floor,
            waiters: Vec::new(),
            window: Window::after(floor),
            seats: Seats::default(),
        }
    }

    pub(super) fn snapshot(&self, revision: Revision) -> Snapshot {
        Snapshot {
            revision,
            changed: self.changed,
            rows: self.rows.clone(),
        }
    }

    /// One object by its key.
    pub(super) fn get(&self, key: &str) -> Option<Arc<Obj>> {
        self.rows.get(key).map(|row| row.0.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn changed(&self) -> Revision {
        self.changed
    }

    /// Wakes this one when something changes. Answers who is to be woken now, in place of being remembered on.
    pub(super) fn listen(&mut self, waker: &Waker) -> Vec<Waker> {
        if self.waiters.iter().any(|waiter| waiter.will_wake(waker)) {
            return Vec::new();
        }
        let stale = if self.waiters.len() < WAITERS {
            Vec::new()
        } else {
            std::mem::take(&mut self.waiters)
        };
        self.waiters.push(waker.clone());
        stale
    }

    /// Ends all watches, and has those look again who wait for a change.
    pub(super) fn end(&mut self, wakers: &mut Vec<Waker>) {
        self.seats.end(wakers);
        wakers.append(&mut self.waiters);
    }

    /// Takes in an object that was there when the cache was filled.
    pub(super) fn fill(&mut self, object: Arc<Obj>) {
        self.changed = self.changed.max(object.rev);
        self.rows.insert(Row(object));
    }

    /// Takes in a change: the key's object is now this one, or none.
    pub(super) fn apply(
        &mut self,
        revision: Revision,
        key: &str,
        object: Option<Arc<Obj>>,
        wakers: &mut Vec<Waker>,
    ) {
        let previous = match &object {
            Some(object) => self.rows.insert(Row(object.clone())),
            None => self.rows.remove(key),
        };
        let previous = previous.map(|row| row.0);
        if object.is_none() && previous.is_none() {
            return;
        }
        self.changed = revision;
        wakers.append(&mut self.waiters);
        let event = Arc::new(Event::new(revision, object, previous));
        self.seats.tell(&event, wakers);
        self.window.push(event);
    }
}
