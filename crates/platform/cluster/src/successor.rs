//! Starting the supervisor: for `up`, and in place of one that was killed.
//!
//! A supervisor that dies alone leaves its containers and its daemon running, and nobody else would
//! notice. So the daemon starts the next one, which watches it by a pidfd as the one before did its
//! child, and gives it everything that it holds. The daemon does not become a parent of containers by
//! that: the new supervisor forks them as ever, and outlives the daemon.

use std::ffi::{OsStr, OsString};
use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

use sys::socket::SeqPacket;

use crate::config::Config;

/// What a node keeps of the environment that `up` was typed in, by name or its beginning. The rest stays out: whoever
/// looks into a process of the node's (a container that may trace others, `exec` while it enters) finds nobody's
/// secrets, but for a proxy's.
const ENVIRONMENT: &[&str] = &[
    "GANTRY_",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_",
    "MIMALLOC_",
    "NO_PROXY",
    "PATH",
    "RUST_",
    "SSL_CERT_",
    "TMPDIR",
    "TZ",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The variables of this process that a node's processes get.
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    let kept = |name: &OsString| {
        let name = name.as_bytes();
        ENVIRONMENT.iter().any(|kept| match kept.strip_suffix('_') {
            Some(_) => name.starts_with(kept.as_bytes()),
            None => name == kept.as_bytes(),
        })
    };
    std::env::vars_os().filter(move |(name, _)| kept(name))
}

/// The supervisor of a node, run from `executable`, which starts `daemon`.
#[must_use]
pub fn supervisor_command(config: &Config, executable: &Path, daemon: &[OsString]) -> Command {
    command(config, executable, None, daemon)
}

fn command(config: &Config, executable: &Path, watched: Option<u32>, daemon: &[OsString]) -> Command {
    let paths = config.paths();
    let mut command = Command::new(executable);
    command.arg("supervisor").arg("--socket");
    command.arg(paths.supervisor_socket()).arg("--pid-file");
    command.arg(paths.supervisor_pid());
    command.args(["--cgroup", config.name.as_str()]);
    command.args(watched.map(|pid| format!("--daemon-pid={pid}")));
    command.arg("--").args(daemon).current_dir("/");
    command.env_clear().envs(environment());
    command
}

/// Starts the next supervisor of this daemon.
#[derive(Debug)]
pub(crate) struct Successor {
    config: Config,
    /// The last one.
    child: Mutex<Option<Child>>,
}

impl Successor {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            child: Mutex::default(),
        }
    }
}

impl engine::supervised::Successor for Successor {
    fn start(&self) -> io::Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(child) = &mut *child
            && child.try_wait()?.is_none()
        {
            return Ok(());
        }
        if let Some(next) = spawn(&self.config, Some(std::process::id()))? {
            *child = Some(next);
        }
        Ok(())
    }
}

/// For a daemon that cannot begin because its supervisor was killed: leaves a supervisor that starts the
/// next daemon.
pub(crate) fn of_both(config: &Config) {
    if SeqPacket::connect(&config.paths().supervisor_socket()).is_ok() {
        return;
    }
    if let Err(error) = spawn(config, None) {
        tracing::error!(%error, "cannot start a supervisor");
    }
}

/// Starts one, unless somebody starts or ends the node, who then decides whether there shall be one.
/// Standard streams and environment are those that the supervisor before gave this daemon.
fn spawn(config: &Config, watched: Option<u32>) -> io::Result<Option<Child>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(config.paths().starting())?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let daemon: Vec<OsString> = std::env::args_os().collect();
    // This very build, whatever lies under its name by now.
    let executable = PathBuf::from("/proc/self/exe");
    let name = daemon.first().map_or(OsStr::new("gantry"), |name| name);
    let mut command = command(config, &executable, watched, &daemon);
    command.arg0(name).spawn().map(Some)
}
