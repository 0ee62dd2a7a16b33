//! What can go wrong: [`Error`] for a store that is open, [`OpenError`] for one that is not yet.

use std::io;
use std::sync::Arc;

use crate::{KeyValue, LeaseId, Revision};

/// Why a call on an open store did not do what was asked. One failed batch tells every writer
/// in it, hence `Clone`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The key is not at the expected revision. Nothing was written.
    #[error("the key is at another revision")]
    RevisionMismatch {
        /// The key as it stands.
        current: Option<Arc<KeyValue>>,
    },
    /// The revision is no longer known, or was lost with the power (then a reader of it saw
    /// what never became durable).
    #[error("revision compacted; the oldest known is {}", oldest.0)]
    Compacted {
        /// The oldest revision from which on all is known.
        oldest: Revision,
    },
    /// The revision has not happened yet.
    #[error("revision is in the future; the newest is {}", current.0)]
    FutureRevision {
        /// The newest revision.
        current: Revision,
    },
    /// There is no such lease. Nothing was written.
    #[error("lease {} not found", .0.0)]
    LeaseNotFound(LeaseId),
    /// The name is taken. Nothing was written.
    #[error("lease {} already exists", .0.0)]
    LeaseExists(LeaseId),
    /// A key or value is too long. Nothing was written.
    #[error("{what} of {length} bytes is over the limit of {limit}")]
    TooLarge {
        /// `key` or `value`.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most it may have.
        limit: usize,
    },
    /// Too many writes are waiting. Nothing was written; try again later.
    #[error("too many writes are waiting")]
    Busy,
    /// The disk is full. Nothing was written; reads go on, and writes when there is space.
    #[error("no space left for the log")]
    Full,
    /// The disk failed before anything became visible. Nothing was written, unless the disk fails
    /// for good and a restart finds the record whole.
    #[error("write to the log")]
    Io(#[source] Arc<io::Error>),
    /// An fsync failed. Whether this write survives is unknown, and no more are taken until the
    /// store is opened again.
    #[error("the log could not be made durable")]
    Failed(#[source] Arc<io::Error>),
    /// The watcher did not keep up and was dropped.
    #[error("the watcher fell behind")]
    Lagged,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store is in use by {}", pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Locked {
        /// Its process id.
        pid: Option<u32>,
    },
    /// It was written by another release.
    #[error("the store has format {found}; this release reads format {known}")]
    Version {
        /// The format it has.
        found: u64,
        /// The format this release has.
        known: u64,
    },
    /// Its bytes are not what was written.
    #[error("{file} is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// The file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The disk failed.
    #[error("open the store")]
    Io(#[from] io::Error),
}

impl OpenError {
    pub(crate) fn corrupt(file: &str, offset: u64, what: &'static str) -> Self {
        Self::Corrupt {
            file: file.to_owned(),
            offset,
            what,
        }
    }
}
