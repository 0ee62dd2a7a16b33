//! Writing objects: one path for every resource, built in or custom.
//!
//! A verb reads a request into a tree of the stored version and hands it to `create`, `update` or `delete`; what
//! is special about a kind is its row of `kinds`, and nothing here knows one. A tree is encoded once; the store, the
//! cache, every watcher and the answer share those bytes. Writes are single-key compare-and-swap, so an update is a loop
//! that starts again from what somebody else has written meanwhile, unless the client named a version.

mod addresses;
mod admit;
mod autoscaler;
pub(crate) mod convert;
mod create;
mod dedup;
mod delete;
mod edge;
mod event_lease;
mod live;
mod metadata;
mod names;
mod op;
mod owners;
mod services;
mod time;
mod update;

pub(crate) use addresses::settle as settle_addresses;
pub(crate) use create::create;
pub(crate) use delete::{DeleteOptions, Deleted, Judge, Propagation, delete};
pub(crate) use event_lease::EventLease;
pub(crate) use live::{Live, store_failed};
pub(crate) use metadata::ensure_namespace;
pub(crate) use names::generate as generate_name;
pub(crate) use op::{Op, Options, Stored};
pub(crate) use owners::apply;
pub(crate) use services::Services;
pub(crate) use time::rfc3339;
pub(crate) use update::{Plan, Updated, View, update};
