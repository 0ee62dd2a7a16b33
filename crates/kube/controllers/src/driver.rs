//! What turns every controller: feeds that hear of changes, a queue of keys, workers that look at them.
//!
//! Each resource is followed once, for all controllers. A feed first tells everybody what is there; workers begin when
//! all of that is told, so that an index which a controller keeps is whole before it decides anything. A worker does
//! not look at a key again before what was written for it is in the informers.

use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apiserver::cache::Snapshot;
use async_channel::Receiver;
use client::{Change, Changes, Client, Recorder, Resource, Subject};
use driver::{Env, Held, Queue};
use futures_util::{FutureExt, StreamExt, stream};

use crate::act::{Action, perform};
use crate::workload::{self, Told};
use crate::world::{Tracked, World};

/// Keys that wait for one controller at most; what feeds it waits then.
const CAPACITY: usize = 1 << 16;

/// Writes of one worker that are under way at once.
const AT_ONCE: usize = 20;

/// Why a key could not be dealt with. It is looked at again later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// A write or a question was refused.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// An object that is not what its kind should be.
    #[error("an object cannot be read: {0}")]
    Unread(String),
    /// Several things, each with its own reason.
    #[error("{0}")]
    Several(String),
    /// A certificate or a token could not be made.
    #[error(transparent)]
    Pki(#[from] pki::Error),
    /// The controller has a mistake, which is told; the key is looked at again, and others meanwhile.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl Failed {
    /// Whether somebody else was faster: that is no failure to speak of.
    pub(crate) fn is_race(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_conflict() || error.code() == Some(422))
    }
}

/// What is to become of a key that was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing until something changes.
    Done,
    /// It is looked at again after a while.
    After(Duration),
}

/// Keys that a change touches.
#[derive(Debug)]
pub(crate) struct Touched<K> {
    pub(crate) now: Vec<K>,
    pub(crate) later: Vec<(K, Duration)>,
}

impl<K> Touched<K> {
    const fn none() -> Self {
        Self {
            now: Vec::new(),
            later: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.now.is_empty() && self.later.is_empty()
    }
}

/// What a controller works with.
pub(crate) struct Cx {
    pub(crate) client: Client,
    pub(crate) world: Arc<World>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) recorder: Recorder,
}

impl Cx {
    /// Carries writes out, one after the other, and waits until the informers show them.
    ///
    /// # Errors
    /// The first that is refused; those after it are not tried.
    pub(crate) async fn perform(&self, actions: impl IntoIterator<Item = Action>) -> Result<(), Failed> {
        let mut wrote = false;
        for action in actions {
            perform(&self.client, &action).await?;
            wrote = true;
        }
        if wrote {
            self.world.settle().await;
        }
        Ok(())
    }
}

impl Cx {
    /// Carries writes out that do not depend on each other, some at once.
    ///
    /// # Errors
    /// One that is refused; the others are tried.
    pub(crate) async fn perform_all(&self, actions: Vec<Action>) -> Result<(), Failed> {
        let work = stream::iter(actions).map(|action| async move { perform(&self.client, &action).await });
        let done: Vec<_> = work.buffer_unordered(AT_ONCE).collect().await;
        self.world.settle().await;
        done.into_iter().collect::<Result<(), _>>().map_err(Failed::from)
    }
}

impl Cx {
    /// Creates things carefully, see [`workload::slow_start`]. Answers for each that was tried, in their order.
    pub(crate) async fn slow_start(&self, actions: &[Action]) -> Vec<Result<(), client::Error>> {
        let done = workload::slow_start(&self.client, actions).await;
        self.world.settle().await;
        done
    }

    /// Carries writes out that do not depend on each other. Answers for each, in their order.
    pub(crate) async fn together(&self, actions: &[Action]) -> Vec<Result<(), client::Error>> {
        let done = workload::together(&self.client, actions).await;
        self.world.settle().await;
        done
    }

    /// Tells people what was done about an object.
    pub(crate) fn tell(&self, subject: &Subject, told: impl IntoIterator<Item = Told>) {
        for Told {
            level,
            reason,
            message,
        } in told
        {
            self.recorder.event(subject, level, &reason, message);
        }
    }
}

