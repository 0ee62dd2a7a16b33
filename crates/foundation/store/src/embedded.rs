//! The store of one server: readers here, one writer behind the queue.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use driver::{Clock, Dir, Rng};

use crate::background::Job;
use crate::history::History;
use crate::hub::Hub;
use crate::layout;
use crate::lease::Leases;
use crate::queue::{Queue, Request};
use crate::recovery::{Recovered, recover};
use crate::writer::{JobState, Writer};
use crate::{
    Error, KeyValue, Op, OpenError, Options, Pending, RangeRequest, RangeResponse, Revision, Snapshot, Store,
    Watch, WatchRequest, Write, Written,
};

/// An embedded store. Dropping it closes it: what waits is committed and made durable first.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How a store is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// If the last run did not end cleanly: the last revision that is durable. Later ones may
    /// have been seen and lost, so whoever has seen one gets [`Error::Compacted`].
    pub unclean_start: Option<Revision>,
    /// The revision of the newest checkpoint; zero if there is none.
    pub checkpoint: Revision,
    /// Why the last checkpoint or segment could not be made, if so. It is tried again when the
    /// log has grown by a segment.
    pub background_error: Option<Arc<io::Error>>,
}

/// What readers and writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) published: RwLock<Snapshot>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) queue: Queue,
    status: Mutex<Status>,
}

impl Embedded {
    /// Opens the store in `dir`, or creates it, with threads of its own.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        dir: Arc<dyn Dir>,
        clock: Arc<dyn Clock>,
        rng: Rng,
        options: Options,
    ) -> Result<Self, OpenError> {
        let (store, writer) = Self::open_driven(dir, clock, rng, options)?;
        Ok(store.spawn(writer)?)
    }

    /// As [`Self::open`], but the caller drives the writer: nothing is written, and no answer
    /// comes, except in [`Writer::turn`]. For simulations.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_driven(
        dir: Arc<dyn Dir>,
        clock: Arc<dyn Clock>,
        rng: Rng,
        options: Options,
    ) -> Result<(Self, Writer), OpenError> {
        let lock = layout::lock(&*dir)?;
        let Recovered {
            log,
            history,
            leases,
            current,
            checkpoint,
        } = recover(dir, options, rng, clock.now())?;
        let next = log.ceiling.next();
        let unclean_start = (log.ceiling > current.revision).then_some(current.revision);
        let status = Status {
            unclean_start,
            checkpoint,
            background_error: None,
        };
        let shared = Shared::new(current.clone(), history, status, &options);
        let mut writer = Writer::new(shared, clock, options, current, next);
        writer.log = Some(log);
        writer.leases = leases;
        writer.lock = Some(lock);
        Ok((
            Self {
                shared: writer.shared.clone(),
                threads: Vec::new(),
            },
            writer,
        ))
    }

    /// A store in memory that begins as a snapshot: with an empty one, a double for tests; with
    /// one of a real store, a fork that costs nothing until it is written to. It has no history
    /// before the snapshot and no leases.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn fork(snapshot: Snapshot, clock: Arc<dyn Clock>, options: Options) -> io::Result<Self> {
        let history = History::new(snapshot.clone(), &options);
        let shared = Shared::new(snapshot.clone(), history, Status::default(), &options);
        let next = snapshot.revision.next();
        let writer = Writer::new(shared.clone(), clock, options, snapshot, next);
        Self {
            shared,
            threads: Vec::new(),
        }
        .spawn(writer)
    }

    /// The whole store as of a revision; `None` for now.
    ///
    /// # Errors
    /// [`Error::Compacted`], [`Error::FutureRevision`].
    pub fn snapshot(&self, revision: Option<Revision>) -> Result<Snapshot, Error> {
        let current = self
            .shared
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match revision {
            Some(revision) if revision != current.revision => self.shared.hub.at(revision),
            _ => Ok(current),
        }
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        self.shared.status().clone()
    }

    fn spawn(mut self, writer: Writer) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(1);
        let shared = self.shared.clone();
        let background = thread::Builder::new().name("store-background".into());
        self.threads
            .push(background.spawn(move || run_jobs(&queue, &shared))?);
        let write = thread::Builder::new().name("store-writer".into());
        self.threads.push(write.spawn(move || run_writer(writer, &jobs))?);
        Ok(self)
    }
}

fn run_writer(mut writer: Writer, jobs: &SyncSender<Job>) {
    loop {
        // Whoever is about to write comes first: where processors are busy, one fdatasync then does for more. Where they
        // are not, this returns at once.
        thread::yield_now();
        // The background ends only after this thread, so the send cannot fail.
        writer.turn().into_iter().for_each(|job| drop(jobs.send(job)));
        if !writer.wait() {
            break;
        }
    }
    let shared = writer.shared.clone();
    if let Err(Error::Failed(error) | Error::Io(error)) = writer.close() {
        shared.status().background_error = Some(error);
    }
}

fn run_jobs(jobs: &Receiver<Job>, shared: &Shared) {
    jobs.iter().for_each(|job| shared.queue.finish(job.run()));
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            // A panic of the writer has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn new(current: Snapshot, history: History, status: Status, options: &Options) -> Arc<Self> {
        Arc::new(Self {
            published: RwLock::new(current),
            hub: Arc::new(Hub::new(history)),
            queue: Queue::new(options.queue_bytes),
            status: Mutex::new(status),
        })
    }

    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn new(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        options: Options,
        current: Snapshot,
        next: Revision,
    ) -> Self {
        Self {
            shared,
            clock,
            options,
            log: None,
            leases: Leases::default(),
            current,
            next,
            sync_at: None,
            waiting: std::collections::VecDeque::new(),
            job: JobState::Idle,
            live_bytes: 0,
            lock: None,
        }
    }
}

impl Store for Embedded {
    fn revision(&self) -> Revision {
        self.shared
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .revision
    }

    fn get(&self, key: &[u8]) -> Pending<Option<Arc<KeyValue>>> {
        Pending::ready(self.snapshot(None).map(|now| now.get(key).cloned()))
    }

    fn range(&self, request: &RangeRequest) -> Pending<RangeResponse> {
        Pending::ready(
            self.snapshot(request.revision)
                .map(|snapshot| snapshot.answer(request)),
        )
    }

    fn write(&self, write: Write) -> Pending<Written> {
        if let Err(error) = check_lengths(&write.op) {
            return Pending::ready(Err(error));
        }
        let (done, pending) = Pending::channel();
        self.shared.queue.push(Request { write, done });
        pending
    }

    fn watch(&self, request: &WatchRequest) -> Watch {
        self.shared.hub.watch(request)
    }

    fn compact(&self, revision: Revision) -> Pending<()> {
        Pending::ready(self.shared.hub.compact(revision))
    }
}

fn check_lengths(op: &Op) -> Result<(), Error> {
    let (key, value) = match op {
        Op::Put { key, value, .. } => (key.len(), value.len()),
        Op::Delete { key, .. } => (key.len(), 0),
        Op::Grant { .. } | Op::KeepAlive { .. } | Op::Revoke { .. } => return Ok(()),
    };
    let limits = [
        ("key", key, Options::MAX_KEY),
        ("value", value, Options::MAX_VALUE),
    ];
    match limits.into_iter().find(|(_, length, limit)| length > limit) {
        Some((what, length, limit)) => Err(Error::TooLarge { what, length, limit }),
        None => Ok(()),
    }
}
