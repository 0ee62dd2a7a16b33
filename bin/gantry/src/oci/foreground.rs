//! Attending to a program in the foreground: its terminal or its signals, until it ends.

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use runtime::launcher::Process;
use rustix::event::{PollFd, PollFlags};
use sys::epoll::Signals;
use sys::pidfd::{self, ExitStatus};

use super::terminal::Terminal;
use crate::failure::Failure;

/// Signals that are passed on to the program, as runc does.
const FORWARDED: &[i32] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGALRM,
    libc::SIGWINCH,
];

/// Made before the program starts, so that no signal is lost.
pub(super) struct Foreground {
    signals: Signals,
    /// The caller's own console socket, or the pair over which the master comes to us.
    console: Console,
}

enum Console {
    Given(OwnedFd),
    Own { ours: OwnedFd, theirs: OwnedFd },
}

impl Foreground {
    pub(super) fn prepare(console: Option<&OwnedFd>) -> Result<Self, Failure> {
        let console = match console {
            Some(socket) => Console::Given(socket.try_clone()?),
            None => {
                let (ours, theirs) = sys::socket::SeqPacket::pair()?;
                Console::Own {
                    ours: ours.into(),
                    theirs: theirs.into(),
                }
            }
        };
        Ok(Self {
            signals: Signals::block(FORWARDED)?,
            console,
        })
    }

    /// The socket that the program's terminal is sent to, if it has one.
    pub(super) fn console(&self) -> Option<OwnedFd> {
        let socket = match &self.console {
            Console::Given(socket) => socket,
            Console::Own { theirs, .. } => theirs,
        };
        // Out of descriptors: the plan then says that a terminal needs a socket.
        socket.try_clone().ok()
    }

    /// Waits until the program has ended.
    pub(super) fn attend(self, process: &Process, has_terminal: bool) -> Result<ExitStatus, Failure> {
        match self.console {
            Console::Own { ours, theirs } if has_terminal => {
                drop(theirs);
                Terminal::receive(ours)?.attend(process, &self.signals)
            }
            _ => forward(process, &self.signals),
        }
    }
}

fn forward(process: &Process, signals: &Signals) -> Result<ExitStatus, Failure> {
    loop {
        let mut fds = [
            PollFd::new(&process.pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        match rustix::event::poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        while let Some(signal) = signals.next() {
            // The program may have ended meanwhile: the next turn notices.
            let _ = pidfd::signal(&process.pidfd, signal);
        }
        if let Some(status) = pidfd::reap(&process.pidfd)? {
            return Ok(status);
        }
    }
}

/// As shells report it.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    match status {
        ExitStatus::Code(code) => ExitCode::from(code),
        ExitStatus::Signal { number, .. } => ExitCode::from(128_u8.saturating_add(number)),
    }
}
