//! What the pump writes and everybody reads, under one lock that is held for microseconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use schema::object::{Obj, Revision};

use super::collection::Collection;

#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Debug)]
pub(super) struct State {
    /// Everything up to here is in the collections.
    pub(super) revision: Revision,
    /// When the cache was filled: of a collection that is not there, everything since is known.
    floor: Revision,
    pub(super) collections: BTreeMap<Arc<str>, Collection>,
    /// Those who wait for a revision.
    waiters: Vec<Waker>,
    /// Somebody waits for a revision: the store shall say how far it is.
    pub(super) asked: bool,
    pub(super) pump: Option<Waker>,
    pub(super) closed: bool,
    next_id: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            revision: Revision(0),
            floor: Revision(0),
            collections: BTreeMap::new(),
            waiters: Vec::new(),
            asked: false,
            pump: None,
            closed: false,
            next_id: 0,
        }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whom that concerns once the lock is gone.
    pub(super) fn change(&self, act: impl FnOnce(&mut State, &mut Vec<Waker>)) {
        let mut wakers = Vec::new();
        act(&mut self.state(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    pub(super) fn collection(&mut self, prefix: &str) -> &mut Collection {
        if !self.collections.contains_key(prefix) {
            self.collections
                .insert(prefix.into(), Collection::new(self.floor));
        }
        match self.collections.get_mut(prefix) {
            Some(collection) => collection,
            None => unreachable!("it was put there if it was not"),
        }
    }

    /// When a collection changed last.
    pub(super) fn changed(&self, prefix: &str) -> Revision {
        let collection = self.collections.get(prefix);
        collection.map_or(self.floor, Collection::changed)
    }

    pub(super) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Begins anew with what the store holds at a revision. Watches end: what happened in between is not known.
    pub(super) fn refill(
        &mut self,
        revision: Revision,
        objects: Vec<(String, Arc<Obj>)>,
        wakers: &mut Vec<Waker>,
    ) {
        self.end_watches(wakers);
        self.collections.clear();
        self.floor = revision;
        for (prefix, object) in objects {
            self.collection(&prefix).fill(object);
        }
        self.reach(revision, wakers);
    }

    /// Everything up to a revision has been taken in.
    pub(super) fn reach(&mut self, revision: Revision, wakers: &mut Vec<Waker>) {
        self.revision = self.revision.max(revision);
        wakers.append(&mut self.waiters);
    }

    /// Has the pump ask the store how far it is: what has happened may lie outside of what the cache follows.
    pub(super) fn ask(&mut self) -> Option<Waker> {
        self.asked = true;
        self.pump.take()
    }

    /// Wakes this one when the cache moves on.
    pub(super) fn listen(&mut self, waker: &Waker) {
        self.waiters.push(waker.clone());
    }

    pub(super) fn end_watches(&mut self, wakers: &mut Vec<Waker>) {
        self.collections
            .values_mut()
            .for_each(|collection| collection.end(wakers));
    }
}
