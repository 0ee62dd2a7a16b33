//! The watch cache: every object in memory, once, and its events, shared by all watchers.
//!
//! One task follows the store. Per resource there is a persistent ordered map, whose root a reader takes with one
//! reference count, and a bounded window of events, from which watches begin. Consistent reads
//! wait until the cache has reached the store's newest revision, so an answer to a write is seen by the next list.
//! Exact reads of the past go to the store, which keeps its history.

mod collection;
mod event;
mod place;
mod pump;
pub(crate) mod reading;
mod seats;
mod snapshot;
mod state;
mod watcher;
mod window;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use driver::Env;
use driver::env::timeout;
use schema::object::{Obj, Revision};
use store::{KeyRange, RangeRequest, Store};

pub use event::{Change, Event, FrameKey};
pub use seats::Scope;
pub use snapshot::Snapshot;
pub use watcher::{Ended, Watcher};

use pump::Pump;
use state::Shared;

/// How long a reader waits for a revision, as upstream's does.
const WAIT: Duration = Duration::from_secs(3);

/// Why a read was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The revision has not happened, at least not within three seconds.
    #[error("Too large resource version: {wanted}, current: {current}")]
    TooLarge {
        /// What was asked for.
        wanted: u64,
        /// The newest one.
        current: u64,
    },
    /// The revision is forgotten.
    #[error("the revision is too old")]
    Compacted,
    /// The store failed.
    #[error(transparent)]
    Store(store::Error),
}

impl From<store::Error> for ReadError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Compacted { .. } => Self::Compacted,
            other => Self::Store(other),
        }
    }
}

/// A part of a collection as of one revision.
#[derive(Debug)]
pub struct Page {
    /// As of when.
    pub revision: Revision,
    /// The objects, by key.
    pub objects: Vec<Arc<Obj>>,
    /// How many there are in all from where the page begins.
    pub count: usize,
    /// The last key that was read, below the collection's prefix; it need not have held an object.
    pub last: Option<String>,
}

/// The cache; clones share it.
#[derive(Clone)]
pub struct Cache {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    shared: Arc<Shared>,
}

