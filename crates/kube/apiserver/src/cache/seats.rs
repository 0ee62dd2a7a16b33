//! Who watches a collection, found by what they watch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::event::Event;

/// Events that may wait for one watcher. One more, and it reads on from the collection's window.
const CAPACITY: usize = 64;

/// What a watcher can be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every object of the collection.
    All,
    /// The objects of a namespace.
    Namespace(Box<str>),
    /// One object, by its key below the collection's prefix.
    Object(Box<str>),
}

impl Scope {
    /// Whether an object's key is in it.
    pub fn holds(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => namespace_of(key) == &**namespace,
            Self::Object(object) => &**object == key,
        }
    }
}

fn namespace_of(key: &str) -> &str {
    key.split_once('/').map_or("", |(namespace, _)| namespace)
}

/// How a watcher stands to its collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It gets each event as it happens.
    Live,
    /// It reads the window until it has caught up.
    Behind,
    /// It is told nothing more.
    Ended,
}

/// One watcher's place.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) scope: Scope,
    state: Mutex<SeatState>,
}

#[derive(Debug)]
pub(super) struct SeatState {
    pub(super) standing: Standing,
    pub(super) queue: VecDeque<Arc<Event>>,
    pub(super) waker: Option<Waker>,
}

impl Seat {
    pub(super) fn new(scope: Scope) -> Self {
        let state = SeatState {
            standing: Standing::Behind,
            queue: VecDeque::new(),
            waker: None,
        };
        Self {
            scope,
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SeatState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an event. False if the watcher did not keep up, and gets no more this way.
    fn push(&self, event: &Arc<Event>, wakers: &mut Vec<Waker>) -> bool {
        let mut state = self.state();
        let keeps_up = state.queue.len() < CAPACITY;
        if keeps_up {
            state.queue.push_back(event.clone());
        } else {
            state.queue = VecDeque::new();
            state.standing = Standing::Behind;
        }
        wakers.extend(state.waker.take());
        keeps_up
    }

    pub(super) fn end(&self, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        state.standing = Standing::Ended;
        wakers.extend(state.waker.take());
    }
}

type Bench = BTreeMap<u64, Arc<Seat>>;

/// All places of a collection. An event costs what those cost whom it concerns, not what all do.
#[derive(Debug, Default)]
pub(super) struct Seats {
    all: Bench,
    namespaces: BTreeMap<Box<str>, Bench>,
    objects: BTreeMap<Box<str>, Bench>,
}

impl Seats {
    pub(super) fn add(&mut self, id: u64, seat: Arc<Seat>) {
        let bench = match &seat.scope {
            Scope::All => &mut self.all,
            Scope::Namespace(namespace) => self.namespaces.entry(namespace.clone()).or_default(),
            Scope::Object(key) => self.objects.entry(key.clone()).or_default(),
        };
        bench.insert(id, seat);
    }

    pub(super) fn remove(&mut self, id: u64, scope: &Scope) {
        let (benches, key) = match scope {
            Scope::All => {
                self.all.remove(&id);
                return;
            }
            Scope::Namespace(namespace) => (&mut self.namespaces, namespace),
            Scope::Object(object) => (&mut self.objects, object),
        };
        if let Some(bench) = benches.get_mut(key) {
            bench.remove(&id);
            if bench.is_empty() {
                benches.remove(key);
            }
        }
    }

    /// Hands an event to all whom it may concern.
    pub(super) fn tell(&mut self, event: &Arc<Event>, wakers: &mut Vec<Waker>) {
        let key = event.key();
        tell(&mut self.all, event, wakers);
        if let Some(bench) = self.namespaces.get_mut(namespace_of(key)) {
            tell(bench, event, wakers);
        }
        if let Some(bench) = self.objects.get_mut(key) {
            tell(bench, event, wakers);
        }
    }

    /// Ends all watches.
    pub(super) fn end(&mut self, wakers: &mut Vec<Waker>) {
        let seats = std::mem::take(self);
        let named = seats.namespaces.values().chain(seats.objects.values());
        let every = named.flatten().chain(&seats.all);
        every.for_each(|(_, seat)| seat.end(wakers));
    }
}

fn tell(bench: &mut Bench, event: &Arc<Event>, wakers: &mut Vec<Waker>) {
    bench.retain(|_, seat| seat.push(event, wakers));
}
