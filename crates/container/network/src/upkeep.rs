//! What can wait: one thread fills the pool's shelves, and takes away links and namespaces of
//! containers that have gone. Idle, it sleeps on its queue.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sys::netns;

use crate::Error;
use crate::links;
use crate::naming::Naming;
use crate::pool::{Kind, Pool};
use crate::sandboxes::Open;
use crate::wire::attribute::Messages;

/// Jobs that may wait. When it is full, the caller does the job itself: that is the brake on
/// whoever makes rubbish faster than it is taken away.
const QUEUE: usize = 256;
/// Most links that are taken away in one go.
const BATCH: usize = 64;

/// How long it must be quiet before work that can wait is done: it takes the same great lock of the
/// kernel as whatever containers are started or stopped with just now.
const QUIET: Duration = Duration::from_millis(10);

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// A shelf may want another namespace.
    Refill(Kind),
    /// What a container has left is to go.
    Dismantle(Rubbish),
    /// Other people's chains may have changed, or our bridges.
    Neighbours,
    /// No more jobs.
    Stop,
}

/// What a container has left.
#[derive(Debug, Default)]
pub(crate) struct Rubbish {
    /// The host's ends of its links.
    pub(crate) links: Vec<String>,
    /// Its namespace's file.
    pub(crate) namespace: Option<String>,
    /// What was open for it: closing the last descriptor of a namespace may take a while.
    pub(crate) open: Option<Arc<Open>>,
}

/// What is put off until it is quiet.
#[derive(Debug, Default)]
struct Waiting {
    rubbish: Vec<Rubbish>,
    refills: Vec<Kind>,
}

/// The thread and its queue.
#[derive(Debug)]
pub(crate) struct Upkeep {
    queue: SyncSender<Job>,
    worker: Arc<Worker>,
}

/// What the jobs need.
pub(crate) struct Worker {
    pub(crate) pool: Arc<Pool>,
    pub(crate) naming: Naming,
    pub(crate) unique: Box<dyn Fn() -> String + Send + Sync>,
    pub(crate) neighbours: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl Upkeep {
    /// Starts the thread, in the caller's network namespace.
    pub(crate) fn start(worker: Worker) -> Result<(Self, JoinHandle<()>), Error> {
        let (queue, jobs) = sync_channel(QUEUE);
        let worker = Arc::new(worker);
        let own = worker.clone();
        let builder = std::thread::Builder::new().name("network-upkeep".to_owned());
        let thread = builder
            .spawn(move || own.run(&jobs))
            .map_err(Error::kernel("cannot start a thread"))?;
        Ok((Self { queue, worker }, thread))
    }

    /// Leaves a job to the thread.
    pub(crate) fn later(&self, job: Job) {
        match self.queue.try_send(job) {
            Ok(()) => {}
            // A shelf that is full enough for the queue to be full needs no refill now.
            Err(TrySendError::Full(Job::Refill(_) | Job::Neighbours)) => {}
            Err(
                TrySendError::Full(Job::Dismantle(rubbish))
                | TrySendError::Disconnected(Job::Dismantle(rubbish)),
            ) => {
                self.worker.dismantle(vec![rubbish]);
            }
            // After the end there is nothing to be made ready.
            Err(_) => {}
        }
    }

    /// Does what is queued and ends the thread.
    pub(crate) fn stop(&self) {
        // The thread may have ended already.
        let _ = self.queue.send(Job::Stop);
    }
}

impl Worker {
    fn run(&self, jobs: &Receiver<Job>) {
        let mut waiting = Waiting::default();
        loop {
            match next(jobs, &waiting) {
                Ok(Job::Refill(kind)) if waiting.refills.contains(&kind) => {}
                Ok(Job::Refill(kind)) => waiting.refills.push(kind),
                Ok(Job::Dismantle(rubbish)) => waiting.rubbish.push(rubbish),
                Ok(Job::Neighbours) => (self.neighbours)(),
                Err(RecvTimeoutError::Timeout) => self.catch_up(&mut waiting),
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return self.dismantle(waiting.rubbish);
                }
            }
            self.keep_pace(&mut waiting);
        }
    }

    /// It is quiet: all rubbish goes, and each shelf gets one more.
    fn catch_up(&self, waiting: &mut Waiting) {
        self.dismantle(std::mem::take(&mut waiting.rubbish));
        waiting.refills.retain(|kind| self.refill(kind));
    }

    /// It is not, but some things cannot wait for long.
    fn keep_pace(&self, waiting: &mut Waiting) {
        if waiting.rubbish.len() >= BATCH {
            self.dismantle(std::mem::take(&mut waiting.rubbish));
        }
        waiting
            .refills
            .retain(|kind| !self.pool.bare(kind) || self.refill(kind));
    }

    /// One more for this shelf; whether it wants yet another.
    fn refill(&self, kind: &Kind) -> bool {
        self.pool.refill(kind, &self.unique).unwrap_or_else(|error| {
            tracing::warn!(%error, "no namespace could be made ready");
            false
        })
    }

    /// All links go at once: the kernel waits for its readers once, not for each.
    fn dismantle(&self, rubbish: Vec<Rubbish>) {
        let links: Vec<_> = rubbish.iter().flat_map(|rubbish| rubbish.links.clone()).collect();
        if !links.is_empty()
            && let Err(error) = self.delete(&links)
        {
            tracing::warn!(%error, "links of containers that have gone stay");
        }
        for Rubbish { namespace, open, .. } in rubbish {
            drop(open);
            let unpinned = namespace.as_ref().map(|name| netns::unpin(&self.pool.path(name)));
            if let Some(Err(error)) = unpinned {
                tracing::warn!(%error, namespace, "a namespace stays");
            }
        }
    }

    fn delete(&self, links: &[String]) -> std::io::Result<()> {
        let mut host = links::open()?;
        if let [only] = links {
            return links::gone_is_fine(links::send(&mut host, |messages| messages.delete_link(only)));
        }
        let dead = self.naming.dead_group();
        let mark = |messages: &mut Messages| links.iter().for_each(|link| messages.set_group(link, dead));
        links::gone_is_fine(links::send(&mut host, mark))?;
        links::gone_is_fine(links::send(&mut host, |messages| messages.delete_group(dead)))
    }
}

/// The next job; without one, what waits is done after a while.
fn next(jobs: &Receiver<Job>, waiting: &Waiting) -> Result<Job, RecvTimeoutError> {
    if waiting.rubbish.is_empty() && waiting.refills.is_empty() {
        return jobs.recv().map_err(|_| RecvTimeoutError::Disconnected);
    }
    jobs.recv_timeout(QUIET)
}
