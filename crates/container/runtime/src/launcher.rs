//! Carries out a plan: gives the new process its descriptors, answers it at its synchronisation
//! points, and says what went wrong in the container's terms.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::launch::{self, Event, Launch};
use sys::pidfd::{self, ExitStatus, Pid};
use sys::poll;
use sys::program::{Op, Program};

use crate::plan::{Given, Plan};

/// Why a planned process did not come to run its program.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A namespace that is to be joined cannot be opened.
    #[error("cannot open namespace {path}")]
    Namespace {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The plan wants a descriptor that the caller does not have.
    #[error("no descriptor was given for {0:?}")]
    NotGiven(Given),
    /// `clone3` failed.
    #[error("cannot create a process")]
    Clone(#[source] io::Error),
    /// The channel to the new process broke.
    #[error("lost the starting process")]
    Channel(#[source] io::Error),
    /// The program to run does not exist or cannot be run.
    #[error("exec: {name:?}: {reason}")]
    Executable {
        /// `args[0]`.
        name: String,
        /// As upstream words it.
        reason: String,
        /// What the kernel said.
        errno: i32,
    },
    /// The kernel refused an operation of the plan.
    #[error("{operation}")]
    Operation {
        /// The operation in the words of runc, or as listings print it where those say nothing.
        operation: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Whoever serves the synchronisation points gave up.
    #[error(transparent)]
    Served(Box<dyn std::error::Error + Send + Sync>),
}

/// A process that has come as far as its plan says: to its start gate, or to its program.
#[derive(Debug)]
pub struct Process {
    /// Its id on the host.
    pub pid: i32,
    /// Refers to that very process.
    pub pidfd: OwnedFd,
    /// What could not be done in full.
    pub warnings: Vec<String>,
}

impl Process {
    /// Waits until the process has ended.
    ///
    /// # Errors
    /// It is not a child of this process.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            poll::readable(&self.pidfd)?;
            if let Some(status) = pidfd::reap(&self.pidfd)? {
                return Ok(status);
            }
        }
    }

    /// Ends the process and reaps it.
    pub(crate) fn kill(&self) {
        // It may have ended by itself; then there is nothing left to kill or to reap.
        let _ = pidfd::signal(&self.pidfd, libc::SIGKILL);
        let _ = self.wait();
    }
}

/// What the caller holds for a plan.
#[derive(Default)]
pub struct Descriptors<'a> {
    /// For [`Given::StartGate`].
    pub gate: Option<BorrowedFd<'a>>,
    /// For [`Given::ConsoleSocket`].
    pub console: Option<BorrowedFd<'a>>,
    /// For [`Given::Container`].
    pub container: Option<BorrowedFd<'a>>,
    /// The directory on the unified hierarchy that the process is cloned into.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// For [`Given::Stdio`].
    pub stdio: [Option<BorrowedFd<'a>>; 3],
}

/// Starts `plan`. `serve` is called at each synchronisation point ([`crate::plan::sync`]) with its
/// code and the process's id on the host.
pub fn start(
    plan: &Plan,
    held: &Descriptors<'_>,
    serve: &mut dyn FnMut(u32, &Process) -> Result<(), LaunchError>,
) -> Result<Process, LaunchError> {
    let namespaces = open_namespaces(&plan.given)?;
    let mut opened = namespaces.iter();
    let slots = plan.given.iter().map(|given| {
        let descriptor = match given {
            Given::Namespace(_) => opened.next().map(AsFd::as_fd),
            Given::StartGate => held.gate,
            Given::ConsoleSocket => held.console,
            Given::Container => held.container,
            Given::Stdio(number) => held.stdio.get(*number as usize).copied().flatten(),
        };
        descriptor.ok_or_else(|| LaunchError::NotGiven(given.clone()))
    });
    let slots: Vec<_> = slots.collect::<Result<_, _>>()?;
    let launch = Launch {
        program: &plan.program,
        slots: &slots,
        namespaces: plan.namespaces,
        inherit: plan.inherit,
        cgroup: held.cgroup,
    };
    let launched = launch::launch(&launch).map_err(LaunchError::Clone)?;
    let process = Process {
        pid: launched.pid,
        pidfd: launched.pidfd,
        warnings: plan.warnings.clone(),
    };
    converse(&plan.program, launched.channel, process, serve)
}

fn open_namespaces(given: &[Given]) -> Result<Vec<File>, LaunchError> {
    let files = given.iter().filter_map(|given| match given {
        Given::Namespace(path) => Some(File::open(path).map_err(|source| LaunchError::Namespace {
            path: path.display().to_string(),
            source,
        })),
        _ => None,
    });
    files.collect()
}

/// Listens to the process until it has become what it is to be.
fn converse(
    program: &Program,
    channel: OwnedFd,
    mut process: Process,
    serve: &mut dyn FnMut(u32, &Process) -> Result<(), LaunchError>,
) -> Result<Process, LaunchError> {
    loop {
        let event = launch::next(&channel).map_err(LaunchError::Channel);
        let step = event.and_then(|event| match event {
            Event::Sync(code) => {
                serve(code, &process)?;
                launch::resume(&channel)
                    .map_err(LaunchError::Channel)
                    .map(|()| false)
            }
            Event::Moved { pid } => follow(&mut process, pid).map(|()| false),
            Event::Warning { op, errno } => {
                let reason = io::Error::from_raw_os_error(errno);
                process
                    .warnings
                    .push(format!("{}: {reason}", program.line(op).unwrap_or_default()));
                Ok(false)
            }
            Event::Failed { op, errno } => Err(failure(program, op, errno)),
            // Also when something killed the process on the way: then its exit status tells.
            Event::Created | Event::Started => Ok(true),
        });
        match step {
            Ok(false) => {}
            Ok(true) => return Ok(process),
            Err(error) => {
                process.kill();
                return Err(error);
            }
        }
    }
}

/// The process goes on as another one; the first has ended and is reaped.
fn follow(process: &mut Process, pid: i32) -> Result<(), LaunchError> {
    let next = Pid::from_raw(pid).ok_or_else(|| LaunchError::Channel(io::ErrorKind::InvalidData.into()))?;
    let pidfd = pidfd::open(next).map_err(LaunchError::Channel)?;
    process.wait().map_err(LaunchError::Channel)?;
    process.pid = pid;
    process.pidfd = pidfd;
    Ok(())
}

/// Says in the container's terms which operation of its program has failed.
#[must_use]
pub fn failure(program: &Program, op: u32, errno: i32) -> LaunchError {
    let source = io::Error::from_raw_os_error(errno);
    let operation = words(program, op, errno).or_else(|| program.line(op));
    let operation = operation.unwrap_or_default();
    match program.executable(op) {
        Some(name) => LaunchError::Executable {
            reason: reason(&name, errno),
            name,
            errno,
        },
        None => LaunchError::Operation { operation, source },
    }
}

/// What runc says of operations that fail by a mistake in what was asked for.
fn words(program: &Program, op: u32, errno: i32) -> Option<String> {
    let text = |text| program.spelled(text);
    match program.operation(op)? {
        // Paths of the host are left for others before the container's own descriptors are closed.
        Op::Chdir { path, .. } if in_container(program, op) => Some(format!(
            "chdir to cwd ({:?}) set in config.json failed",
            text(path)?
        )),
        Op::Hostname { .. } => Some("sethostname".to_owned()),
        Op::Domainname { .. } => Some("setdomainname".to_owned()),
        Op::Write { path, .. } => {
            let path = text(path)?;
            let setting = path.strip_prefix("sys/")?;
            let done = match errno {
                libc::ENOENT | libc::EACCES | libc::EROFS => "open",
                _ => "write",
            };
            Some(format!("{done} /proc/sys/{setting}"))
        }
        _ => None,
    }
}

fn in_container(program: &Program, op: u32) -> bool {
    (0..op).any(|before| matches!(program.operation(before), Some(Op::CloseFrom { .. })))
}

/// The words of runc and Go, which users and scripts know.
fn reason(name: &str, errno: i32) -> String {
    match errno {
        libc::ENOENT if name.contains('/') => format!("stat {name}: no such file or directory"),
        libc::ENOENT => "executable file not found in $PATH".to_owned(),
        libc::EACCES => "permission denied".to_owned(),
        libc::EISDIR => "is a directory".to_owned(),
        libc::ENOEXEC => "exec format error".to_owned(),
        _ => io::Error::from_raw_os_error(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sys::program::{Builder, Slot};

    use super::*;

    #[test]
    fn what_was_asked_for_wrongly_is_said_as_runc_does() {
        let mut builder = Builder::new(1);
        let (host, own) = (builder.text("/layers"), builder.text("/nope"));
        let (name, setting, value) = (builder.text("n"), builder.text("sys/net/a"), builder.text("1"));
        let write = Op::Write {
            dir: Slot::NONE,
            path: setting,
            data: value,
            flags: 0,
        };
        builder.push(Op::Chdir { path: host, flags: 0 });
        builder.push(Op::Hostname { name }).push(Op::Domainname { name });
        builder.push(write);
        let keep = Slot::NONE;
        builder.push(Op::CloseFrom { first: 3, keep });
        builder.push(Op::Chdir { path: own, flags: 0 });
        let program = builder.finish().unwrap();
        for (op, errno, said) in [
            (0, libc::ENOENT, "Chdir path=\"/layers\" flags=0x0"),
            (1, libc::EINVAL, "sethostname"),
            (2, libc::EINVAL, "setdomainname"),
            (3, libc::EINVAL, "write /proc/sys/net/a"),
            (3, libc::ENOENT, "open /proc/sys/net/a"),
            (
                5,
                libc::ENOENT,
                "chdir to cwd (\"/nope\") set in config.json failed",
            ),
        ] {
            assert_eq!(failure(&program, op, errno).to_string(), said);
        }
    }
}
