//! The one writer: takes what waits, commits it, keeps leases and the sync of relaxed writes in
//! time. It is driven from outside, turn by turn, and so runs on a thread of its own
//! ([`crate::Embedded::open`]) or step by step in a simulation ([`crate::Embedded::open_driven`]).

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use driver::{Clock, DirLock, Instant};

use crate::background::{Finished, Job, Task};
use crate::batch::Batch;
use crate::checkpoint::Checkpoint;
use crate::embedded::Shared;
use crate::lease::Leases;
use crate::log::Log;
use crate::queue::Request;
use crate::{Durability, Error, LeaseId, Op, Options, Pending, Revision, Snapshot, Write};

/// When to try again to delete the keys of an expired lease, after the disk refused.
const RETRY: Duration = Duration::from_secs(5);

/// The writing half of an embedded store. Dropping it without [`Writer::close`] leaves the store
/// as a crash of the process would.
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    /// `None` keeps everything in memory.
    pub(crate) log: Option<Log>,
    pub(crate) leases: Leases,
    pub(crate) current: Snapshot,
    /// The revision that the next operation gets.
    pub(crate) next: Revision,
    /// When the oldest unsynced write has to be synced.
    pub(crate) sync_at: Option<Instant>,
    pub(crate) waiting: VecDeque<Request>,
    pub(crate) job: JobState,
    /// Size of the newest checkpoint.
    pub(crate) live_bytes: u64,
    /// Held as long as the store is written to.
    pub(crate) lock: Option<Box<dyn DirLock>>,
}

/// What the background does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Nothing.
    Idle,
    /// A job.
    Running,
    /// Nothing, as the last job failed; until the log goes on to this segment.
    FailedUntil(u64),
}

impl Writer {
    /// Does what is due: commits everything that waits, expires leases, syncs relaxed writes
    /// whose time has come. May give a job to be run aside, whose result [`Self::finish`] takes.
    pub fn turn(&mut self) -> Option<Job> {
        let waiting = self.shared.queue.take();
        self.waiting.extend(waiting.requests);
        if let Some(finished) = waiting.finished {
            self.finish(finished);
        }
        self.expire();
        while !self.waiting.is_empty() {
            self.commit();
        }
        if self.sync_at.is_some_and(|at| at <= self.clock.now()) {
            // If it fails the log remembers, and the next writer is told.
            drop(self.sync());
        }
        self.next_job()
    }

    /// When [`Self::turn`] is due although nobody asks for it.
    pub fn wake_at(&self) -> Option<Instant> {
        let expiry = self.leases.next_expiry().map(|(at, _)| at);
        [expiry, self.sync_at].into_iter().flatten().min()
    }

    /// Sleeps until a turn is due; false if the store has been closed.
    pub(crate) fn wait(&self) -> bool {
        let now = self.clock.now();
        self.shared
            .queue
            .wait(self.wake_at().map(|at| at.saturating_since(now)));
        !self.shared.queue.is_closed()
    }

    /// Commits what waits, makes everything durable, and ends log, watches and lock.
    ///
    /// # Errors
    /// [`Error::Failed`] or [`Error::Full`]: the next start will be an unclean one.
    pub fn close(mut self) -> Result<(), Error> {
        self.shared.queue.close();
        drop(self.turn());
        self.shared.hub.close();
        self.log.as_mut().map_or(Ok(()), Log::close)
    }

    /// Takes the result of a job.
    pub fn finish(&mut self, finished: Finished) {
        let Some(log) = &mut self.log else { return };
        let outcome = match finished.0 {
            Ok(outcome) => outcome,
            Err(error) => {
                self.job = JobState::FailedUntil(log.active.sequence + 1);
                self.shared.status().background_error = Some(Arc::new(error));
                return;
            }
        };
        self.job = JobState::Idle;
        log.blank = log.blank.take().or(outcome.blank);
        let mut status = self.shared.status();
        status.background_error = None;
        if let Some(written) = outcome.checkpoint {
            status.checkpoint = written.revision;
            self.live_bytes = written.size;
            log.sealed
                .retain(|sealed| sealed.sequence >= written.first_segment);
        }
    }

    /// Queues the end of every lease that has expired.
    fn expire(&mut self) {
        let now = self.clock.now();
        while let Some((_, lease)) = self.leases.next_expiry().filter(|&(at, _)| at <= now) {
            self.leases.expire_at(lease, now.saturating_add(RETRY));
            let (done, _) = Pending::channel();
            let write = Write {
                op: Op::Revoke { lease },
                durability: Durability::Relaxed,
            };
            self.waiting.push_back(Request { write, done });
        }
    }

