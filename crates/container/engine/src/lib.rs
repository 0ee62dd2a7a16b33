//! The container table of the node: every container, whichever door asked for it.
//!
//! `spec` says what a container is to be, `container` and `state` what it is; `table` holds the
//! rows; `lifecycle` moves them; `supervised` is the daemon's end of the supervisor's protocol.

#![forbid(unsafe_code)]

mod acks;
mod adopt;
mod attach;
mod begun;
mod commit;
mod container;
pub mod copy;
mod engine;
mod error;
pub mod events;
mod exec;
mod files;
pub mod health;
mod lifecycle;
pub mod logs;
pub mod names;
mod observe;
pub mod oci;
mod readiness;
mod request;
pub mod restart;
pub mod size;
pub mod spec;
mod state;
pub mod stats;
pub mod supervised;
mod survivors;
mod table;
mod tasks;
pub mod top;
pub mod volumes;

pub use attach::Input;
pub use commit::CommitOptions;
pub use container::{Container, ContainerId, ImageRef, MountPoint, MountPointKind, Owner};
pub use engine::{Config, Engine};
pub use error::{Error, Kind};
pub use request::{
    Attach, Attached, Create, Created, Exec, ExecSync, Remove, StopOptions, Stream, Update, WaitCondition,
};
pub use spec::{ContainerSpec, ExecSpec};
pub use state::{Exit, Health, HealthStatus, ProbeResult, State, Status};
