//! The container table of the node: every container, whichever door asked for it.
//!
//! `spec` says what a container is to be, `container` and `state` what it is; `table` holds the
//! rows; `lifecycle` moves them; `supervised` is the daemon's end of the supervisor's protocol.

#![forbid(unsafe_code)]

mod container;
pub mod copy;
mod engine;
mod error;
pub mod events;
pub mod health;
pub mod logs;
pub mod names;
pub mod oci;
mod request;
pub mod restart;
pub mod size;
pub mod spec;
mod state;
pub mod stats;
pub mod top;
pub mod volumes;

pub use container::{Container, ContainerId, ImageRef, MountPoint, MountPointKind, Owner};
pub use engine::Engine;
pub use error::{Error, Kind};
pub use request::{
    Attach, Attached, Create, Created, Exec, Input, Remove, StopOptions, Stream, Update, WaitCondition,
};
pub use spec::{ContainerSpec, ExecSpec};
pub use state::{Exit, Health, HealthStatus, ProbeResult, State, Status};