    /// Commits one batch of what waits.
    fn commit(&mut self) {
        let (mut batch, again) = self.fill();
        let empty = batch.is_empty();
        let outcome = if empty { Ok(()) } else { self.write(&mut batch) };
        if outcome.is_ok() && !empty {
            self.publish(&batch);
        }
        match (again, &outcome) {
            (Some(again), Ok(())) => self.waiting.push_front(again),
            (Some(again), Err(error)) => again.done.complete(Err(error.clone())),
            (None, _) => {}
        }
        batch.answer(&outcome);
    }

    /// Plans a batch, and says what has to be done again after it. An operation on a lease has a
    /// batch to itself, so that leases change only when it is written.
    fn fill(&mut self) -> (Batch, Option<Request>) {
        let mut batch = Batch::new(&self.current, self.next);
        while let Some(request) = self.waiting.pop_front_if(|next| batch.admits(&next.write.op)) {
            if let Op::KeepAlive { lease } = request.write.op {
                self.leases.renew(lease, self.clock.now());
            }
            if let Some(again) = batch.add(&self.leases, request) {
                return (batch, Some(again));
            }
        }
        (batch, None)
    }

    fn write(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.append(batch.base(), batch.take_record())?;
        if batch.durable || log.must_sync() {
            return self.sync();
        }
        let due = self.clock.now().saturating_add(self.options.relaxed_delay);
        self.sync_at.get_or_insert(due);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.sync_at = None;
        self.log.as_mut().map_or(Ok(()), Log::sync)
    }

    /// Shows a batch to the world: the state first, so that whoever is told of an event can read it.
    fn publish(&mut self, batch: &Batch) {
        self.current = batch.after();
        self.next = self.current.revision.next();
        let old = {
            let mut published = self
                .shared
                .published
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *published, self.current.clone())
        };
        drop(old);
        self.shared
            .hub
            .publish(batch.base(), &batch.events, self.current.clone());
        batch.events.iter().for_each(|event| self.leases.observe(event));
        if let Some((lease, seconds)) = batch.granted {
            self.leases.grant(lease, seconds, self.clock.now());
        }
        if let Some(lease) = batch.revoked {
            self.leases.revoke(lease);
        }
    }

    fn next_job(&mut self) -> Option<Job> {
        let log = self.log.as_ref()?;
        let held_back = match self.job {
            JobState::Idle => false,
            JobState::Running => true,
            JobState::FailedUntil(sequence) => log.active.sequence < sequence,
        };
        if held_back {
            return None;
        }
        let task = self.checkpoint_due(log).or_else(|| blank_due(log))?;
        let dir = log.dir.clone();
        self.job = JobState::Running;
        Some(Job { dir, task })
    }

    /// A checkpoint of the window's floor, if it would free enough of the log.
    fn checkpoint_due(&self, log: &Log) -> Option<Task> {
        let floor = self.shared.hub.floor();
        let obsolete = || {
            log.sealed
                .iter()
                .take_while(|sealed| sealed.last <= floor.revision)
        };
        let bytes: u64 = obsolete().map(|sealed| sealed.size).sum();
        let newest = obsolete().last()?;
        if bytes < self.options.checkpoint.max(self.live_bytes) {
            return None;
        }
        let recyclable = |size: u64| size >= self.options.segment && log.blank.is_none();
        let checkpoint = Checkpoint {
            id: log.id,
            revision: floor.revision,
            first_segment: newest.sequence + 1,
            before: newest.last,
            link: newest.link,
            ceiling: log.ceiling,
            leases: self.leases.list(),
            tree: floor.tree,
        };
        let recycle = obsolete()
            .find(|sealed| recyclable(sealed.size))
            .map(|sealed| sealed.sequence);
        Some(Task::Checkpoint {
            checkpoint: Box::new(checkpoint),
            recycle,
        })
    }
}

/// A segment-to-be, once the active one is half full.
fn blank_due(log: &Log) -> Option<Task> {
    let wanted = log.blank.is_none() && log.ready.is_empty() && log.end > log.active.size / 2;
    wanted.then(|| Task::Blank {
        size: crate::segment::size_of(&log.options, log.active.sequence + 1),
    })
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lease: Option<LeaseId> = self.leases.next_expiry().map(|(_, lease)| lease);
        f.debug_struct("Writer")
            .field("next", &self.next)
            .field("log", &self.log)
            .field("next_expiry", &lease)
            .field("locked", &self.lock.is_some())
            .finish_non_exhaustive()
    }
}
