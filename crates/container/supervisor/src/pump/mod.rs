//! The log pump: the second thread, which copies standard streams into log files.
//!
//! It is a thread of its own because a disk can hang: reaping, starting and answering go on in
//! the other one. The two exchange commands and reports through mailboxes that never block; the
//! pump owns every logged stream, so no lock is held during I/O.

mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use sys::clock;
use sys::epoll::{Epoll, Interest, Wakeup};

use crate::log::{Batch, Counters, LogFile, Splitter, StreamName};
use crate::protocol::wire::wire_struct;
use crate::protocol::{Bytes, LogSpec, LogStats, Name};

/// Most bytes read from one stream before the next has its turn: a pipe's capacity.
const CHUNK: usize = 64 * 1024;
const WAKEUP: u64 = u64::MAX;

/// The epoll token of a process's stream; its copy's is the next. Lives count from 1, one a start,
/// and never reach [`WAKEUP`].
fn token(life: u64, name: StreamName) -> u64 {
    life << 2 | u64::from(name == StreamName::Stderr) << 1
}

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
    /// Open, and read whether that succeeded or not: the process runs already.
    Adopt(u64, LogSpec, Arc<Counters>, Vec<Source>),
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
    /// From here on the copies get everything.
    Copied(u64),
    Drained(u64),
    Reopened(u64, io::Result<()>),
    Trouble(u64, LogStats),
    Stopped(Vec<PumpedLog>),
}

/// A stream to read, and where a copy goes.
pub(crate) struct Source {
    pub(crate) name: StreamName,
    /// The other thread has a share in it, to give the daemon duplicates; only the pump reads.
    pub(crate) reader: Arc<OwnedFd>,
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
        let reader = kept(source.reader.as_fd());
        // Whoever else has a share must not close what the next image claims by its number.
        std::mem::forget(source.reader);
        Self {
            error: source.name == StreamName::Stderr,
            reader,
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
    reader: Arc<OwnedFd>,
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
    /// By [`token`].
    streams: BTreeMap<u64, Stream>,
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
                reader: claim(stream.reader)?.into(),
                splitter: Splitter::new(cut, stream.carry.0),
                copy: stream.copy.map(&claim).transpose()?,
                pending: stream.pending.0,
                quiet: stream.quiet,
            })?;
        }
        Ok(())
    }

    /// The read end of a stream, to be shared with the other thread.
    pub(crate) fn reader(&self, life: u64, name: StreamName) -> Option<Arc<OwnedFd>> {
        self.streams
            .get(&token(life, name))
            .map(|stream| stream.reader.clone())
    }

    /// Runs until [`Command::Stop`]. The streams stay open: the thread's owner is about to
    /// replace the image, or to end.
    pub(crate) fn run(mut self) {
        while let Ok(ready) = self.epoll.wait() {
            for event in ready {
                match event.token {
                    WAKEUP if !self.obey() => return self.stop(),
                    WAKEUP => {}
                    _ => self.serve(event),
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
                Command::Adopt(life, spec, counters, sources) => {
                    self.adopt(life, spec, counters);
                    self.read_all(life, sources);
                }
                Command::Read(life, sources) => self.read_all(life, sources),
                Command::Copy(life, copies) => {
                    self.copy(life, copies);
                    self.reports.push(Report::Copied(life));
                }
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
        let opened = LogFile::open(spec, counters).map(|file| self.insert(life, file));
        self.reports.push(Report::Opened(life, opened));
    }

    /// The process writes whether its log can be opened or not, and must not wait: a failure is
    /// told and then treated as a disk that refuses.
    fn adopt(&mut self, life: u64, spec: LogSpec, counters: Arc<Counters>) {
        let (file, opened) = match LogFile::open(spec.clone(), counters.clone()) {
            Ok(file) => (file, Ok(())),
            Err(error) => {
                let refused = LogFile::refused(spec, &error, counters, clock::boottime());
                (refused, Err(error))
            }
        };
        self.insert(life, file);
        self.reports.push(Report::Opened(life, opened));
    }

    fn insert(&mut self, life: u64, file: LogFile) {
        let errno = file.counters.snapshot().errno;
        let draining = false;
        self.logs.insert(
            life,
            Log {
                file,
                draining,
                errno,
            },
        );
    }

    fn close(&mut self, life: u64) {
        for token in self.tokens(life) {
            self.end(token);
        }
        self.logs.remove(&life);
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
