//! Starting processes and getting at their streams.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use supervisor::protocol::{Key, LogSpec, Owner, Reason, Reply, Request, Start, Stdio, Streams as Announced};

use super::tended::Entry;
use super::{Supervisor, SupervisorError};

/// Programs up to this size travel in the message; larger ones in a memfd. With the rest of the
/// message this stays below its limit of 32 KiB.
const INLINE: usize = 24 * 1024;

/// A process to start.
#[derive(Debug)]
pub struct Launch {
    /// What it is called.
    pub key: Key,
    /// `CLONE_NEW*` bits to clone it with.
    pub namespaces: u32,
    /// Its standard streams.
    pub stdio: Stdio,
    /// Who owns its pipes.
    pub owner: Owner,
    /// Where its output is logged.
    pub log: Option<LogSpec>,
    /// Whether copies of what is logged are wanted from the first byte on.
    pub attach: bool,
    /// The directory on the unified hierarchy that it is cloned into.
    pub cgroup: Option<OwnedFd>,
    /// The init program's bytes.
    pub program: Vec<u8>,
    /// What fills the program's slots behind the standard streams.
    pub slots: Vec<OwnedFd>,
}

/// A process that runs.
#[derive(Debug)]
pub struct Started {
    /// Its id on the host.
    pub pid: u32,
    /// Refers to that very process.
    pub pidfd: Arc<OwnedFd>,
    /// Its streams, as far as they are the daemon's to use.
    pub(crate) streams: Streams,
}

/// The daemon's ends of a process's streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Write end of its input, or its terminal.
    pub(crate) input: Option<Arc<OwnedFd>>,
    /// Read end of its output, or of a copy of it.
    pub(crate) output: Option<OwnedFd>,
    /// The same of its errors.
    pub(crate) error: Option<OwnedFd>,
}

impl Supervisor {
    /// Starts a process and waits until it runs its program.
    ///
    /// # Errors
    /// A step failed ([`SupervisorError::Failed`]), and nothing is left of it; or the supervisor
    /// was lost on the way, and whether it runs is not known.
    pub async fn start(&self, launch: Launch) -> Result<Started, SupervisorError> {
        let inline = launch.program.len() <= INLINE;
        let memfd = (!inline)
            .then(|| sys::memfd::sealed("gantry-program", &launch.program))
            .transpose()
            .map_err(own_failure)?;
        let cgroup = launch.cgroup.as_ref();
        let fds: Vec<BorrowedFd<'_>> = memfd
            .iter()
            .chain(cgroup)
            .chain(&launch.slots)
            .map(AsFd::as_fd)
            .collect();
        let (key, stdio, log) = (launch.key.clone(), launch.stdio.clone(), launch.log.clone());
        let start = Start {
            key: launch.key,
            namespaces: launch.namespaces.into(),
            stdio: launch.stdio,
            owner: launch.owner,
            log: launch.log,
            attach: launch.attach,
            cgroup: cgroup.is_some(),
            program: inline.then(|| launch.program.into()),
        };
        match self.call(&Request::Start { start }, &fds).await? {
            (Reply::Started { pid, streams, .. }, fds) => self.started(key, pid, stdio, log, streams, fds),
            (other, _) => Err(SupervisorError::unexpected(&other)),
        }
    }

    /// Waits until a start that a daemon before this one asked for has come to an end: whether there is a process now, which
    /// may have ended too. Where the start has failed nothing is left of it.
    ///
    /// # Errors
    /// The supervisor is lost.
    pub(crate) async fn outcome(&self, key: Key) -> Result<bool, SupervisorError> {
        // The same request again takes the place of the asker who is gone. A start that fails at this very moment is asked
        // for anew, and fails again: this is no program.
        let start = Start {
            key,
            namespaces: 0,
            stdio: Stdio::Null {},
            owner: Owner { uid: 0, gid: 0 },
            log: None,
            attach: false,
            cgroup: false,
            program: Some(Vec::new().into()),
        };
        match self.call(&Request::Start { start }, &[]).await {
            Ok((Reply::Started { .. }, _)) | Err(SupervisorError::Refused(Reason::WrongPhase {})) => Ok(true),
            Ok((other, _)) => Err(SupervisorError::unexpected(&other)),
            Err(SupervisorError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn started(
        &self,
        key: Key,
        pid: u32,
        stdio: Stdio,
        log: Option<LogSpec>,
        streams: Announced,
        fds: Vec<OwnedFd>,
    ) -> Result<Started, SupervisorError> {
        let mut sorted = Sorted::new(streams, fds);
        // A process that has ended already has no pidfd to give; the exit is on its way.
        let Some(pidfd) = sorted.pidfd.take() else {
            return Err(SupervisorError::Failed {
                operation: None,
                errno: libc_esrch(),
            });
        };
        let entry = Entry {
            pid,
            pidfd: Arc::new(pidfd),
            stdio,
            log,
            input: sorted.input.map(Arc::new),
            logged: sorted.logged,
        };
        let started = Started {
            pid,
            pidfd: entry.pidfd.clone(),
            streams: Streams {
                input: entry.input.clone(),
                output: sorted.output,
                error: sorted.error,
            },
        };
        self.tended().insert(key, entry);
        Ok(started)
    }

    /// The streams of a running process; of logged output a copy from now on, in place of any copy
    /// before.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] if there is no such process.
    pub(crate) async fn attach(&self, key: &Key) -> Result<Streams, SupervisorError> {
        match self.call(&Request::Attach { key: key.clone() }, &[]).await? {
            (Reply::Attached { streams }, fds) => {
                let sorted = Sorted::of(streams, fds, false);
                Ok(Streams {
                    input: sorted.input.map(Arc::new),
                    output: sorted.output,
                    error: sorted.error,
                })
            }
            (other, _) => Err(SupervisorError::unexpected(&other)),
        }
    }
}

/// The descriptors of a reply, by what they are.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) pidfd: Option<OwnedFd>,
    pub(super) input: Option<OwnedFd>,
    pub(super) output: Option<OwnedFd>,
    pub(super) error: Option<OwnedFd>,
    pub(super) logged: [Option<Arc<OwnedFd>>; 2],
}

impl Sorted {
    /// As they come with `Started` and `Entry`: the pidfd, if the process runs, then its streams.
    pub(super) fn new(streams: Announced, fds: Vec<OwnedFd>) -> Self {
        let announced = [
            streams.input,
            streams.output,
            streams.error,
            streams.logged_output,
            streams.logged_error,
        ];
        let pidfd = fds.len() > announced.iter().filter(|there| **there).count();
        Self::of(streams, fds, pidfd)
    }

    fn of(streams: Announced, fds: Vec<OwnedFd>, pidfd: bool) -> Self {
        let mut fds = fds.into_iter();
        let mut next = |there: bool| there.then(|| fds.next()).flatten();
        Self {
            pidfd: next(pidfd),
            input: next(streams.input),
            output: next(streams.output),
            error: next(streams.error),
            logged: [
                next(streams.logged_output).map(Arc::new),
                next(streams.logged_error).map(Arc::new),
            ],
        }
    }
}

pub(super) fn own_failure(error: io::Error) -> SupervisorError {
    SupervisorError::Failed {
        operation: None,
        errno: error.raw_os_error().unwrap_or_default(),
    }
}

/// ESRCH: no such process.
const fn libc_esrch() -> i32 {
    rustix::io::Errno::SRCH.raw_os_error()
}
