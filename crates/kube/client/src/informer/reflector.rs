//! An informer of its own list and watch, shared by all who follow the resource.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use apiserver::cache::Snapshot;
use async_channel::{Receiver, Sender};
use driver::Env;
use futures_util::future::{Either, select};
use schema::custom::Rows;
use schema::object::{Obj, Order, Revision, body};
use schema::resource::by_resource;
use schema::row::{TypeId, TypesRef};

use super::Change;
use super::seat::{Following, Seat};
use crate::{Client, Error, Event, Follow, Object, Resource, Selectors, Step};

/// A resource's objects as its watch tells them, for as long as anybody holds it.
pub(super) struct Reflector {
    /// Nothing is ever sent: it closes with the last who holds the reflector, which ends the watch.
    _held: Sender<()>,
    row: Row,
    synced: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    snapshot: Snapshot,
    /// Those that are gone are taken out when the next one comes.
    seats: Vec<Weak<Seat>>,
}

/// How objects are read: the built-in row, or one that knows metadata and keeps the rest.
struct Row {
    types: TypesRef,
    ty: TypeId,
    namespaced: bool,
}

impl Row {
    fn of(resource: &Resource) -> Self {
        let (types, ty) = match by_resource(&resource.group, &resource.version, &resource.plural) {
            Some((def, version)) => (def.types.clone(), version.schema),
            None => open(&resource.kind),
        };
        Self {
            types,
            ty,
            namespaced: resource.namespaced,
        }
    }

    /// An object as it would be stored: what consumers share.
    fn read(&self, object: &Object) -> Result<Obj, Error> {
        let tree = object.tree(&self.types, self.ty)?;
        let key = match (self.namespaced, object.name()) {
            (true, name) => format!("{}/{name}", object.namespace()),
            (false, name) => name,
        };
        let order = Order::of(&self.types);
        Obj::new(&key, object.revision(), body(&self.types, &tree), order).map_err(Error::answer)
    }
}

#[expect(
    clippy::expect_used,
    reason = "metadata alone is far below the limits of a table"
)]
fn open(kind: &str) -> (TypesRef, TypeId) {
    let mut rows = Rows::new().expect("the rows of metadata fit");
    let (ty, _) = rows.root(kind, true, &[]).expect("one open type fits");
    (TypesRef::Shared(Arc::new(rows.finish())), ty)
}

impl Reflector {
    /// Begins to follow.
    pub(super) fn start(client: &Client, env: &Arc<dyn Env>, resource: &Resource) -> Arc<Self> {
        let (held, left) = async_channel::bounded(1);
        let reflector = Arc::new(Self {
            _held: held,
            row: Row::of(resource),
            synced: AtomicBool::new(false),
            state: Mutex::default(),
        });
        let everything = Selectors::default();
        let follow = Follow::new(client.clone(), env.clone(), resource.clone(), "", everything);
        let name = resource.group_resource();
        env.spawn(Box::pin(take_all(Arc::downgrade(&reflector), follow, left, name)));
        reflector
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.state().snapshot.clone()
    }

    pub(super) fn synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    pub(super) fn follow(self: &Arc<Self>) -> Following {
        let seat = Arc::new(Seat::default());
        let mut state = self.state();
        state.seats.retain(|seat| seat.strong_count() > 0);
        state.seats.push(Arc::downgrade(&seat));
        Following {
            reflector: self.clone(),
            seat,
        }
    }

    fn take(&self, step: Step) {
        match step {
            Step::Listed {
                objects,
                resource_version,
            } => self.replace(&objects, resource_version.parse().unwrap_or(0)),
            Step::Happened(Event::Added(object) | Event::Modified(object)) => self.put(&object),
            Step::Happened(Event::Deleted(object)) => self.remove(&object),
            Step::Happened(Event::Bookmark(version)) => {
                self.state()
                    .snapshot
                    .reach(Revision(version.parse().unwrap_or(0)));
            }
        }
    }

    /// An object that cannot be read is told of in the log and left out.
    fn read(&self, object: &Object) -> Option<Arc<Obj>> {
        let read = self.row.read(object);
        read.inspect_err(|error| tracing::warn!(name = object.name(), %error, "cannot be read"))
            .ok()
            .map(Arc::new)
    }

    fn replace(&self, objects: &[Object], revision: u64) {
        let mut snapshot = Snapshot::default();
        let read = objects.iter().filter_map(|object| self.read(object));
        read.for_each(|object| drop(snapshot.insert(object)));
        snapshot.reach(Revision(revision));
        let mut state = self.state();
        state.snapshot = snapshot;
        let wakers = state.wakers(Seat::tell_all);
        drop(state);
        self.synced.store(true, Ordering::Release);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn put(&self, object: &Object) {
        let Some(object) = self.read(object) else {
            return;
        };
        let mut state = self.state();
        let previous = state.snapshot.insert(object.clone());
        state
            .tell(Change {
                object: Some(object),
                previous,
            })
            .wake(state);
    }

    fn remove(&self, object: &Object) {
        let Some(object) = self.read(object) else {
            return;
        };
        let mut state = self.state();
        state.snapshot.reach(object.rev);
        if let Some(previous) = state.snapshot.remove(&object.key) {
            let gone = Change {
                object: None,
                previous: Some(previous),
            };
            state.tell(gone).wake(state);
        }
    }
}

/// Tells a reflector what its watch brings, until nobody holds it.
async fn take_all(reflector: Weak<Reflector>, mut follow: Follow, left: Receiver<()>, name: String) {
    loop {
        let failed = |error: &Error| tracing::warn!(resource = name, %error, "cannot follow");
        let (left, step) = (pin!(left.recv()), pin!(follow.next(failed)));
        let Either::Right((step, _)) = select(left, step).await else {
            return;
        };
        match reflector.upgrade() {
            Some(reflector) => reflector.take(step),
            None => return,
        }
    }
}

impl State {
    fn wakers(&self, tell: impl Fn(&Seat) -> Option<Waker>) -> Vec<Waker> {
        let seats = self.seats.iter().filter_map(Weak::upgrade);
        seats.filter_map(|seat| tell(&seat)).collect()
    }

    fn tell(&self, change: Change) -> Wakers {
        Wakers(self.wakers(|seat| seat.tell(&change)))
    }
}

/// Whom to wake once the lock is gone.
struct Wakers(Vec<Waker>);

impl Wakers {
    fn wake(self, state: MutexGuard<'_, State>) {
        drop(state);
        self.0.into_iter().for_each(Waker::wake);
    }
}
