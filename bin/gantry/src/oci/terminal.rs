//! The program's terminal, shown on the caller's own.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use runtime::launcher::Process;
use rustix::event::{PollFd, PollFlags};
use rustix::termios::{OptionalActions, Termios};
use sys::epoll::Signals;
use sys::pidfd::{self, ExitStatus};
use sys::pty::Size;
use sys::socket::SeqPacket;

use crate::failure::Failure;

/// The master end, with the caller's terminal in raw mode while this lives.
pub(super) struct Terminal {
    master: File,
    before: Option<Termios>,
}

impl Terminal {
    /// Takes the master that the starting process has sent.
    pub(super) fn receive(socket: OwnedFd) -> Result<Self, Failure> {
        let packet = SeqPacket::from(socket).receive(&mut [0; 64])?;
        let master = packet.descriptors.into_iter().next().map(File::from);
        let master = master.ok_or_else(|| io::Error::other("the program sent no terminal"))?;
        let terminal = Self {
            master,
            before: raw_mode(),
        };
        terminal.resize();
        Ok(terminal)
    }

    /// Copies both ways until the program has ended and its output is read.
    pub(super) fn attend(mut self, process: &Process, signals: &Signals) -> Result<ExitStatus, Failure> {
        let mut input = true;
        loop {
            let ready = self.wait(process, signals, input)?;
            if ready[0] {
                self.on_signals(process, signals);
            }
            if ready[1] {
                input = self.forward_input()?;
            }
            if ready[2] && !self.forward_output()? {
                return Ok(process.wait()?);
            }
            if ready[3] {
                while self.pending()? && self.forward_output()? {}
                return Ok(process.wait()?);
            }
        }
    }

    /// Which of signals, our input, its output, its end are there.
    fn wait(&self, process: &Process, signals: &Signals, input: bool) -> io::Result<[bool; 4]> {
        let stdin = io::stdin();
        let mut fds = vec![
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
            PollFd::new(&self.master, PollFlags::IN),
            PollFd::new(&process.pidfd, PollFlags::IN),
        ];
        // An input that has ended is left out: its hang-up would be news for ever.
        if input {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        match rustix::event::poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => return Ok([false; 4]),
            other => other?,
        };
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok([ready(0), ready(3), ready(1), ready(2)])
    }

    fn pending(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        Ok(rustix::event::poll(&mut fds, Some(&now))? > 0)
    }

    fn on_signals(&self, process: &Process, signals: &Signals) {
        while let Some(signal) = signals.next() {
            if signal == libc::SIGWINCH {
                self.resize();
            } else {
                // The program may have ended meanwhile.
                let _ = pidfd::signal(&process.pidfd, signal);
            }
        }
    }

    /// Whether there may be more input.
    fn forward_input(&mut self) -> io::Result<bool> {
        const END_OF_FILE: &[u8] = &[4];
        let mut buffer = [0; 4096];
        let length = io::stdin().read(&mut buffer)?;
        self.master.write_all(if length == 0 {
            END_OF_FILE
        } else {
            &buffer[..length]
        })?;
        Ok(length > 0)
    }

    /// Whether there may be more output: a terminal nobody holds any more fails to be read.
    fn forward_output(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16384];
        let length = match self.master.read(&mut buffer) {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => 0,
            other => other?,
        };
        let mut out = io::stdout().lock();
        out.write_all(&buffer[..length])?;
        out.flush()?;
        Ok(length > 0)
    }

    /// Gives the program's terminal the size of ours, if ours is one.
    fn resize(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(io::stdin()) {
            let size = Size {
                rows: size.ws_row,
                columns: size.ws_col,
            };
            // A program that has ended has no terminal to resize.
            let _ = sys::pty::resize(&self.master, size);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that does not go back.
            let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Passes every key on as it is. `None` if our input is no terminal.
fn raw_mode() -> Option<Termios> {
    let before = rustix::termios::tcgetattr(io::stdin()).ok()?;
    let mut raw = before.clone();
    raw.make_raw();
    rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
    Some(before)
}
