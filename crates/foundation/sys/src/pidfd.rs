//! Processes by descriptor, so that a number reused for another process is never signalled.
//! pidfd_open(2), pidfd_send_signal(2), waitid(2), ioctl PIDFD_GET_INFO

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

pub use rustix::process::Pid;
use rustix::process::PidfdFlags;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called `exit` with this code, 0 to 255.
    Code(u8),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        number: u8,
        /// Whether it left a core dump.
        core: bool,
    },
}

impl ExitStatus {
    /// As `wait` reports it (and as PIDFD_GET_INFO does): code << 8, or signal with bit 7 for a core.
    pub fn from_wait(status: i32) -> Self {
        let [low, high, ..] = status.to_le_bytes();
        match low & 0x7f {
            0 => Self::Code(high),
            number => Self::Signal {
                number,
                core: low & 0x80 != 0,
            },
        }
    }

    /// The inverse of [`ExitStatus::from_wait`].
    pub fn to_wait(self) -> i32 {
        match self {
            Self::Code(code) => i32::from(code) << 8,
            Self::Signal { number, core } => i32::from(number) | i32::from(core) << 7,
        }
    }
}

/// A descriptor for the process `pid`, which is close-on-exec and readable once it has exited.
pub fn open(pid: Pid) -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// Sends `signal` (0 only asks whether the process exists). `NotFound` stands for a process that
/// has exited and been reaped (ESRCH).
pub fn signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: the system call takes numbers and a null pointer for "as kill(2) would send it".
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<u8>(), 0) };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) {
        Err(io::ErrorKind::NotFound.into())
    } else {
        Err(error)
    }
}

/// Reaps the child behind `pidfd` if it has exited; `None` while it runs.
///
/// # Errors
/// ECHILD if it is not a child of this process, or was reaped already.
pub fn reap(pidfd: impl AsFd) -> io::Result<Option<ExitStatus>> {
    let id = u32::try_from(pidfd.as_fd().as_raw_fd()).unwrap_or(u32::MAX);
    Ok(wait(libc::P_PIDFD, id)?.map(|(_, status)| status))
}

/// Reaps any child that has exited: how a subreaper empties its nursery. `None` if none has.
pub fn reap_any() -> io::Result<Option<(Pid, ExitStatus)>> {
    match wait(libc::P_ALL, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        other => other,
    }
}

fn wait(kind: libc::idtype_t, id: u32) -> io::Result<Option<(Pid, ExitStatus)>> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::__WALL;
    // SAFETY: an all-zero siginfo_t is valid, and the kernel overwrites it; the accessors read the
    // union member that waitid fills for every event that WEXITED asks for.
    let (done, pid, code, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let done = libc::waitid(kind, id, &raw mut info, flags);
        (done, info.si_pid(), info.si_code, info.si_status())
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(pid).map(|pid| (pid, ended(code, status))))
}

/// From the `si_code` and `si_status` of a SIGCHLD.
fn ended(code: i32, status: i32) -> ExitStatus {
    let [status, ..] = status.to_le_bytes();
    match code {
        libc::CLD_EXITED => ExitStatus::Code(status),
        _ => ExitStatus::Signal {
            number: status,
            core: code == libc::CLD_DUMPED,
        },
    }
}

/// `struct pidfd_info` of linux/pidfd.h, as far as exit information needs it.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, then eight user and group ids.
    ids: [u32; 11],
    exit_code: i32,
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)` with the 64 bytes of its first version.
const PIDFD_GET_INFO: libc::Ioctl = ((3_u64 << 30) | (64 << 16) | (0xFF << 8) | 11) as libc::Ioctl;

/// The exit status of a process that somebody else has reaped, or will: `None` while it runs or
/// while it waits to be reaped.
///
/// # Errors
/// `Unsupported` before Linux 6.15, where nobody but the parent can know.
pub fn exit_info(pidfd: impl AsFd) -> io::Result<Option<ExitStatus>> {
    const { assert!(size_of::<Info>() == 64, "the size is part of the ioctl's number") };
    let mut info = Info {
        mask: PIDFD_INFO_EXIT,
        ..Info::default()
    };
    // SAFETY: the ioctl's number carries the size of the struct, and the kernel writes no more.
    let done = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if done == 0 {
        return Ok((info.mask & PIDFD_INFO_EXIT != 0).then(|| ExitStatus::from_wait(info.exit_code)));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOTTY | libc::EINVAL) => Err(io::ErrorKind::Unsupported.into()),
        // A reaped process without exit information: the kernel is too old to have kept it.
        Some(libc::ESRCH) => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(error),
    }
}

/// The exit status of a process that has ended and is somebody else's child: at once, whether its parent
/// has reaped it or not. `pid` is the number behind `pidfd`. `None` where nobody can know: it was reaped,
/// and Linux is older than 6.15.
pub fn foreign_status(pidfd: impl AsFd, pid: u32) -> Option<ExitStatus> {
    let reaped = || exit_info(&pidfd).ok().flatten();
    // Between the two it may be reaped, and then it is known the other way.
    reaped().or_else(|| zombie_status(&pidfd, pid)).or_else(reaped)
}

/// What the parent will be told, from `/proc/PID/stat`.
fn zombie_status(pidfd: &impl AsFd, pid: u32) -> Option<ExitStatus> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The kernel writes 0 for whoever may not look, and says so here. A zombie has no executable.
    let hidden = std::fs::read_link(format!("/proc/{pid}/exe"));
    if !hidden.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return None;
    }
    // Not reaped yet, so the number was still its own.
    signal(pidfd, 0).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let status = fields.last()?.parse().ok()?;
    (state == "Z").then(|| ExitStatus::from_wait(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn pid_of(child: &std::process::Child) -> Pid {
        Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
    }

    #[test]
    fn wait_statuses_survive_both_ways() {
        for status in [0, 7 << 8, 255 << 8, 9, 11 | 0x80] {
            assert_eq!(ExitStatus::from_wait(status).to_wait(), status);
        }
    }

    #[test]
    fn a_child_is_signalled_and_reaped_by_descriptor() {
        let child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
        let pidfd = open(pid_of(&child)).unwrap();
        assert_eq!(reap(&pidfd).unwrap(), None);
        signal(&pidfd, libc::SIGKILL).unwrap();
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)],
            None,
        )
        .unwrap();
        assert_eq!(
            reap(&pidfd).unwrap(),
            Some(ExitStatus::Signal {
                number: 9,
                core: false
            })
        );
        assert_eq!(signal(&pidfd, 0).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(reap(&pidfd).unwrap_err().raw_os_error(), Some(libc::ECHILD));
        drop(child);
    }

    #[test]
    fn the_status_of_a_process_that_nobody_has_reaped_is_known_too() {
        let mut child = Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pidfd = open(pid_of(&child)).unwrap();
        crate::poll::readable(&pidfd).unwrap();
        assert_eq!(foreign_status(&pidfd, child.id()), Some(ExitStatus::Code(7)));
        child.wait().unwrap();
        let after = foreign_status(&pidfd, child.id());
        assert_eq!(after, exit_info(&pidfd).ok().flatten());
    }

    #[test]
    fn the_status_of_a_reaped_process_is_known_to_who_holds_its_pidfd() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read x; exit 7"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pidfd = open(pid_of(&child)).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        match exit_info(&pidfd) {
            Ok(status) => assert_eq!(status, Some(ExitStatus::Code(7))),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
    }
}
