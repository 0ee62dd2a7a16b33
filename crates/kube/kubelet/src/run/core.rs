//! What all tasks of a kubelet share.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use client::Recorder;
use driver::{Env, Instant};
use futures_util::future::{Either, select};

use super::Parts;
use super::desk::Mail;
use super::health::{Broken, Watch};
use super::seat::Seat;
use crate::container::{Observed, Uid};
use crate::facts::NodeFacts;
use crate::sources::mirrors::Mirrors;
use crate::wheel::Wheel;
use crate::worker::{Event, Now};

/// What all tasks share.
pub(crate) struct Core {
    pub(crate) parts: Parts,
    pub(crate) facts: Arc<NodeFacts>,
    pub(crate) recorder: Recorder,
    pub(crate) env: Arc<dyn Env>,
    pub(super) seats: Mutex<BTreeMap<Uid, Seat>>,
    pub(super) wheel: Mutex<Wheel<Uid>>,
    bell: Sender<()>,
    /// Rings when a pod comes whose disk is limited.
    limited: (Sender<()>, Receiver<()>),
    pub(crate) mirrors: Mirrors,
    pub(super) broken: Broken,
    closed: Receiver<()>,
    /// Goes with the last task.
    _alive: Sender<()>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// With the other end of the timers' bell.
    pub(super) fn new(
        parts: Parts,
        facts: Arc<NodeFacts>,
        recorder: Recorder,
        env: Arc<dyn Env>,
        closed: Receiver<()>,
        alive: Sender<()>,
    ) -> (Arc<Self>, Receiver<()>) {
        let (bell, rung) = async_channel::bounded(1);
        let core = Self {
            parts,
            facts,
            recorder,
            env,
            seats: Mutex::default(),
            wheel: Mutex::default(),
            bell,
            limited: async_channel::bounded(1),
            mirrors: Mirrors::default(),
            broken: Broken::default(),
            closed,
            _alive: alive,
        };
        (Arc::new(core), rung)
    }

    /// Both clocks.
    pub(crate) fn now(&self) -> Now {
        Now {
            instant: self.env.now(),
            wall: self.env.wall(),
        }
    }

    /// Runs a task until it ends or the kubelet is closed, whichever is first.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let core = self.clone();
        self.env.spawn(Box::pin(async move {
            core.unless_closed(task).await;
        }));
    }

    /// The same for a task that ends with the kubelet only: if it ends before, the kubelet is not well.
    pub(super) fn spawn_lasting(
        self: &Arc<Self>,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let watch = Watch::over(self.clone(), name);
        self.spawn(async move {
            task.await;
            drop(watch);
        });
    }

    /// Whether the kubelet is being closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_closed()
    }

    /// The work's result, unless the kubelet is closed before; the work is then dropped.
    pub(crate) async fn unless_closed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let work = std::pin::pin!(work);
        let closed = std::pin::pin!(self.closed.recv());
        match select(closed, work).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => Some(done),
        }
    }

    /// One that comes wakes who waits for such; one ring is enough for all.
    pub(super) fn limited_pod_is_here(&self) {
        let _rung = self.limited.0.try_send(());
    }

    /// Waits for a pod that may not take all of the disk.
    pub(super) async fn limited_pod_came(&self) {
        // Both ends are here, so it does not close.
        let _rung = self.limited.1.recv().await;
    }

    /// When a pod has to be looked at.
    pub(super) fn set_timer(&self, uid: &Uid, at: Option<Instant>) {
        let mut wheel = lock(&self.wheel);
        let before = wheel.next();
        match at {
            Some(at) => wheel.set(uid.clone(), at),
            None => wheel.clear(uid),
        }
        if wheel.next() != before {
            let _rung = self.bell.try_send(());
        }
    }

    /// The seats of all pods.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        lock(&self.seats).values().cloned().collect()
    }

    pub(super) fn seat(&self, uid: &Uid) -> Option<Seat> {
        lock(&self.seats).get(uid).cloned()
    }

    /// Whether a pod is being looked after.
    pub(crate) fn has_seat(&self, uid: &Uid) -> bool {
        lock(&self.seats).contains_key(uid)
    }

    /// Key and uid of all pods that come from files.
    pub(crate) fn static_pods(&self) -> Vec<(Box<str>, Uid)> {
        let seats = lock(&self.seats);
        let of_files = seats.values().filter(|seat| seat.pod.is_static());
        of_files
            .map(|seat| (seat.pod.key().into(), seat.pod.uid.clone()))
            .collect()
    }

    /// Which object of the API shows a static pod from now on.
    pub(crate) fn show(&self, uid: &Uid, mirror: Option<Uid>) {
        if let Some(seat) = lock(&self.seats).get_mut(uid)
            && seat.mirror != mirror
        {
            seat.mirror.clone_from(&mirror);
            seat.put(|slot| slot.mirror = Some(mirror));
        }
    }

    /// Something happened to a pod. Where its mailbox is full, how things stand is looked up.
    pub(super) fn post(&self, uid: &Uid, event: Event) {
        let Some(seat) = self.seat(uid) else { return };
        if seat.mail.try_send(Mail::Event(event)).is_err() {
            self.look_again(Some(uid));
        }
    }

    /// Compares what is there with what is believed, for one pod or all.
    pub(super) fn look_again(&self, only: Option<&Uid>) {
        let seen = self.parts.runtime.observe();
        let mut seen: BTreeMap<Uid, Observed> = seen.into_iter().map(|pod| (pod.uid, pod.observed)).collect();
        for seat in self.seats() {
            if only.is_none_or(|uid| *uid == seat.pod.uid) {
                let found = seen.remove(&seat.pod.uid).unwrap_or_default();
                seat.put(|slot| slot.seen = Some(found));
            }
        }
    }

    /// Objects that pods name have changed.
    pub(super) fn sources_changed(&self, concerns: impl Fn(&Seat) -> bool) {
        for seat in self.seats().into_iter().filter(concerns) {
            seat.put(|slot| slot.source = true);
        }
    }

    /// It is time for some pods.
    pub(super) fn ring(&self, due: &[Uid]) {
        for seat in due.iter().filter_map(|uid| self.seat(uid)) {
            seat.put(|_| ());
        }
    }
}
