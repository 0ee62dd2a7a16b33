//! A node as a whole: start it, ask after it, end it. Every command finds the node by its RUN directory.

mod check;
mod daemon;
mod down;
mod env;
mod features;
mod file;
mod kubeconfig;
mod kubernetes;
mod logs;
mod processes;
mod registries;
mod registry;
mod report;
mod reset;
mod restart;
mod settings;
mod status;
mod up;

use clap::ValueEnum;

pub(crate) use check::{Options as Check, run as check};
pub(crate) use daemon::{Options as Daemon, run as daemon};
pub(crate) use down::{Options as Down, run as down};
pub(crate) use env::{Options as Env, run as env};
pub(crate) use kubeconfig::{Options as Kubeconfig, run as kubeconfig};
pub(crate) use logs::{Options as Logs, run as logs};
pub(crate) use registries::variable;
pub(crate) use reset::{Options as Reset, run as reset};
pub(crate) use restart::{Options as Restart, run as restart};
pub(crate) use settings::NodePlace;
pub(crate) use status::{Options as Status, run as status};
pub(crate) use up::{Options as Up, run as up};

/// Text for people, JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Exit codes besides 0, 1 and 2 (docs: `gantry up --help`).
pub(crate) mod exit {
    pub(crate) const NOT_RUNNING: u8 = 3;
    pub(crate) const HELD: u8 = 4;
    pub(crate) const CANNOT: u8 = 5;
    pub(crate) const NOT_IN_TIME: u8 = 124;
}

pub(crate) const NOT_RUNNING: &str = "no node runs with this RUN directory";
