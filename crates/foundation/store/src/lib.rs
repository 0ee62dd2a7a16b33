//! A revisioned key-value store with history and watch, on our own log.
//!
//! [`Store`] is what the rest of Gantry sees: single-key compare-and-swap on the modification
//! revision, ranges at a past revision, watches with previous values, leases. It asks nothing
//! that an etcd v3 cluster could not do as well. [`Embedded`] is the backend of one server: a
//! log with group commit under a persistent ordered map, so that a read never waits for a
//! write, and a read of the past or a fork of the whole store costs no copy.
//!
//! The written format, and the argument why it survives what it survives, is
//! `docs/formats/store-log.md`; why there is a log of our own at all is ADR 2.
//!
//! Inside, a write goes `embedded` → `queue` → `writer` (plan with `batch`, write with `log`,
//! publish to `history` and `watch`) → its [`Pending`] answer. Nothing here knows Kubernetes or
//! an asynchronous runtime.

#![forbid(unsafe_code)]

mod api;
mod background;
mod batch;
mod checkpoint;
mod embedded;
mod error;
mod history;
mod hub;
mod keys;
mod layout;
mod lease;
mod log;
mod options;
mod pending;
mod queue;
mod rebuild;
mod record;
mod recovery;
mod replay;
mod segment;
mod snapshot;
mod tree;
mod watch;
mod wire;
mod writer;

pub use api::{
    Durability, Event, Expect, KeyValue, LeaseId, Op, RangeRequest, RangeResponse, Reading, Revision, Store,
    Write, Written,
};
pub use background::{Finished, Job};
pub use embedded::{Embedded, Status};
pub use error::{Error, OpenError};
pub use keys::{Key, KeyRange};
pub use options::Options;
pub use pending::{Completer, Pending};
pub use snapshot::Snapshot;
pub use watch::{Watch, WatchItem, WatchRequest};
pub use writer::Writer;

/// Doors for the property tests and fuzz targets of the decoders: bytes nobody vouches for.
pub mod fuzz {
    pub use crate::checkpoint::read_bytes as checkpoint;
    pub use crate::replay::read_bytes as segment;
}
