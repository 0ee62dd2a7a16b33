//! What can wait: one thread fills the pool's shelves, and takes away links and namespaces of
//! containers that have gone. Idle, it sleeps on its queue.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

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

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// A shelf may want another namespace.
    Refill(Kind),
    /// A container's links and namespace are to go.
    Dismantle {
        links: Vec<String>,
        namespace: Option<String>,
        /// What was open for it, to be closed here.
        open: Option<Arc<Open>>,
    },
    /// Other people's chains may have changed, or our bridges.
    Neighbours,
    /// No more jobs.
    Stop,
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
            Err(TrySendError::Full(job)) => self.worker.perform(vec![job]),
            Err(TrySendError::Disconnected(job)) => self.worker.perform(vec![job]),
        }
    }

    /// Does what is queued and ends the thread.
    pub(crate) fn stop(&self) {
        // The thread may have ended already.
        let _ = self.queue.send(Job::Stop);
    }
}

impl Worker {
    /// Waits for jobs and does them; rubbish first, in batches.
    fn run(&self, jobs: &Receiver<Job>) {
        let mut refills: Vec<Kind> = Vec::new();
        loop {
            let first = if refills.is_empty() {
                jobs.recv().ok()
            } else {
                jobs.try_recv().ok().or(Some(Job::Refill(refills[0].clone())))
            };
            let batch: Vec<_> = first.into_iter().chain(jobs.try_iter().take(BATCH)).collect();
            if batch.is_empty() || batch.iter().any(|job| matches!(job, Job::Stop)) {
                return self.perform(batch);
            }
            let wanted = batch.iter().filter_map(|job| {
                if let Job::Refill(kind) = job {
                    Some(kind.clone())
                } else {
                    None
                }
            });
            refills.extend(wanted.collect::<Vec<_>>());
            refills.sort();
            refills.dedup();
            self.perform(batch);
            refills.retain(|kind| self.refill(kind));
        }
    }

    /// One more for this shelf; whether it wants yet another.
    fn refill(&self, kind: &Kind) -> bool {
        self.pool.refill(kind, &self.unique).unwrap_or_else(|error| {
            tracing::warn!(%error, "no namespace could be made ready");
            false
        })
    }

    fn perform(&self, jobs: Vec<Job>) {
        let (mut links, mut namespaces, mut neighbours) = (Vec::new(), Vec::new(), false);
        for job in jobs {
            match job {
                Job::Dismantle {
                    links: more,
                    namespace,
                    open,
                } => {
                    drop(open);
                    links.extend(more);
                    namespaces.extend(namespace);
                }
                Job::Neighbours => neighbours = true,
                Job::Refill(_) | Job::Stop => {}
            }
        }
        self.dismantle(&links, &namespaces);
        if neighbours {
            (self.neighbours)();
        }
    }

    /// All links go at once: the kernel waits for its readers once, not for each.
    fn dismantle(&self, links: &[String], namespaces: &[String]) {
        if !links.is_empty()
            && let Err(error) = self.delete(links)
        {
            tracing::warn!(%error, "links of containers that have gone stay");
        }
        for name in namespaces {
            if let Err(error) = netns::unpin(&self.pool.path(name)) {
                tracing::warn!(%error, name, "a namespace stays");
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
