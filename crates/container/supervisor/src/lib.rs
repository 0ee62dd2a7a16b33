//! The supervisor: the small process that is the parent of every container of a node.
//!
//! It forks containers, holds their standard streams, writes their logs, records how they ended
//! and restarts a daemon that died. It decides nothing about containers: the daemon does, and
//! says so through [`protocol`] (`docs/formats/supervisor-protocol.md`). What it must guarantee is
//! small and absolute: whatever happens to the daemon, no log line and no exit is lost.
//!
//! Two threads: one spawns, reaps and answers (`driver`, around the pure core in `table`), one
//! copies output into files (`pump`). No async runtime: a few descriptors, an epoll and bounded
//! state fit in a megabyte, and that is what makes the process cheap to trust and fast to fork.

#![forbid(unsafe_code)]

pub mod client;
mod driver;
pub mod log;
pub mod protocol;
mod pump;
mod table;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use protocol::Bytes;

/// The option, followed by a descriptor number, that a re-executed supervisor finds at the end of
/// its arguments; the command line turns it into [`Config::resume`].
pub const RESUME_OPTION: &str = "--resume-fd";

/// What to run as the daemon.
#[derive(Clone, Debug)]
pub struct DaemonCommand {
    /// Absolute path of the executable, then its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment, `NAME=VALUE`.
    pub environment: Vec<OsString>,
}

impl DaemonCommand {
    fn to_bytes(&self) -> (Vec<Bytes>, Vec<Bytes>) {
        let list = |items: &[OsString]| items.iter().map(|item| item.as_bytes().into()).collect();
        (list(&self.arguments), list(&self.environment))
    }
}

/// How to run a supervisor.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. The file is mode 0600, and peers must be uid 0 besides.
    pub socket: PathBuf,
    /// Where to write the process id, if anywhere.
    pub pid_file: Option<PathBuf>,
    /// The daemon to start and to restart; none until a `SetDaemon` if absent.
    pub daemon: Option<DaemonCommand>,
    /// The daemon that runs already: it has lost its supervisor and started this one. It is watched in
    /// place of one that was started from here.
    pub daemon_pid: Option<u32>,
    /// The arguments (without the executable) with which a re-exec runs the new image;
    /// [`RESUME_OPTION`] and a number are appended.
    pub arguments: Vec<OsString>,
    /// The number after [`RESUME_OPTION`], if this is a re-executed image.
    pub resume: Option<i32>,
}

/// Why a supervisor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The executable cannot be run in a form that nobody can write to.
    #[error("cannot run from a sealed executable")]
    Seal(#[source] io::Error),
    /// The control socket cannot be made.
    #[error("cannot listen on the control socket")]
    Socket(#[source] io::Error),
    /// The pid file cannot be written.
    #[error("cannot write the pid file")]
    PidFile(#[source] io::Error),
    /// The state of the image before cannot be taken over.
    #[error("cannot resume from the state of the previous image")]
    Resume(#[source] io::Error),
    /// The kernel refuses something every process needs (a session, a descriptor, a thread).
    #[error("cannot set up the supervisor process")]
    Setup(#[source] io::Error),
}

/// Becomes the supervisor. Returns when it has been told to end.
pub fn main(config: Config) -> Result<(), Error> {
    // Before anything else: if the executable can be written to, this starts the process anew.
    sys::sealed::ensure().map_err(Error::Seal)?;
    // A shell's job leads a process group and may not lead a session too; it keeps its terminal's.
    drop(sys::process::own_session());
    sys::process::become_subreaper().map_err(Error::Setup)?;
    sys::process::raise_descriptor_limit().map_err(Error::Setup)?;
    let (socket, pid_file) = (config.socket.clone(), config.pid_file.clone());
    let driver = driver::Driver::new(config)?;
    if let Some(path) = &pid_file {
        let write = |mut file: std::fs::File| writeln!(file, "{}", std::process::id());
        std::fs::File::create(path)
            .and_then(write)
            .map_err(Error::PidFile)?;
    }
    driver.run()?;
    // Whoever ended it meant to; what is left of a killed one is replaced by the next.
    for file in pid_file.iter().chain([&socket]) {
        drop(std::fs::remove_file(file));
    }
    Ok(())
}
