//! Starting a process from an init program: one `clone3`, and the conversation with it until it
//! has become the container's program.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::init::Init;
use crate::program::{Prepared, Program};
use crate::raw::{self, CloneArgs, Errno};

/// What to start, and with what.
pub struct Launch<'a> {
    /// The program that the new process runs.
    pub program: &'a Program,
    /// Descriptors for the program's first slots; they stay open here.
    pub slots: &'a [BorrowedFd<'a>],
    /// Namespaces (CLONE_NEW* bits) that the process is created in.
    pub namespaces: u32,
    /// Descriptors below this number stay open in the process; of all others it keeps only its
    /// slots and its end of the channel.
    pub inherit: u32,
    /// A cgroup v2 directory to create the process in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// A process that is running its program.
#[derive(Debug)]
pub struct Launched {
    /// Its id, in the caller's pid namespace.
    pub pid: i32,
    /// Refers to that very process, however ids are reused.
    pub pidfd: OwnedFd,
    /// A socket on which the process reports; see [`next`].
    pub channel: OwnedFd,
}

/// What a starting process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It waits for an answer ([`resume`]) at the synchronisation point of this number.
    Sync(u32),
    /// It goes on as another child of the caller, which must reap both.
    Moved {
        /// The new process.
        pid: i32,
    },
    /// An operation could not be done in full, and need not be.
    Warning {
        /// Index of the operation.
        op: u32,
        /// What the kernel answered.
        errno: i32,
    },
    /// An operation failed; the process has ended or is about to.
    Failed {
        /// Index of the operation.
        op: u32,
        /// What the kernel answered.
        errno: i32,
    },
    /// It waits for its start gate; nothing more will be said.
    Created,
    /// It has become its program (or ended without a word; the pidfd tells).
    Started,
}

/// libc's constant does not fit its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Clones a process that runs `launch.program`, and returns at once.
pub fn launch(launch: &Launch<'_>) -> io::Result<Launched> {
    let prepared = Prepared::new(launch.program);
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let slots: Vec<RawFd> = launch.slots.iter().map(AsRawFd::as_raw_fd).collect();
    let mut pidfd: RawFd = -1;
    let args = CloneArgs {
        flags: u64::from(launch.namespaces)
            | libc::CLONE_PIDFD as u64
            | if launch.cgroup.is_some() {
                CLONE_INTO_CGROUP
            } else {
                0
            },
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: launch.cgroup.map_or(0, |cgroup| cgroup.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    // SAFETY: `args` points at a live pidfd; the child goes straight into the interpreter, which
    // neither allocates, locks nor returns.
    let pid = unsafe { raw::clone3(&args) }?;
    if pid == 0 {
        // SAFETY: this is the child; the numbers are its own copies of the launcher's descriptors.
        unsafe { Init::new(&prepared, &slots, theirs.as_raw_fd(), launch.inherit) }.run();
    }
    // SAFETY: the kernel has stored a new descriptor that nothing else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Launched {
        pid,
        pidfd,
        channel: ours,
    })
}

/// Waits for the next event on a [`Launched::channel`].
pub fn next(channel: impl AsFd) -> io::Result<Event> {
    let mut bytes = [0; Report::SIZE];
    loop {
        match rustix::net::recv(channel.as_fd(), &mut bytes, RecvFlags::empty()) {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(Event::Started),
            Ok((Report::SIZE, _)) => return Report::event(bytes).ok_or_else(malformed),
            Ok(_) => return Err(malformed()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets a process that waits at a [`Event::Sync`] go on.
pub fn resume(channel: impl AsFd) -> io::Result<()> {
    rustix::net::send(channel, &[1], SendFlags::NOSIGNAL)?;
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "malformed report from a starting process",
    )
}

/// An [`Event`] as it crosses the channel: kind, operation or code, errno, process id.
pub(crate) struct Report([u32; 4]);

impl Report {
    const SIZE: usize = 16;

    pub(crate) fn sync(code: u32) -> Self {
        Self([1, code, 0, 0])
    }

    pub(crate) fn moved(pid: i32) -> Self {
        Self([2, 0, 0, pid.cast_unsigned()])
    }

    pub(crate) fn warning(op: u32, error: Errno) -> Self {
        Self([3, op, error.raw_os_error().cast_unsigned(), 0])
    }

    pub(crate) fn failed(op: u32, error: Errno) -> Self {
        Self([4, op, error.raw_os_error().cast_unsigned(), 0])
    }

    pub(crate) fn created() -> Self {
        Self([5, 0, 0, 0])
    }

    pub(crate) fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn event(bytes: [u8; Self::SIZE]) -> Option<Event> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (op, errno) = (word(4), word(8).cast_signed());
        match word(0) {
            1 => Some(Event::Sync(op)),
            2 => Some(Event::Moved {
                pid: word(12).cast_signed(),
            }),
            3 => Some(Event::Warning { op, errno }),
            4 => Some(Event::Failed { op, errno }),
            5 => Some(Event::Created),
            _ => None,
        }
    }
}
