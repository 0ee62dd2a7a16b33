//! The log pump: the second thread, which copies standard streams into log files.
//!
//! It is a thread of its own because a disk can hang: reaping, starting and answering go on in
//! the other one. The two exchange commands and reports through mailboxes that never block; the
//! pump owns every logged stream, so no lock is held during I/O.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use sys::clock;
use sys::epoll::{Epoll, Interest, Wakeup};

use crate::log::{Batch, Counters, LogFile, Splitter, StreamName, rfc3339_nano};
use crate::protocol::wire::wire_struct;
use crate::protocol::{Bytes, LogSpec, LogStats, Name};

/// Most bytes read from one stream before the next has its turn: a pipe's capacity.
const CHUNK: usize = 64 * 1024;
const WAKEUP: u64 = u64::MAX;

/// A queue between two threads with a bell. Its length is bounded by its users: for each process
/// at most one command of each kind is under way.
pub(crate) struct Mailbox<T> {
    queue: Mutex<VecDeque<T>>,
    pub(crate) bell: Wakeup,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            queue: Mutex::default(),
            bell: Wakeup::new()?,
        }))
    }

    pub(crate) fn push(&self, item: T) {
        self.lock().push_back(item);
        self.bell.ring();
    }

    pub(crate) fn take(&self) -> VecDeque<T> {
        self.bell.clear();
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the pump is asked. `u64` is the life's number.
pub(crate) enum Command {
    Open(u64, LogSpec, Arc<Counters>),
    Read(u64, Vec<Source>),
    Copy(u64, Vec<(StreamName, OwnedFd)>),
    /// The process has ended: report once everything it wrote is in the file.
    Drain(u64),
    Close(u64),
    Reopen(u64, Option<Name>),
    /// Finish what is begun, report the state and end.
    Stop,
}

/// What the pump says.
pub(crate) enum Report {
    Opened(u64, io::Result<()>),
    Drained(u64),
    Reopened(u64, io::Result<()>),
    Trouble(u64, LogStats),
    Stopped(Vec<PumpedLog>),
}

/// A stream to read, and where a copy goes.
pub(crate) struct Source {
    pub(crate) name: StreamName,
    pub(crate) reader: OwnedFd,
    pub(crate) copy: Option<OwnedFd>,
}

wire_struct! {
    /// One log as it crosses a re-exec; descriptors by number.
    pub(crate) struct PumpedLog {
        pub(crate) life: u64,
        pub(crate) spec: LogSpec,
        pub(crate) size: u64,
        pub(crate) stats: LogStats,
        pub(crate) draining: bool,
        pub(crate) streams: Vec<PumpedStream>,
    }
}

wire_struct! {
    pub(crate) struct PumpedStream {
        pub(crate) error: bool,
        pub(crate) reader: i32,
        pub(crate) copy: Option<i32>,
        pub(crate) carry: Bytes,
        pub(crate) pending: Bytes,
        pub(crate) quiet: bool,
    }
}

impl From<Source> for PumpedStream {
    /// A stream of which nothing has been read yet.
    fn from(source: Source) -> Self {
        let number = |fd: OwnedFd| {
            kept(fd.as_fd());
            fd.into_raw_fd()
        };
        Self {
            error: source.name == StreamName::Stderr,
            reader: number(source.reader),
            copy: source.copy.map(number),
            carry: Bytes::default(),
            pending: Bytes::default(),
            quiet: false,
        }
    }
}

struct Stream {
    life: u64,
    name: StreamName,
    reader: OwnedFd,
    splitter: Splitter,
    copy: Option<OwnedFd>,
    /// Output that is logged but that the copy's reader has had no room for; while there is some,
    /// the stream is not read on, so it never exceeds [`CHUNK`].
    pending: Vec<u8>,
    /// Everything that was written before the process ended has been read.
    quiet: bool,
}

struct Log {
    file: LogFile,
    draining: bool,
    errno: i32,
}

/// The thread's state.
pub(crate) struct Pump {
    epoll: Epoll,
    commands: Arc<Mailbox<Command>>,
    reports: Arc<Mailbox<Report>>,
    logs: BTreeMap<u64, Log>,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
    chunk: Vec<u8>,
    batch: Batch,
}

impl Pump {
    pub(crate) fn new(commands: Arc<Mailbox<Command>>, reports: Arc<Mailbox<Report>>) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(&commands.bell, WAKEUP, Interest::READ)?;
        Ok(Self {
            epoll,
            commands,
            reports,
            logs: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_stream: 0,
            chunk: vec![0; CHUNK],
            batch: Batch::default(),
        })
    }

    /// Takes up a log where the image before a re-exec left it. `claim` turns numbers into
    /// descriptors.
    pub(crate) fn resume(
        &mut self,
        log: PumpedLog,
        counters: Arc<Counters>,
        claim: impl Fn(i32) -> io::Result<OwnedFd>,
    ) -> io::Result<()> {
        let file = LogFile::resume(log.spec, log.size, counters);
        let cut = file.cut();
        self.logs.insert(
            log.life,
            Log {
                file,
                draining: log.draining,
                errno: log.stats.errno,
            },
        );
        for stream in log.streams {
            let name = if stream.error {
                StreamName::Stderr
            } else {
                StreamName::Stdout
            };
            self.add(Stream {
                life: log.life,
                name,
                reader: claim(stream.reader)?,
                splitter: Splitter::new(cut, stream.carry.0),
                copy: stream.copy.map(&claim).transpose()?,
                pending: stream.pending.0,
                quiet: stream.quiet,
            })?;
        }
        Ok(())
    }

    /// Runs until [`Command::Stop`]. The streams stay open: the thread's owner is about to
    /// replace the image, or to end.
    pub(crate) fn run(mut self) {
        while let Ok(ready) = self.epoll.wait() {
            for event in ready {
                match event.token {
                    WAKEUP if !self.obey() => return self.stop(),
                    WAKEUP => {}
                    token => self.serve(token),
                }
            }
        }
    }

    fn obey(&mut self) -> bool {
        let mut commands = self.commands.take();
        while let Some(command) = commands.pop_front() {
            match command {
                Command::Stop => {
                    commands.into_iter().for_each(|later| self.commands.push(later));
                    return false;
                }
                Command::Open(life, spec, counters) => self.open(life, spec, counters),
                Command::Read(life, sources) => sources
                    .into_iter()
                    .for_each(|source| self.read_from(life, source)),
                Command::Copy(life, copies) => self.copy(life, copies),
                Command::Drain(life) => self.drain(life),
                Command::Close(life) => self.close(life),
                Command::Reopen(life, suffix) => {
                    let log = self.logs.get_mut(&life).ok_or(io::ErrorKind::NotFound.into());
                    let done = log.and_then(|log| log.file.reopen(suffix.as_ref()));
                    self.reports.push(Report::Reopened(life, done));
                }
            }
        }
        true
    }

    fn open(&mut self, life: u64, spec: LogSpec, counters: Arc<Counters>) {
        let opened = LogFile::open(spec, counters).map(|file| {
            self.logs.insert(
                life,
                Log {
                    file,
                    draining: false,
                    errno: 0,
                },
            );
        });
        self.reports.push(Report::Opened(life, opened));
    }

    fn read_from(&mut self, life: u64, source: Source) {
        let Some(log) = self.logs.get(&life) else { return };
        let splitter = Splitter::new(log.file.cut(), Vec::new());
        let Source { name, reader, copy } = source;
        // epoll_ctl fails only when the kernel is out of memory: the stream then ends, unread.
        drop(self.add(Stream {
            life,
            name,
            reader,
            splitter,
            copy,
            pending: Vec::new(),
            quiet: false,
        }));
    }

    fn add(&mut self, stream: Stream) -> io::Result<()> {
        let token = self.next_stream;
        self.next_stream += 2;
        let waits = !stream.pending.is_empty();
        self.epoll.add(
            &stream.reader,
            token,
            if waits { Interest::NONE } else { Interest::READ },
        )?;
        if let Some(copy) = &stream.copy {
            self.epoll.add(
                copy,
                token + 1,
                if waits { Interest::WRITE } else { Interest::NONE },
            )?;
        }
        self.streams.insert(token, stream);
        Ok(())
    }

    fn copy(&mut self, life: u64, copies: Vec<(StreamName, OwnedFd)>) {
        for (name, copy) in copies {
            let found = self
                .streams
                .iter_mut()
                .find(|(_, stream)| stream.life == life && stream.name == name);
            let Some((token, stream)) = found else { continue };
            let waits = !std::mem::take(&mut stream.pending).is_empty();
            if self.epoll.add(&copy, token + 1, Interest::NONE).is_ok() {
                stream.copy = Some(copy);
            }
            if waits {
                drop(self.epoll.modify(&stream.reader, *token, Interest::READ));
            }
        }
    }

    fn drain(&mut self, life: u64) {
        if let Some(log) = self.logs.get_mut(&life) {
            log.draining = true;
        }
        for token in self.tokens(life) {
            self.settle(token);
        }
        self.report_if_drained(life);
    }

    fn tokens(&self, life: u64) -> Vec<u64> {
        self.streams
            .iter()
            .filter(|(_, stream)| stream.life == life)
            .map(|(token, _)| *token)
            .collect()
    }

    /// Reads a stream until it is empty, ended, or waits for its copy's reader. Only for a process
    /// that has ended: what is in the pipe now is all it wrote.
    fn settle(&mut self, token: u64) {
        while self.read(token) {}
    }

    fn close(&mut self, life: u64) {
        for token in self.tokens(life) {
            self.end(token);
        }
        self.logs.remove(&life);
    }

    fn serve(&mut self, token: u64) {
        let stream = token & !1;
        if token != stream && !self.push_copy(stream) {
            return;
        }
        let Some(life) = self.streams.get(&stream).map(|stream| stream.life) else {
            return;
        };
        if self.logs.get(&life).is_some_and(|log| log.draining) {
            self.settle(stream);
            self.report_if_drained(life);
        } else {
            self.read(stream);
        }
    }

    /// One read; whether there may be more at once.
    fn read(&mut self, token: u64) -> bool {
        let Some(stream) = self
            .streams
            .get_mut(&token)
            .filter(|stream| stream.pending.is_empty())
        else {
            return false;
        };
        match sys::pipe::read(&stream.reader, &mut self.chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.quiet = true;
                false
            }
            // A terminal whose last slave has closed answers EIO.
            Ok(0) | Err(_) => {
                self.end(token);
                false
            }
            Ok(length) => {
                self.log(token, length);
                self.push_copy(token)
            }
        }
    }

    fn log(&mut self, token: u64, length: usize) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        let Some(log) = self.logs.get_mut(&stream.life) else {
            return;
        };
        let time = rfc3339_nano(clock::realtime());
        let (batch, name, format) = (&mut self.batch, stream.name, &log.file.spec().format);
        batch.clear();
        stream.splitter.feed(&self.chunk[..length], |line, ending| {
            batch.push(format, &time, name, line, ending)
        });
        if stream.copy.is_some() {
            stream.pending.extend_from_slice(&self.chunk[..length]);
        }
        let life = stream.life;
        self.write(life);
    }

    fn write(&mut self, life: u64) {
        let Some(log) = self.logs.get_mut(&life) else {
            return;
        };
        log.file.append(&self.batch, clock::boottime());
        let stats = log.file.counters.snapshot();
        if (stats.errno == 0) != (log.errno == 0) {
            self.reports.push(Report::Trouble(life, stats));
        }
        log.errno = stats.errno;
    }

    /// Writes an unfinished line as a partial entry.
    fn flush(&mut self, token: u64) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        let Some(log) = self.logs.get_mut(&stream.life) else {
            return;
        };
        let time = rfc3339_nano(clock::realtime());
        let (batch, name, format) = (&mut self.batch, stream.name, &log.file.spec().format);
        batch.clear();
        stream
            .splitter
            .finish(|line, ending| batch.push(format, &time, name, line, ending));
        let life = stream.life;
        self.write(life);
    }

    /// Passes pending output to the copy's reader; whether there is none left. A reader that has
    /// gone ends the copy, not the stream.
    fn push_copy(&mut self, token: u64) -> bool {
        let Some(stream) = self.streams.get_mut(&token) else {
            return false;
        };
        while let (Some(copy), false) = (&stream.copy, stream.pending.is_empty()) {
            match sys::pipe::write(copy, &stream.pending) {
                Ok(length) => drop(stream.pending.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => stream.copy = None,
            }
        }
        if stream.copy.is_none() {
            stream.pending = Vec::new();
        }
        let waits = !stream.pending.is_empty();
        let (read, write) = if waits {
            (Interest::NONE, Interest::WRITE)
        } else {
            (Interest::READ, Interest::NONE)
        };
        drop(self.epoll.modify(&stream.reader, token, read));
        if let Some(copy) = &stream.copy {
            drop(self.epoll.modify(copy, token + 1, write));
        }
        !waits
    }

    fn end(&mut self, token: u64) {
        self.flush(token);
        self.streams.remove(&token);
    }

    /// The last line is in the file before the other thread hears of the end.
    fn report_if_drained(&mut self, life: u64) {
        let tokens = self.tokens(life);
        let quiet = |token: &u64| self.streams[token].quiet && self.streams[token].pending.is_empty();
        if !tokens.iter().all(quiet) || !self.logs.get(&life).is_some_and(|log| log.draining) {
            return;
        }
        for token in tokens {
            self.flush(token);
        }
        if let Some(log) = self.logs.get_mut(&life) {
            log.draining = false;
        }
        self.reports.push(Report::Drained(life));
    }

    fn stop(self) {
        let mut pumped: BTreeMap<u64, PumpedLog> = BTreeMap::new();
        for (life, log) in self.logs {
            let (spec, size, stats) = (
                log.file.spec().clone(),
                log.file.size(),
                log.file.counters.snapshot(),
            );
            pumped.insert(
                life,
                PumpedLog {
                    life,
                    spec,
                    size,
                    stats,
                    draining: log.draining,
                    streams: Vec::new(),
                },
            );
        }
        for stream in self.streams.into_values() {
            let Some(log) = pumped.get_mut(&stream.life) else {
                continue;
            };
            let Stream {
                name,
                reader,
                copy,
                splitter,
                pending,
                quiet,
                ..
            } = stream;
            let (carry, pending) = (splitter.carry().into(), pending.into());
            let fresh = PumpedStream::from(Source { name, reader, copy });
            log.streams.push(PumpedStream {
                carry,
                pending,
                quiet,
                ..fresh
            });
        }
        self.reports.push(Report::Stopped(pumped.into_values().collect()));
    }
}

/// The number of a descriptor that the next image will claim.
pub(crate) fn kept(fd: BorrowedFd<'_>) -> i32 {
    // fcntl(F_SETFD) on an open descriptor does not fail.
    drop(sys::process::keep_across_exec(fd));
    fd.as_raw_fd()
}
