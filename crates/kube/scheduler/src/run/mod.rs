//! The running scheduler: one task that owns the world and the queue, fed by informers.
//!
//! It looks at what happened first and decides then, one pod after the other; writes are tasks beside it. Nothing here
//! waits for time but a back-off, and nothing that a restart needs is kept: the informers tell everything again.

mod decide;
mod follow;

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use async_channel::{Receiver, Sender};
use client::{Changes, Client, Following, Informer, Informers, Recorder, Resource};
use driver::{Env, Rng};
use schema::object::Obj;

use crate::queue::Queue;
use crate::snapshot::{Key, Snapshot};
use crate::write::{Done, PODS, Writer};

/// The scheduler that pods ask for unless they ask for another.
const NAME: &str = "default-scheduler";

static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
static NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);

/// Changes that are looked at before a pod has its turn again.
const PATIENCE: usize = 64;

/// The running scheduler.
pub struct Scheduler {
    going: Sender<()>,
    /// Closes when the task has ended.
    ended: Receiver<()>,
    busy: Arc<AtomicBool>,
}

impl Scheduler {
    /// Starts it. The client acts as `system:kube-scheduler`.
    pub fn start(client: Client, informers: Informers, env: &Arc<dyn Env>) -> Self {
        let ((going, stop), (alive, ended)) = (async_channel::bounded(1), async_channel::bounded(1));
        let busy = Arc::new(AtomicBool::new(true));
        let recorder = Recorder::start(client.clone(), env, NAME, "");
        let feeds = Feeds {
            stop,
            nodes: informers.of(&NODES).follow(),
            namespaces: informers.of(&NAMESPACES).follow(),
            pods: informers.of(&PODS).follow(),
        };
        let running = Running::new(
            Writer::new(client, recorder, env.clone()),
            informers.of(&PODS),
            env.clone(),
        );
        let shared = busy.clone();
        env.spawn(Box::pin(async move {
            running.run(feeds, &shared).await;
            drop(alive);
        }));
        Self { going, ended, busy }
    }

    /// Ends it: nothing more is decided, writes under way end by themselves.
    pub async fn stop(self) {
        drop(self.going);
        // Nothing is ever sent: it closes.
        let _closed = self.ended.recv().await;
    }

    /// Says whether it runs, for as long as somebody asks.
    pub fn probe(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let ended = self.ended.clone();
        move || match ended.is_closed() {
            true => Err("the scheduler has ended".to_owned()),
            false => Ok(()),
        }
    }

    /// Whether there is nothing to decide and nothing is being written.
    pub fn idle(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
    }
}

/// What the task hears.
struct Feeds {
    stop: Receiver<()>,
    nodes: Following,
    namespaces: Following,
    pods: Following,
}

/// What a feed tells next; nothing when the server closes.
trait Heard: Future<Output = Option<Changes>> {}
impl<F: Future<Output = Option<Changes>>> Heard for F {}

type Feed<'f> = (Pin<&'f mut dyn Heard>, fn(Changes) -> Step);

/// What the task does next.
enum Step {
    Stop,
    Done(Done),
    Nodes(Changes),
    Namespaces(Changes),
    Pods(Changes),
    Decide,
    Time,
}

/// What has been told as a whole once.
#[derive(Default)]
struct Told {
    nodes: bool,
    namespaces: bool,
    pods: bool,
}

impl Told {
    fn all(&self) -> bool {
        self.nodes && self.namespaces && self.pods
    }
}

struct Running {
    env: Arc<dyn Env>,
    rng: Rng,
    world: Snapshot,
    queue: Queue,
    /// All pods, for those that have to leave.
    all: Informer,
    /// The objects of the pods in the queue.
    objects: BTreeMap<Key, Arc<Obj>>,
    writer: Writer,
    told: Told,
    /// Which node the next plan looks at first.
    start: usize,
    /// Changes that may still come before the next decision.
    patience: usize,
}

impl Running {
    fn new(writer: Writer, all: Informer, env: Arc<dyn Env>) -> Self {
        Self {
            all,
            rng: env.rng(),
            env,
            world: Snapshot::new(),
            queue: Queue::new(),
            objects: BTreeMap::new(),
            writer,
            told: Told::default(),
            start: 0,
            patience: PATIENCE,
        }
    }

    async fn run(mut self, mut feeds: Feeds, busy: &AtomicBool) {
        loop {
            busy.store(self.is_busy(), Ordering::Release);
            match self.next(&mut feeds).await {
                Step::Stop => return,
                Step::Done(done) => self.done(&done),
                Step::Nodes(changes) => self.nodes(&changes),
                Step::Namespaces(changes) => self.namespaces(&changes),
                Step::Pods(changes) => self.pods(&changes),
                Step::Decide => self.decide(),
                // Whose time has come is found by asking.
                Step::Time => {}
            }
        }
    }

    fn is_busy(&self) -> bool {
        !self.told.all() || !self.writer.is_idle() || self.queue.is_ready(self.env.now())
    }

    /// Whether a decision can be made: everything was told, and there is room for a write.
    fn can_decide(&self) -> bool {
        self.told.all() && !self.writer.is_full() && self.queue.is_ready(self.env.now())
    }

    /// What happens next; what has happened comes before what is to be decided. Cancel-safe, as all that it waits for is.
    async fn next(&mut self, feeds: &mut Feeds) -> Step {
        let can_decide = self.can_decide();
        let wake_at = self
            .queue
            .wake_at()
            .filter(|_| !can_decide && !self.writer.is_full());
        let mut sleep = wake_at.map(|at| self.env.sleep_until(at));
        let (mut stop, mut done) = (pin!(feeds.stop.recv()), pin!(self.writer.told.recv()));
        let (mut nodes, mut namespaces) = (pin!(feeds.nodes.next()), pin!(feeds.namespaces.next()));
        let mut pods = pin!(feeds.pods.next());
        let impatient = can_decide && self.patience == 0;
        self.patience = if impatient {
            PATIENCE
        } else {
            self.patience.saturating_sub(1)
        };
        std::future::poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Stop);
            }
            if let Poll::Ready(Ok(done)) = done.as_mut().poll(cx) {
                return Poll::Ready(Step::Done(done));
            }
            if impatient {
                return Poll::Ready(Step::Decide);
            }
            let feeds: [Feed<'_>; 3] = [
                (nodes.as_mut(), Step::Nodes),
                (namespaces.as_mut(), Step::Namespaces),
                (pods.as_mut(), Step::Pods),
            ];
            for (feed, step) in feeds {
                if let Poll::Ready(changes) = feed.poll(cx) {
                    // The server closes: nothing more can be written either.
                    return Poll::Ready(changes.map_or(Step::Stop, step));
                }
            }
            if can_decide {
                return Poll::Ready(Step::Decide);
            }
            match sleep.as_mut().map(|sleep| sleep.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(Step::Time),
                _ => Poll::Pending,
            }
        })
        .await
    }
}
