//! The command line as a table: clap derives parsing, help and completions from it.

use clap::{Parser, Subcommand};

use crate::{completion, demo, oci, supervisor, version};

/// Builds, ships, runs and orchestrates containers.
#[derive(Debug, Parser)]
#[command(name = "gantry", disable_version_flag = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run containers from OCI bundles, as runc does.
    Oci(Box<oci::Oci>),
    /// Be the parent of this node's containers (started by the daemon's launcher, not by hand).
    Supervisor(supervisor::Options),
    /// Show what this build can do on this machine, and how fast.
    Demo(demo::Options),
    /// Print the version.
    Version(version::Options),
    /// Print a shell's completion script.
    Completion(completion::Options),
}
