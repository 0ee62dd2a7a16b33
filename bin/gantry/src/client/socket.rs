//! Where the node serves. Not all of a node's options: `--name` is the container's in these commands.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use clap::Args;

use super::http::{Daemon, Error};
use crate::failure::Failure;
use crate::node::{NodePlace, exit};

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
    /// As for every command of a node: 3 if it does not run.
    pub(super) fn daemon(self) -> Result<Daemon, Failure> {
        let node = NodePlace::serving_at(self.config, self.run_dir, self.docker_socket);
        serving(node.resolve()?.docker_socket)
    }
}

/// The daemon behind a socket.
///
/// # Errors
/// 3 if nobody serves there: asked first, so that every command ends alike, whatever the docker client's would.
pub(super) fn serving(socket: PathBuf) -> Result<Daemon, Failure> {
    match UnixStream::connect(&socket) {
        Err(source) if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            let failure = Failure::from(Error::Connect { socket, source });
            Err(Failure::with_code(exit::NOT_RUNNING, failure.message()))
        }
        // Whatever else is wrong is told by the first request.
        _ => Ok(Daemon::new(socket)),
    }
}
