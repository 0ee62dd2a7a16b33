//! The contract of a store, which every backend keeps in the same way.
//!
//! There is no transaction over several keys and there will be none: etcd can do it, but
//! nothing in Kubernetes needs it, and leaving it out keeps every backend simple and alike.

use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::{Error, Key, KeyRange, Pending, Watch, WatchRequest};

/// A point in the history of a store. Revisions only ever grow, with gaps, and none is used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Before anything was written.
    pub const ZERO: Self = Self(0);

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The revision before this one; zero has none and stays.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Names a lease. The caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub NonZeroU64);

/// A key as it stands at some revision (etcd's `mvccpb.KeyValue`). Never changed once made, so
/// the index, all events and all readers share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Key,
    /// The value, as the very allocation that was handed in: hand in no slice of a large buffer.
    pub value: Bytes,
    /// When the key was created.
    pub create_revision: Revision,
    /// When it was last written.
    pub mod_revision: Revision,
    /// How often it was written since it was created; 1 for a new key.
    pub version: u64,
    /// The lease it goes away with.
    pub lease: Option<LeaseId>,
    /// What a reader has made of the value.
    pub reading: Reading,
}

/// What a reader has made of a row's value, kept with it: whoever shares the row shares this too, and the value is
/// read once for each revision. It is no part of the row.
#[derive(Default)]
pub struct Reading(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Reading {
    /// What was made of the value, or what `make` makes of it now. One type of reading for each row: another type is
    /// made anew and not kept.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub fn get_or_make<T, E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E>
    where
        T: Any + Send + Sync,
    {
        let kept = self.0.get().and_then(|kept| kept.clone().downcast().ok());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let made = Arc::new(make()?);
        // Another reader may have been first; both have made the same.
        drop(self.0.set(made.clone()));
        Ok(made)
    }
}

impl Clone for Reading {
    /// A changed copy of a row is to be read anew.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Reading {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reading {}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "read" } else { "unread" })
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub revision: Revision,
    /// The key as it is now; `None` if it was deleted.
    pub row: Option<Arc<KeyValue>>,
    /// The key as it was; `None` if it was created. At least one of the two is there.
    pub previous: Option<Arc<KeyValue>>,
}

impl Event {
    /// The key that changed.
    pub fn key(&self) -> &[u8] {
        self.row
            .as_ref()
            .or(self.previous.as_ref())
            .map_or(&[], |row| &row.key)
    }
}

/// What must hold of a key for a write of it to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// The key does not exist: the write creates it.
    Absent,
    /// The key's modification revision is this one.
    At(Revision),
}

/// When a write is reported as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After it was fsynced.
    Durable,
    /// After it was handed to the kernel: it survives the death of the process at once, and a
    /// loss of power with the next durable write or after [`crate::Options::relaxed_delay`].
    Relaxed,
}

/// What to write.
#[derive(Clone, Debug)]
pub enum Op {
    /// Sets a key.
    Put {
        /// The key, at most [`crate::Options::MAX_KEY`] bytes.
        key: Key,
        /// The value, at most [`crate::Options::MAX_VALUE`] bytes.
        value: Bytes,
        /// The condition.
        expect: Expect,
        /// The lease the key goes away with; a put without one frees the key from its lease.
        lease: Option<LeaseId>,
    },
    /// Deletes a key. Deleting what is not there with [`Expect::Any`] is no error and no write.
    Delete {
        /// The key.
        key: Key,
        /// The condition.
        expect: Expect,
    },
    /// Starts a lease. After a restart each lease counts as just renewed.
    Grant {
        /// Its name, not in use.
        lease: LeaseId,
        /// How long it lasts without a renewal; kept in whole seconds, rounded up.
        ttl: Duration,
    },
    /// Renews a lease; nothing is written.
    KeepAlive {
        /// Its name.
        lease: LeaseId,
    },
    /// Ends a lease and deletes its keys, each as an event of its own.
    Revoke {
        /// Its name.
        lease: LeaseId,
    },
}

/// A write and how it is to be kept.
#[derive(Clone, Debug)]
pub struct Write {
    /// What.
    pub op: Op,
    /// How.
    pub durability: Durability,
}

/// A write that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its revision; for a write that changed nothing, the newest one.
    pub revision: Revision,
    /// The key as it is now, after a put.
    pub row: Option<Arc<KeyValue>>,
    /// The key as it was before.
    pub previous: Option<Arc<KeyValue>>,
}

/// Which keys to read.
#[derive(Clone, Debug)]
pub struct RangeRequest {
    /// The keys.
    pub range: KeyRange,
    /// As of when; `None` for now.
    pub revision: Option<Revision>,
    /// How many at most; `None` for all.
    pub limit: Option<usize>,
}

/// The keys that were read, as of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeResponse {
    /// The rows in key order.
    pub rows: Vec<Arc<KeyValue>>,
    /// How many keys the range has in all. If there are more than `rows`, continue with
    /// [`KeyRange::after`] the last row, at `revision`.
    pub count: usize,
    /// The revision that was read.
    pub revision: Revision,
}

/// A revisioned key-value store. Every call returns at once; the answer is in the [`Pending`].
pub trait Store: Send + Sync {
    /// The newest revision that this process can read.
    fn revision(&self) -> Revision;

    /// Reads one key as of now.
    fn get(&self, key: &[u8]) -> Pending<Option<Arc<KeyValue>>>;

    /// Reads a range, exactly as of one revision.
    ///
    /// Errors: [`Error::Compacted`], [`Error::FutureRevision`].
    fn range(&self, request: &RangeRequest) -> Pending<RangeResponse>;

    /// Writes. Of two writes by one caller the second may be done first unless the caller waits
    /// for the answer to the first.
    ///
    /// Errors: [`Error::RevisionMismatch`], [`Error::Full`] and others.
    fn write(&self, write: Write) -> Pending<Written>;

    /// Watches a prefix from a revision on. Events come in order of revision and none is left
    /// out; what cannot be kept up ends the watch with an error.
    fn watch(&self, request: &WatchRequest) -> Watch;

    /// Gives up the history before `revision`; the state at `revision` stays readable.
    ///
    /// Errors: [`Error::Compacted`] if that was done before, [`Error::FutureRevision`].
    fn compact(&self, revision: Revision) -> Pending<()>;

    /// Sets a key durably.
    fn put(&self, key: Key, value: Bytes, expect: Expect) -> Pending<Written> {
        self.write(Write {
            op: Op::Put {
                key,
                value,
                expect,
                lease: None,
            },
            durability: Durability::Durable,
        })
    }

    /// Deletes a key durably.
    fn delete(&self, key: Key, expect: Expect) -> Pending<Written> {
        self.write(Write {
            op: Op::Delete { key, expect },
            durability: Durability::Durable,
        })
    }
}

impl Expect {
    /// Judges a key as it stands.
    ///
    /// # Errors
    /// [`Error::RevisionMismatch`] with the key as it stands.
    pub fn check(self, current: Option<&Arc<KeyValue>>) -> Result<(), Error> {
        let met = match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::At(revision) => current.is_some_and(|row| row.mod_revision == revision),
        };
        if met {
            Ok(())
        } else {
            Err(Error::RevisionMismatch {
                current: current.cloned(),
            })
        }
    }
}
