//! The command line as a table: clap derives parsing, help and completions from it.

use clap::{Parser, Subcommand};

use crate::{completion, oci, version};

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
    /// Print the version.
    Version(version::Options),
    /// Print a shell's completion script.
    Completion(completion::Options),
}