/// A controller.
pub(crate) trait Controller: Send + Sync + 'static {
    /// What it deals with, one at a time.
    type Key: Ord + Clone + Debug + Send + Sync + 'static;

    /// The ServiceAccount of `kube-system` that it acts as; upstream's.
    const ACCOUNT: &'static str;

    /// Who its events come from; upstream's.
    const SOURCE: &'static str = Self::ACCOUNT;

    /// Keys that are dealt with at once; upstream's.
    const WORKERS: usize;

    /// Whether changes of a resource concern it.
    fn follows(&self, resource: &Resource) -> bool;

    /// Which keys a change touches. The first thing told of an object that is there already has no `previous`.
    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>);

    /// All objects of a resource are about to be told anew; deletions may have been missed.
    fn retell(
        &self,
        _world: &World,
        _of: &Arc<Tracked>,
        _snapshot: &Snapshot,
        _touched: &mut Touched<Self::Key>,
    ) {
    }

    /// What is served has changed.
    fn rediscover(&self, _world: &World, _touched: &mut Touched<Self::Key>) {}

    /// Deals with a key.
    fn reconcile(&self, cx: &Cx, key: &Self::Key) -> impl Future<Output = Result<Next, Failed>> + Send;
}

/// Keys on their way into a queue that may be full.
pub(crate) type Adding = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A controller of any key, as the feeds see it.
pub(crate) trait Observer: Send + Sync {
    /// See [`Controller::follows`].
    fn follows(&self, resource: &Resource) -> bool;

    /// Hears of a change at once; what has to be looked at for it is added as soon as there is room.
    fn observe(&self, of: &Arc<Tracked>, changes: &Changes) -> Option<Adding>;

    /// Hears that what is served has changed.
    fn rediscover(&self) -> Option<Adding>;

    /// No key is dealt with any more.
    fn close(&self);

    /// Whether no key waits and none is dealt with.
    fn idle(&self) -> bool;
}

/// A controller that runs.
pub(crate) struct Running<C: Controller> {
    controller: C,
    queue: Queue<C::Key>,
    cx: Cx,
}

impl<C: Controller> Running<C> {
    /// Starts the workers. They begin when `told` closes, and each holds `alive` until it has ended.
    pub(crate) fn start(
        controller: C,
        cx: Cx,
        told: &Receiver<()>,
        alive: &async_channel::Sender<()>,
    ) -> Arc<Self> {
        let env = cx.env.clone();
        let running = Arc::new(Self {
            controller,
            queue: Queue::new(env.clone(), CAPACITY),
            cx,
        });
        for _ in 0..C::WORKERS {
            let (running, told, alive) = (running.clone(), told.clone(), alive.clone());
            env.spawn(Box::pin(async move {
                // Nothing is ever sent: it closes.
                let _closed = told.recv().await;
                running.work().await;
                drop(alive);
            }));
        }
        running
    }

    async fn work(&self) {
        while let Some(held) = self.queue.take().await {
            match self.reconcile(held.key()).await {
                Ok(Next::Done) => held.done(),
                Ok(Next::After(pause)) => held.again(pause),
                Err(failed) => Self::give_back(held, &failed),
            }
        }
    }

    /// Deals with a key. A panic ends no worker: controllers decide from how things stand and keep nothing half done that
    /// another look would not put right.
    async fn reconcile(&self, key: &C::Key) -> Result<Next, Failed> {
        let dealt = AssertUnwindSafe(self.controller.reconcile(&self.cx, key)).catch_unwind();
        let dealt = dealt.await;
        dealt.unwrap_or_else(|panic| Err(Failed::Panicked(said(&*panic))))
    }

    fn give_back(held: Held<C::Key>, failed: &Failed) {
        let key = held.key().clone();
        let pause = held.failed();
        match failed {
            Failed::Panicked(_) => {
                tracing::error!(controller = C::ACCOUNT, ?key, %failed, ?pause, "a mistake");
            }
            failed if failed.is_race() => {
                tracing::debug!(controller = C::ACCOUNT, ?key, %failed, ?pause, "once more");
            }
            failed => tracing::warn!(controller = C::ACCOUNT, ?key, %failed, ?pause, "failed"),
        }
    }