impl Cache {
    /// Fills a cache from a store and follows it from then on.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Result<Self, store::Error> {
        let shared = Arc::new(Shared::default());
        let pump = Pump {
            store: store.clone(),
            shared: shared.clone(),
        };
        let watch = pump.fill().await?;
        env.spawn(Box::pin(pump.run(watch)));
        Ok(Self { store, env, shared })
    }

    /// The newest revision that is in the cache.
    pub fn revision(&self) -> Revision {
        self.shared.state().revision
    }

    /// A resource's objects as the cache has them. `prefix` is [`crate::Served::key_prefix`].
    pub fn snapshot(&self, prefix: &str) -> Snapshot {
        let mut state = self.shared.state();
        let revision = state.revision;
        state.collection(prefix).snapshot(revision)
    }

    /// When a resource's objects last changed. What was derived from a [`Snapshot`] with this number is current.
    pub fn changed(&self, prefix: &str) -> Revision {
        self.shared.state().changed(prefix)
    }

    /// How many objects a resource has.
    pub fn count(&self, prefix: &str) -> usize {
        self.shared.state().collection(prefix).len()
    }

    /// When each of some resources' objects last changed.
    pub fn all_changed<const N: usize>(&self, prefixes: [&str; N]) -> [Revision; N] {
        let state = self.shared.state();
        prefixes.map(|prefix| state.changed(prefix))
    }

    /// Waits until a resource's objects have changed after a revision; false if the cache has closed.
    pub async fn wait_for_change(&self, prefix: &str, after: Revision) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.shared.state();
            if state.closed {
                return Poll::Ready(false);
            }
            let collection = state.collection(prefix);
            if collection.changed() > after {
                return Poll::Ready(true);
            }
            let stale = collection.listen(cx.waker());
            drop(state);
            stale.into_iter().for_each(std::task::Waker::wake);
            Poll::Pending
        })
        .await
    }

    /// Waits until everything up to a revision is in the cache.
    ///
    /// # Errors
    /// [`ReadError::TooLarge`] after three seconds, and if the cache has closed.
    pub async fn wait(&self, wanted: Revision) -> Result<(), ReadError> {
        if self.revision() >= wanted {
            return Ok(());
        }
        let reached = std::future::poll_fn(|cx| {
            let mut state = self.shared.state();
            if state.revision >= wanted || state.closed {
                return Poll::Ready(state.revision >= wanted);
            }
            state.listen(cx.waker());
            // Asking about what has not happened would be asked again and again.
            let happened = self.store.revision().0 >= wanted.0;
            let pump = if happened { state.ask() } else { None };
            drop(state);
            pump.into_iter().for_each(std::task::Waker::wake);
            Poll::Pending
        });
        match timeout(self.env.sleep(WAIT), reached).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(ReadError::TooLarge {
                wanted: wanted.0,
                current: self.revision().0,
            }),
        }
    }

    /// Waits until everything that any client has been told of is in the cache.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn wait_for_newest(&self) -> Result<(), ReadError> {
        self.wait(Revision(self.store.revision().0)).await
    }

    /// One object as of now, by its key below the prefix.
    ///
    /// # Errors
    /// The store's.
    pub async fn get(&self, prefix: &str, key: &str) -> Result<Option<Arc<Obj>>, ReadError> {
        // Where the cache has all that anybody has been told of, it is the store.
        let newest = self.store.revision().0;
        {
            let mut state = self.shared.state();
            if state.revision.0 >= newest && !state.closed {
                return Ok(state.collection(prefix).get(key));
            }
        }
        let row = self.store.get(format!("{prefix}{key}").as_bytes()).await?;
        Ok(row.as_deref().and_then(reading::object))
    }

    /// The objects whose keys begin with `prefix` and `below`, from the key `start` on, exactly as of a revision.
    ///
    /// # Errors
    /// [`ReadError::Compacted`], [`ReadError::TooLarge`], the store's.
    pub async fn page(
        &self,
        prefix: &str,
        below: &str,
        start: &str,
        revision: Revision,
        limit: Option<usize>,
    ) -> Result<Page, ReadError> {
        self.wait(revision).await?;
        let mut range = KeyRange::prefix(format!("{prefix}{below}").as_bytes());
        range.start = range.start.max(format!("{prefix}{start}").into_bytes());
        let request = RangeRequest {
            range,
            revision: Some(store::Revision(revision.0)),
            limit,
        };
        let found = self.store.range(&request).await?;
        let key = |row: &store::KeyValue| String::from_utf8_lossy(&row.key[prefix.len()..]).into_owned();
        Ok(Page {
            revision,
            last: found.rows.last().map(|row| key(row)),
            objects: found.rows.iter().filter_map(|row| reading::object(row)).collect(),
            count: found.count,
        })
    }

    /// Watches what happens after a revision.
    ///
    /// # Errors
    /// The oldest revision from which on everything is known, if that is later.
    pub fn watch(&self, prefix: &str, scope: Scope, after: Revision) -> Result<Watcher, Revision> {
        let mut state = self.shared.state();
        let floor = state.collection(prefix).window.floor();
        if after < floor {
            return Err(floor);
        }
        let id = state.take_id();
        Ok(Watcher::new(self.shared.clone(), prefix, id, scope, after))
    }

    /// Ends the watches of one resource: its definition has changed, and clients begin anew.
    pub(crate) fn end_watches(&self, prefix: &str) {
        self.shared
            .change(|state, wakers| state.collection(prefix).seats.end(wakers));
    }

    /// Whether the server closes: what has ended will not begin again.
    pub fn closed(&self) -> bool {
        self.shared.state().closed
    }

    /// Ends all watches: the server closes.
    pub fn close(&self) {
        self.shared.change(|state, wakers| {
            state.closed = true;
            state.end_watches(wakers);
        });
    }
}

#[cfg(test)]
pub(crate) mod tests;
