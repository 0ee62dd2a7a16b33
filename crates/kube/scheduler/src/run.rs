//! The running scheduler: one task that owns the world and the queue, fed by informers.
//!
//! It looks at what happened first and decides then, one pod after the other; writes are tasks beside it. Nothing here
//! waits for time but a back-off, and nothing that a restart needs is kept: the informers tell everything again.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use async_channel::{Receiver, Sender};
use client::{Changes, Client, Error, Following, Informer, Informers, Level, Recorder, Resource};
use driver::{Env, Rng};
use schema::object::Obj;
use views::{NodeView, PodView, coverage};

use crate::fit_error::FitError;
use crate::plan::{Decision, Planned, plan};
use crate::plugins::{ALL, Happened, Incoming};
use crate::preempt::{NoPreemption, Preemption, preempt};
use crate::queue::Queue;
use crate::snapshot::{Key, NodeIx, Snapshot};
use crate::status::Waits;
use crate::write::{Done, PODS, Preempted, What, Writer};

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
            for (feed, step) in [
                (
                    nodes.as_mut() as std::pin::Pin<&mut dyn Future<Output = Option<Changes>>>,
                    Step::Nodes as fn(Changes) -> Step,
                ),
                (namespaces.as_mut(), Step::Namespaces),
                (pods.as_mut(), Step::Pods),
            ] {
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

/// What a feed tells.
impl Running {
    fn nodes(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => {
                if let Some(either) = change.either() {
                    self.node(&either.key, change.object.as_ref());
                }
            }
            Changes::All(snapshot) => {
                let there: BTreeSet<&str> = snapshot.iter().map(|node| &*node.key).collect();
                let known = self
                    .world
                    .live()
                    .iter()
                    .map(|node| self.world.name(*node).to_owned());
                let gone: Vec<String> = known.filter(|name| !there.contains(name.as_str())).collect();
                gone.iter().for_each(|name| self.node(name, None));
                snapshot.iter().for_each(|node| self.node(&node.key, Some(node)));
                self.told.nodes = true;
            }
        }
    }

    fn node(&mut self, name: &str, object: Option<&Arc<Obj>>) {
        let now: Option<Arc<NodeView>> = object.and_then(|object| read(object));
        let before = self.world.node(name, now.clone());
        let event = Happened::Node {
            before: before.as_deref(),
            now: now.as_deref(),
        };
        self.queue.happened(&event, self.env.now());
    }

    fn namespaces(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => {
                let labels = change.object.as_ref().map(|object| &object.meta.labels);
                let before = change.previous.as_ref().map(|object| &object.meta.labels);
                if let Some(either) = change.either().filter(|_| labels != before) {
                    self.world.namespace(&either.meta.name, labels);
                    self.queue.happened(&Happened::Namespace, self.env.now());
                }
            }
            Changes::All(snapshot) => {
                let all = snapshot
                    .iter()
                    .map(|it| (it.meta.name.clone(), it.meta.labels.clone()));
                self.world.namespaces(all.collect());
                self.queue.happened(&Happened::Namespace, self.env.now());
                self.told.namespaces = true;
            }
        }
    }

    fn pods(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => {
                if let Some(either) = change.either() {
                    self.pod(&Key::from(&*either.key), change.object.as_ref());
                }
            }
            Changes::All(snapshot) => {
                let there: BTreeSet<&str> = snapshot.iter().map(|pod| &*pod.key).collect();
                let known: BTreeSet<Key> = self.world.keys().chain(self.queue.keys()).cloned().collect();
                let gone = known.iter().filter(|key| !there.contains(&***key));
                gone.for_each(|key| self.pod(key, None));
                snapshot
                    .iter()
                    .for_each(|pod| self.pod(&Key::from(&*pod.key), Some(pod)));
                self.told.pods = true;
            }
        }
    }

    fn pod(&mut self, key: &Key, object: Option<&Arc<Obj>>) {
        let pod: Option<Arc<PodView>> = object.and_then(|object| read(object));
        self.place(key, pod.as_ref());
        let waits = pod.as_ref().zip(object).filter(|(pod, _)| is_ours(pod));
        match waits {
            Some((pod, object)) => {
                self.objects.insert(key.clone(), object.clone());
                self.queue.put(key, pod, self.env.now());
            }
            None => {
                self.objects.remove(key);
                self.queue.remove(key);
            }
        }
    }

    /// Takes over where a pod is, and wakes those that this may help.
    fn place(&mut self, key: &Key, now: Option<&Arc<PodView>>) {
        let of = |world: &Snapshot| world.placed(key).map(|(pod, _)| pod.clone());
        let before = of(&self.world);
        self.world.pod(key, now);
        let now = of(&self.world);
        if before.is_some() || now.is_some() {
            let event = Happened::Pod {
                before: before.as_deref(),
                now: now.as_deref(),
            };
            self.queue.happened(&event, self.env.now());
        }
    }
}

/// Whether the pod waits for us.
fn is_ours(pod: &PodView) -> bool {
    pod.node.is_empty() && !pod.phase.is_terminal() && &*pod.scheduler == NAME
}

