//! The descriptors of one process, and how its standard streams come to be.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use sys::pty::Size;
use sys::socket::SeqPacket;
use sys::{pipe, pty};

use crate::log::{Counters, StreamName};
use crate::protocol::{LogStats, Owner, Stdio, Streams};
use crate::pump::Source;

/// What the supervisor keeps of a process. Logged output is with the pump.
#[derive(Default)]
pub(super) struct Handles {
    pub(super) pidfd: Option<OwnedFd>,
    /// The init program's channel, until the process runs its own image.
    pub(super) channel: Option<OwnedFd>,
    /// Write end of standard input, or the terminal.
    pub(super) input: Option<OwnedFd>,
    /// Read ends of output that is not logged, or of the copies made for a start with `attach`.
    pub(super) output: Option<OwnedFd>,
    pub(super) error: Option<OwnedFd>,
    /// Read ends that the pump logs from, shared with it: the daemon is given duplicates to hold.
    pub(super) logged_output: Option<Arc<OwnedFd>>,
    pub(super) logged_error: Option<Arc<OwnedFd>>,
    pub(super) counters: Option<Arc<Counters>>,
    /// Where the master of a terminal that the program opens itself will arrive.
    pub(super) console: Option<OwnedFd>,
    /// Where the copy of that terminal's output will go.
    pub(super) console_copy: Option<OwnedFd>,
}

impl Handles {
    pub(super) fn stats(&self) -> LogStats {
        self.counters
            .as_ref()
            .map(|counters| counters.snapshot())
            .unwrap_or_default()
    }

    pub(super) fn streams(&self) -> Streams {
        Streams {
            input: self.input.is_some(),
            output: self.output.is_some(),
            error: self.error.is_some(),
            logged_output: self.logged_output.is_some(),
            logged_error: self.logged_error.is_some(),
        }
    }

    /// The descriptors that [`Handles::streams`] announces, in its order.
    pub(super) fn stream_fds(&self) -> Vec<BorrowedFd<'_>> {
        let own = [&self.input, &self.output, &self.error].into_iter().flatten();
        let logged = [&self.logged_output, &self.logged_error].into_iter().flatten();
        own.map(AsFd::as_fd).chain(logged.map(AsFd::as_fd)).collect()
    }

    pub(super) fn logged(&mut self, name: StreamName) -> &mut Option<Arc<OwnedFd>> {
        match name {
            StreamName::Stdout => &mut self.logged_output,
            StreamName::Stderr => &mut self.logged_error,
        }
    }

    /// Copies are for whom they were made for; once sent they are not kept.
    pub(super) fn forget_copies(&mut self) {
        if self.counters.is_some() {
            (self.output, self.error) = (None, None);
        }
    }
}

impl Handles {
    /// Takes the terminal that the program has opened, which it sent before it said that it runs,
    /// and answers what the pump is to read of it. A program that died before has sent none.
    pub(super) fn receive_console(&mut self, size: Size) -> io::Result<Option<Source>> {
        let Some(socket) = self.console.take() else {
            return Ok(None);
        };
        let mut packet = SeqPacket::from(socket).receive(&mut [0; 64])?;
        let master = packet.descriptors.pop().ok_or(io::ErrorKind::UnexpectedEof)?;
        pipe::set_nonblocking(&master)?;
        if size.rows != 0 {
            pty::resize(&master, size)?;
        }
        let copy = self.console_copy.take();
        let source = self.counters.is_some().then(|| master.try_clone()).transpose()?;
        self.input = Some(master);
        Ok(source.map(|reader| {
            let reader = Arc::new(reader);
            self.logged_output = Some(reader.clone());
            Source {
                name: StreamName::Stdout,
                reader,
                copy,
            }
        }))
    }
}

/// Standard streams that have been made: the process's ends, and ours.
pub(super) struct Made {
    pub(super) slots: Vec<OwnedFd>,
    pub(super) handles: Handles,
    /// What the pump is to read.
    pub(super) sources: Vec<Source>,
}

/// Makes the streams of `stdio`; `given` are the request's descriptors.
pub(super) fn make(
    stdio: &Stdio,
    owner: Owner,
    logged: bool,
    attach: bool,
    given: &mut Vec<OwnedFd>,
) -> io::Result<Made> {
    let mut made = Made {
        slots: Vec::new(),
        handles: Handles::default(),
        sources: Vec::new(),
    };
    match *stdio {
        Stdio::Null {} => made.slots = vec![null()?, null()?, null()?],
        Stdio::Given {} => {
            if given.len() < 3 {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            made.slots = given.drain(..3).collect();
        }
        Stdio::Pipes { stdin } => made.pipes(stdin, owner, logged, attach)?,
        Stdio::Terminal { rows, columns } => made.terminal(Size { rows, columns }, owner, logged, attach)?,
        Stdio::Console { .. } => made.console(logged && attach)?,
    }
    Ok(made)
}

impl Made {
    fn pipes(&mut self, stdin: bool, owner: Owner, logged: bool, attach: bool) -> io::Result<()> {
        if stdin {
            let (reader, writer) = pipe::input(owner.uid, owner.gid)?;
            self.slots.push(reader);
            self.handles.input = Some(writer);
        } else {
            self.slots.push(null()?);
        }
        for name in [StreamName::Stdout, StreamName::Stderr] {
            let pipe = pipe::output(owner.uid, owner.gid)?;
            self.slots.push(pipe.writer);
            if logged {
                self.log(name, pipe.reader, attach)?;
            } else {
                *self.end(name) = Some(pipe.reader);
            }
        }
        Ok(())
    }

    fn terminal(&mut self, size: Size, owner: Owner, logged: bool, attach: bool) -> io::Result<()> {
        let pty = pty::open(size, owner.uid, owner.gid)?;
        self.slots = vec![pty.slave.try_clone()?, pty.slave.try_clone()?, pty.slave];
        if logged {
            self.log(StreamName::Stdout, pty.master.try_clone()?, attach)?;
        }
        self.handles.input = Some(pty.master);
        Ok(())
    }

    /// The terminal itself comes when the program has opened it ([`Handles::receive_console`]).
    fn console(&mut self, copied: bool) -> io::Result<()> {
        let (ours, theirs) = SeqPacket::pair()?;
        ours.set_nonblocking(true)?;
        self.slots.push(theirs.into());
        self.handles.console = Some(ours.into());
        if copied {
            let (reader, writer) = pipe::copy_target()?;
            self.handles.output = Some(reader);
            self.handles.console_copy = Some(writer);
        }
        Ok(())
    }

    fn log(&mut self, name: StreamName, reader: OwnedFd, attach: bool) -> io::Result<()> {
        let mut copy = None;
        if attach {
            let (copy_reader, copy_writer) = pipe::copy_target()?;
            *self.end(name) = Some(copy_reader);
            copy = Some(copy_writer);
        }
        let reader = Arc::new(reader);
        *self.handles.logged(name) = Some(reader.clone());
        self.sources.push(Source { name, reader, copy });
        Ok(())
    }

    fn end(&mut self, name: StreamName) -> &mut Option<OwnedFd> {
        match name {
            StreamName::Stdout => &mut self.handles.output,
            StreamName::Stderr => &mut self.handles.error,
        }
    }
}

fn null() -> io::Result<OwnedFd> {
    Ok(OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?
        .into())
}
