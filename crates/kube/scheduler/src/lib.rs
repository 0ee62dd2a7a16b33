//! Which node a pod runs on.
//!
//! [`plan()`] decides from a [`Snapshot`], a pod and a seed alone. What was bound and is not yet in the informers is
//! assumed, and forgotten when the binding fails. A reason is kept per plugin, so that only what could help wakes a pod
//! ([`Queue`]). [`Scheduler`] feeds both from informers and writes what was decided.
#![forbid(unsafe_code)]

mod filter;
mod fit_error;
pub mod plan;
pub mod plugins;
mod preempt;
pub mod queue;
mod run;
pub mod snapshot;
mod status;
mod write;

pub use fit_error::FitError;
pub use plan::{Decision, plan};
pub use queue::Queue;
pub use run::Scheduler;
pub use snapshot::{Key, NodeIx, Snapshot};
