//! Where the writer hands over what it did: the window, and every watcher it concerns.
//!
//! Watchers are found by prefix: for each length of prefix somebody watches, the event's key is
//! cut to it and looked up. The work for an event depends on how many watch *it*, not on how
//! many watch. All of them get the same `Arc`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::history::History;
use crate::watch::WatchQueue;
use crate::{Error, Event, Revision, Snapshot, Watch, WatchItem, WatchRequest};

/// History and watchers under one lock, which is never held across I/O.
#[derive(Debug)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Debug)]
struct State {
    history: History,
    /// Watchers by length of prefix, then by prefix.
    watchers: BTreeMap<usize, BTreeMap<Vec<u8>, Vec<Arc<WatchQueue>>>>,
    closed: bool,
}

impl Hub {
    pub(crate) fn new(history: History) -> Self {
        Self(Mutex::new(State {
            history,
            watchers: BTreeMap::new(),
            closed: false,
        }))
    }

    /// Takes in a batch and tells the watchers.
    pub(crate) fn publish(&self, base: Revision, events: &[Arc<Event>], after: Snapshot) {
        let mut state = self.state();
        state.history.push(base, events, after);
        events.iter().for_each(|event| state.tell(event));
    }

    pub(crate) fn at(&self, revision: Revision) -> Result<Snapshot, Error> {
        self.state().history.at(revision)
    }

    pub(crate) fn floor(&self) -> Snapshot {
        self.state().history.floor()
    }

    pub(crate) fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.state().history.compact(revision)
    }

    /// Starts a watch. One that cannot begin is one that has ended.
    pub(crate) fn watch(self: &Arc<Self>, request: &WatchRequest) -> Watch {
        let mut state = self.state();
        let from = request.from.unwrap_or(state.history.newest().next());
        let checked =
            state
                .history
                .check(from.previous())
                .and(if state.closed { Err(Error::Closed) } else { Ok(()) });
        let past: VecDeque<_> = match &checked {
            Ok(()) => state.past(from, &request.prefix).map(WatchItem::Event).collect(),
            Err(_) => VecDeque::new(),
        };
        let queue = Arc::new(WatchQueue::new(request, from, past));
        match checked {
            Ok(()) => state.add(queue.clone()),
            Err(error) => queue.end(error),
        }
        Watch::new(queue, self.clone())
    }

    pub(crate) fn progress(&self, queue: &WatchQueue) {
        let state = self.state();
        queue.push(WatchItem::Progress(state.history.newest()));
    }

    pub(crate) fn remove(&self, queue: &Arc<WatchQueue>) {
        self.state()
            .retain(&queue.prefix, |other| !Arc::ptr_eq(other, queue));
    }

    /// Ends all watches.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let watchers = std::mem::take(&mut state.watchers);
        watchers
            .values()
            .flat_map(BTreeMap::values)
            .flatten()
            .for_each(|queue| queue.end(Error::Closed));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn past(&self, from: Revision, prefix: &[u8]) -> impl Iterator<Item = Arc<Event>> {
        self.history
            .since(from)
            .filter(move |event| event.key().starts_with(prefix))
            .cloned()
    }

    fn add(&mut self, queue: Arc<WatchQueue>) {
        let same_length = self.watchers.entry(queue.prefix.len()).or_default();
        same_length.entry(queue.prefix.clone()).or_default().push(queue);
    }

    fn tell(&mut self, event: &Arc<Event>) {
        let key = event.key();
        let mut ended = Vec::new();
        for (&length, by_prefix) in self.watchers.range(..=key.len()) {
            let queues = by_prefix.get(&key[..length]).into_iter().flatten();
            ended.extend(
                queues
                    .filter(|queue| !queue.push(WatchItem::Event(event.clone())))
                    .cloned(),
            );
        }
        for queue in ended {
            self.retain(&queue.prefix, |other| !Arc::ptr_eq(other, &queue));
        }
    }

    fn retain(&mut self, prefix: &[u8], keep: impl FnMut(&Arc<WatchQueue>) -> bool) {
        let Some(same_length) = self.watchers.get_mut(&prefix.len()) else {
            return;
        };
        let Some(queues) = same_length.get_mut(prefix) else {
            return;
        };
        queues.retain(keep);
        if queues.is_empty() {
            same_length.remove(prefix);
        }
        if same_length.is_empty() {
            self.watchers.remove(&prefix.len());
        }
    }
}
