//! The controllers: what makes the world as objects say it should be.
//!
//! Each controller is one short file: which changes concern it, which keys they touch, and what is to be done about a
//! key. Deciding is pure (`plan` functions over a view); `driver` turns all of them, and `world` is what
//! all of them look at: the informers of this process, which stand on the API server's watch cache, so no object is in
//! memory twice. They write through the API server's own pipeline, as upstream's identities with upstream's rights.
//!
//! Nothing polls: what waits, waits for an event, or for the one timer of its queue. A controller decides from how
//! things stand and never from what it did before, so one that is killed at any point goes on where things stand.
#![forbid(unsafe_code)]

mod act;
mod aggregation;
mod certificates;
mod deployment;
mod driver;
mod endpoints;
mod garbage;
mod job;
mod namespace;
mod node;
mod object;
mod pod_gc;
mod policy;
mod protection;
mod quota;
mod replica_set;
mod resources;
mod root_ca;
mod selection;
mod selector;
mod service_account;
mod start;
mod tokens;
mod ttl;
mod workload;
mod world;

pub use selection::{InvalidSelection, Selection};
pub use start::{Config, Controllers};
