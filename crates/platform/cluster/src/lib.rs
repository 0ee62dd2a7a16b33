//! The composition root: from a configuration to a running node.
//!
//! [`run`] opens every room in the order in which one needs the other and closes them in reverse; it
//! is the one place that knows them all. What is beside it is what belongs to the process rather than
//! to a room: the configuration, the directories and their locks, the log, the stages of a start, and
//! the control socket over which the command line talks to the daemon.

#![forbid(unsafe_code)]

mod addresses;
mod attendant;
mod cgroup;
mod config;
mod containers;
pub mod control;
mod datapath;
mod directory;
mod docker;
mod kubeconfig;
mod kubernetes;
mod listen;
mod log;
mod names;
mod node;
mod nodes;
mod outbound;
mod pods;
mod port;
mod registry;
pub mod remote;
mod stages;
mod successor;
mod sweep;
mod upstream;

pub use cgroup::{holder as name_holder, join as join_cgroup};
pub use config::{
    Cidr, Config, Domain, InstanceName, InvalidAddresses, InvalidName, InvalidPart, Kubernetes, Paths,
    PodCidr, PortRange, Registries, Registry, Without,
};
pub use controllers::Selection as Controllers;
pub use directory::{Held, command_of, pid_in};
pub use disk::{Quota as DiskQuota, Recent as DiskRecent, Report as DiskReport, human as human_size};
pub use log::{Rotating, parts as log_parts};
pub use node::{Error, check_files, run};
pub use stages::{Layer as StageLayer, Stage, Stages};
pub use successor::{environment, supervisor_command};
pub use sweep::{stop_containers, sweep, sweep_start};
#[doc(hidden)]
pub use tracing;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
