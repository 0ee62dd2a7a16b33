//! One resource's part of the cache.

use std::sync::Arc;
use std::task::Waker;

use imbl::OrdSet;
use schema::object::{Obj, Revision};

use super::event::Event;
use super::seats::Seats;
use super::snapshot::{Row, Snapshot};
use super::window::Window;

#[derive(Debug)]
pub(super) struct Collection {
    rows: OrdSet<Row>,
    changed: Revision,
    pub(super) window: Window,
    pub(super) seats: Seats,
}

impl Collection {
    /// An empty one, of which everything after `floor` will be known.
    pub(super) fn new(floor: Revision) -> Self {
        Self {
            rows: OrdSet::new(),
            changed: floor,
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
        let event = Arc::new(Event::new(revision, object, previous));
        self.seats.tell(&event, wakers);
        self.window.push(event);
    }
}