    fn add(&self, touched: Touched<C::Key>) -> Option<Adding> {
        for (key, pause) in touched.later {
            self.queue.add_after(key, pause);
        }
        if touched.now.is_empty() {
            return None;
        }
        let queue = self.queue.clone();
        Some(Box::pin(async move {
            for key in touched.now {
                queue.add(key).await;
            }
        }))
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a word".to_owned())
}

impl<C: Controller> Running<C> {
    /// Which keys changes touch.
    fn touched(&self, of: &Arc<Tracked>, changes: &Changes) -> Touched<C::Key> {
        let mut touched = Touched::none();
        let (world, controller) = (&*self.cx.world, &self.controller);
        match changes {
            Changes::One(change) => controller.touch(world, of, change, &mut touched),
            Changes::All(snapshot) => {
                controller.retell(world, of, snapshot, &mut touched);
                for object in snapshot.iter() {
                    let there = Change {
                        object: Some(object.clone()),
                        previous: None,
                    };
                    controller.touch(world, of, &there, &mut touched);
                }
            }
        }
        touched
    }
}

impl<C: Controller> Observer for Running<C> {
    fn follows(&self, resource: &Resource) -> bool {
        self.controller.follows(resource)
    }

    /// A panic ends no feed, on which others hang too; what the controller made of these changes is lost.
    fn observe(&self, of: &Arc<Tracked>, changes: &Changes) -> Option<Adding> {
        match catch_unwind(AssertUnwindSafe(|| self.touched(of, changes))) {
            Ok(touched) if touched.is_empty() => None,
            Ok(touched) => self.add(touched),
            Err(panic) => {
                let panic = said(&*panic);
                tracing::error!(controller = C::ACCOUNT, resource = ?of.resource(), panic, "a mistake");
                None
            }
        }
    }

    fn rediscover(&self) -> Option<Adding> {
        let mut touched = Touched::none();
        self.controller.rediscover(&self.cx.world, &mut touched);
        self.add(touched)
    }

    fn close(&self) {
        self.queue.close();
    }

    fn idle(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use client::{Answered, Informers, Transport};
    use driver::Sim;

    use super::*;

    /// A server that never answers.
    struct Nobody;

    impl Transport for Nobody {
        fn send(&self, _: http::Request<bytes::Bytes>) -> Answered<'_> {
            Box::pin(std::future::pending())
        }
    }

    /// Panics at its first look at each key.
    #[derive(Clone, Default)]
    struct Clumsy(Arc<Mutex<Vec<u32>>>);

    impl Controller for Clumsy {
        type Key = u32;
        const ACCOUNT: &'static str = "clumsy";
        const WORKERS: usize = 1;

        fn follows(&self, _: &Resource) -> bool {
            false
        }

        fn touch(&self, _: &World, _: &Arc<Tracked>, _: &Change, _: &mut Touched<u32>) {}

        async fn reconcile(&self, _: &Cx, key: &u32) -> Result<Next, Failed> {
            let first = {
                let mut seen = self.0.lock().unwrap();
                seen.push(*key);
                seen.iter().filter(|seen| *seen == key).count() == 1
            };
            assert!(!first, "clumsy");
            Ok(Next::Done)
        }
    }

    #[test]
    fn a_panic_costs_one_look_and_no_worker() {
        let sim = Sim::new(1);
        let env: Arc<dyn Env> = Arc::new(sim.clone());
        let client = Client::new(Arc::new(Nobody), "tester");
        let cx = Cx {
            recorder: Recorder::start(client.clone(), &env, "clumsy", ""),
            world: Arc::new(World::new(Informers::remote(client.clone(), env.clone()))),
            client,
            env: env.clone(),
        };
        let ((telling, told), (alive, _ended)) = (async_channel::bounded(1), async_channel::bounded(1));
        let clumsy = Clumsy::default();
        let running = Running::start(clumsy.clone(), cx, &told, &alive);
        drop(telling);
        let queue = running.queue.clone();
        env.spawn(Box::pin(async move {
            queue.add(7).await;
            queue.add(8).await;
        }));
        sim.run_ready();
        while clumsy.0.lock().unwrap().len() < 4 {
            assert!(sim.step(), "the keys are not looked at again");
            sim.run_ready();
        }
        let mut seen = clumsy.0.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, [7, 7, 8, 8]);
        assert!(running.idle());
    }
}