/// An object's view. What cannot be read is as good as not there; validation lets no such thing in.
fn read<V: schema::object::View>(object: &Obj) -> Option<Arc<V>> {
    let read = object.view::<V>();
    read.inspect_err(|error| tracing::error!(key = %object.key, %error, "cannot be read"))
        .ok()
}

/// What is decided and written.
impl Running {
    fn decide(&mut self) {
        let Some((key, pod)) = self.queue.next(self.env.now()) else {
            return;
        };
        let Some(object) = self.objects.get(&key).cloned() else {
            return;
        };
        if pod.deleting.is_some() {
            let message = format!("skip schedule deleting pod: {key}");
            self.writer
                .tell(&object, Level::Warning, "FailedScheduling", &message);
            self.queue.remove(&key);
            return;
        }
        if let Some(field) = &pod.unsupported {
            self.writer.fail(&object, coverage::REASON, field);
            return;
        }
        let incoming = Incoming {
            key: &key,
            view: &pod,
        };
        let start = self.start.checked_rem(self.world.len()).unwrap_or(0);
        let Planned { decision, looked } = plan(&self.world, &ALL, incoming, start, &mut self.rng);
        self.start = start + looked;
        match decision {
            Decision::Bind(node) => self.bind(&key, &pod, &object, node),
            Decision::Unschedulable(error) => {
                self.queue.failed(&key, error.plugins(), self.env.now());
                self.make_room(&key, &pod, &object, error);
            }
        }
    }

    /// A pod that fits nowhere may push out less important ones.
    fn make_room(&mut self, key: &Key, pod: &Arc<PodView>, object: &Arc<Obj>, mut error: FitError) {
        let incoming = Incoming { key, view: pod };
        match preempt(&mut self.world, &ALL, incoming, &error, &mut self.rng) {
            Ok(preemption) => self.preempt(key, pod, object, &preemption, &error.message()),
            Err(why) => {
                error.then(why.message());
                let hopeless = matches!(why, NoPreemption::NotHelpful(_)) && !pod.nominated.is_empty();
                self.wait(
                    key,
                    object,
                    Waits::Unschedulable,
                    &error.message(),
                    hopeless.then_some(""),
                );
            }
        }
    }

    fn preempt(
        &mut self,
        key: &Key,
        pod: &Arc<PodView>,
        object: &Arc<Obj>,
        preemption: &Preemption,
        message: &str,
    ) {
        let node = self.world.name(preemption.node).to_owned();
        let displaced = self.world.displaced(preemption.node, pod.priority);
        displaced
            .iter()
            .for_each(|other| self.world.nominate(other, None, ""));
        self.world.nominate(key, Some(pod), &node);
        let all = self.all.snapshot();
        let objects = |keys: &[Key]| keys.iter().filter_map(|key| all.get(key).cloned()).collect();
        let (victims, displaced) = (objects(&preemption.victims), objects(&displaced));
        self.queue.hold(key);
        self.writer.preempt(
            object,
            message,
            Preempted {
                node,
                victims,
                displaced,
            },
        );
    }

    fn bind(&mut self, key: &Key, pod: &Arc<PodView>, object: &Arc<Obj>, node: NodeIx) {
        self.world.assume(key, pod, node);
        let event = Happened::Pod {
            before: None,
            now: Some(pod),
        };
        self.queue.happened(&event, self.env.now());
        self.writer.bind(object, self.world.name(node));
    }

    /// Says why a pod waits. It is not tried again before that is written, or a binding could be overtaken.
    fn wait(&mut self, key: &Key, object: &Arc<Obj>, why: Waits, message: &str, nominated: Option<&str>) {
        if self.writer.wait(object, why, message, nominated) {
            self.queue.hold(key);
        }
    }

    fn done(&mut self, done: &Done) {
        self.writer.ended();
        let known = self.objects.get(&done.key).cloned();
        let gone = known.is_none();
        let Some(object) = known.filter(|object| object.meta.uid == done.uid) else {
            // It has a node, or is over or gone. Who is over without a node gives back what was assumed.
            if gone && done.result.is_err() {
                self.give_back(&done.key);
            }
            return;
        };
        match (done.what, &done.result) {
            // The informers will say so, and take the pod out of the queue.
            (What::Binding | What::Failure, Ok(())) => {}
            (What::Binding, Err(error)) => self.not_bound(&done.key, &object, error),
            (What::Condition | What::Preemption, Ok(())) => self.queue.release(&done.key),
            (what, Err(error)) => {
                tracing::warn!(pod = %done.key, %error, ?what, "not written");
                self.queue.not_written(&done.key);
                self.queue.release(&done.key);
            }
        }
    }

    fn not_bound(&mut self, key: &Key, object: &Arc<Obj>, error: &Error) {
        self.give_back(key);
        self.queue.not_written(key);
        if error.is_not_found() || error.is_conflict() {
            tracing::debug!(pod = %key, %error, "not bound");
            return;
        }
        let message = format!("running Bind plugin \"DefaultBinder\": {error}");
        self.wait(key, object, Waits::SchedulerError, &message, None);
    }

    /// Others may have what was assumed for a pod.
    fn give_back(&mut self, key: &str) {
        if let Some(pod) = self.world.forget(key) {
            let event = Happened::Pod {
                before: Some(&pod),
                now: None,
            };
            self.queue.happened(&event, self.env.now());
        }
    }
}
