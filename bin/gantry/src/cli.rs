//! The command line as a table: clap derives parsing, help and completions from it.

use clap::{Parser, Subcommand};

use crate::{client, completion, demo, kube, node, oci, supervisor, version, worker};

/// Builds, ships, runs and orchestrates containers.
#[derive(Debug, Parser)]
#[command(name = "gantry", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a node: the Docker Engine API, the Kubernetes API, and what stands behind them.
    Up(node::Up),
    /// Say how the node is.
    Status(node::Status),
    /// End the node and take away what it has in the kernel.
    Down(node::Down),
    /// End the daemon and start this executable in its place; containers run on.
    Restart(node::Restart),
    /// Print a container's log, or the daemon's.
    Logs(client::Logs),
    /// Build an image from a Dockerfile.
    Build(client::Build),
    /// Pull an image from its registry.
    Pull(client::Pull),
    /// Push an image to its registry.
    Push(client::Push),
    /// Run a program in a new container.
    Run(Box<client::Run>),
    /// List containers.
    Ps(client::Ps),
    /// Show what lies on the disk, who holds it, and what goes next.
    Df(client::Df),
    /// Run another program in a running container.
    Exec(client::Exec),
    /// Lay manifests over the cluster's objects.
    Apply(kube::Apply),
    /// Show objects of the cluster.
    Get(kube::Get),
    /// Delete objects of the cluster.
    Delete(kube::Delete),
    /// Print what a shell evaluates to reach the node.
    Env(node::Env),
    /// Print the administrator's kubeconfig, or merge it into kubectl's.
    Kubeconfig(node::Kubeconfig),
    /// Say what this host has of what a node needs.
    Check(node::Check),
    /// Delete everything that the node has stored.
    Reset(node::Reset),
    /// Be a node's daemon (started by its supervisor, not by hand).
    #[command(hide = true)]
    Daemon(node::Daemon),
    /// Read a foreign archive in confinement (started by the supervisor, not by hand).
    #[command(hide = true)]
    Worker(worker::Options),
    Oci(Box<oci::Oci>),
    /// Be the parent of a node's containers (started by `up`, not by hand).
    #[command(hide = true)]
    Supervisor(supervisor::Options),
    /// Show what this build can do on this machine, and how fast.
    Demo(demo::Options),
    /// Print the version.
    Version(version::Options),
    /// Print a shell's completion script.
    Completion(completion::Options),
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_table_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
