//! Where the node serves. Not all of a node's options: `--name` is the container's in these commands.

use std::path::PathBuf;

use clap::Args;

use super::http::Daemon;
use crate::failure::Failure;
use crate::node::NodeOptions;

#[derive(Clone, Debug, Args)]
pub(super) struct SocketOptions {
    /// The file with the node's options.
    #[arg(long, env = "GANTRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node's RUN directory [default: /run/gantry].
    #[arg(long, env = "GANTRY_RUN_DIR", value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Where the node serves the Docker Engine API [default: RUN/docker.sock].
    #[arg(long, env = "GANTRY_DOCKER_SOCKET", value_name = "PATH")]
    docker_socket: Option<PathBuf>,
}

impl SocketOptions {
    /// # Errors
    /// As for every command of a node.
    pub(super) fn daemon(self) -> Result<Daemon, Failure> {
        let node = NodeOptions::serving_at(self.config, self.run_dir, self.docker_socket);
        Ok(Daemon::new(node.resolve()?.docker_socket))
    }
}
