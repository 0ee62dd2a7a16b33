//! What all tasks of a kubelet share.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use client::Recorder;
use driver::{Env, Instant};
use futures_util::future::{Either, select};
use schema::object::Obj;
use views::{NodeView, PodView};

use super::Parts;
use super::desk::{self, Mail};
use super::health::{Broken, Watch};
use crate::admit::{self, Place};
use crate::container::{Observed, Uid};
use crate::facts::NodeFacts;
use crate::pod::Pod;
use crate::resources::NODES;
use crate::source::SourceKey;
use crate::sources::mirrors::Mirrors;
use crate::wheel::Wheel;
use crate::worker::{Event, Now, Rejection, ResizeFault, Worker};
use crate::{env, limits, payload};

/// Mails that wait for a pod at most. What is more is looked up again instead ([`Slot`]).
const MAILBOX: usize = 64;

/// What a pod's task takes when it gets to it, whatever its mailbox held.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The newest state of the pod.
    pub(super) pod: Option<Arc<Pod>>,
    /// It is gone.
    pub(super) forgotten: bool,
    /// Something was missed.
    pub(super) seen: Option<Observed>,
    /// Sources have changed.
    pub(super) source: bool,
    /// Which object of the API shows it, where it comes from a file.
    pub(super) mirror: Option<Option<Uid>>,
}

/// A pod's place in the kubelet.
#[derive(Clone)]
pub(crate) struct Seat {
    mail: Sender<Mail>,
    slot: Arc<Mutex<Slot>>,
    pub(crate) pod: Arc<Pod>,
    /// What it takes of the node; none once it is over, or if it was never let in.
    takes: Option<PodView>,
    /// What it asks for now, where that is more.
    asks: Option<PodView>,
    needs: BTreeSet<SourceKey>,
    /// The object that shows it, of a static pod.
    mirror: Option<Uid>,
}

impl Seat {
    /// Puts something into the slot and wakes the task.
    fn put(&self, change: impl FnOnce(&mut Slot)) {
        change(&mut lock(&self.slot));
        // A full mailbox means that the task is about to look anyway.
        drop(self.mail.try_send(Mail::Look));
    }

    /// What the pod asks for. What is less than it has is taken at once, what is more has to be asked for.
    fn ask(&mut self, asks: Option<PodView>) {
        let Some((takes, asks)) = self.takes.as_mut().zip(asks) else {
            return;
        };
        let (had, wants) = (&takes.requests, &asks.requests);
        if wants.milli_cpu <= had.milli_cpu && wants.memory <= had.memory {
            *takes = asks;
            self.asks = None;
        } else {
            self.asks = Some(asks);
        }
    }

    /// Whether the pod has a place on the node whose disk it may not fill.
    pub(super) fn is_limited(&self) -> bool {
        self.takes.is_some() && limits::has_any(&self.pod)
    }

    /// Whether the pod names a ConfigMap or Secret.
    pub(super) fn needs(&self, namespace: &str, key: &SourceKey) -> bool {
        self.pod.namespace == namespace && self.needs.contains(key)
    }
}

/// What all tasks share.
pub(crate) struct Core {
    pub(crate) parts: Parts,
    pub(crate) facts: Arc<NodeFacts>,
    pub(crate) recorder: Recorder,
    pub(crate) env: Arc<dyn Env>,
    seats: Mutex<BTreeMap<Uid, Seat>>,
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

    /// Nothing is left of a pod.
    pub(super) fn leave(&self, uid: &Uid) {
        let left = lock(&self.seats).remove(uid);
        self.set_timer(uid, None);
        // Another of the same name may wait for it.
        if left.is_some() {
            self.mirrors.ring();
        }
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

    /// A pod takes nothing of the node any more, though the API may not have heard of it.
    pub(super) fn free(&self, uid: &Uid) {
        if let Some(seat) = lock(&self.seats).get_mut(uid) {
            seat.takes = None;
        }
    }

    /// A pod of this node is there, or has changed. `found` is what is there of one that is new.
    pub(crate) fn place(self: &Arc<Self>, object: &Obj, found: Option<&Observed>) {
        let before = self.seat(&Uid::new(&object.meta.uid));
        let pod = match Pod::of(object, before.as_ref().map(|seat| &*seat.pod)) {
            Ok(pod) => Arc::new(pod),
            Err(error) => return tracing::warn!(pod = %object.key, %error, "a pod is passed over"),
        };
        match before {
            Some(seat) => self.update(&seat, pod, object),
            None => self.begin(pod, object, found),
        }
    }

    fn update(&self, seat: &Seat, pod: Arc<Pod>, object: &Obj) {
        let asks = object.view::<PodView>().ok().map(|view| (*view).clone());
        if let Some(seat) = lock(&self.seats).get_mut(&pod.uid) {
            seat.ask(asks);
            seat.needs = needs(&pod);
            seat.pod = pod.clone();
            if pod.reported.phase.is_terminal() {
                seat.takes = None;
            }
        }
        seat.put(|slot| slot.pod = Some(pod));
    }

    /// Admits a new pod and starts its task.
    fn begin(self: &Arc<Self>, pod: Arc<Pod>, object: &Obj, found: Option<&Observed>) {
        let nothing = Observed::default();
        let worker = Worker::new(
            pod.clone(),
            self.facts.clone(),
            found.unwrap_or(&nothing),
            self.now(),
        );
        let view = object.view::<PodView>().ok();
        let verdict = match &view {
            Some(view) if worker.is_admitting() => self.admit(&pod, view, object),
            _ => Ok(()),
        };
        let over = pod.reported.phase.is_terminal() || verdict.is_err();
        let takes = view.filter(|_| !over).map(|view| (*view).clone());
        let is_limited = takes.is_some() && limits::has_any(&pod);
        let admitted = worker.is_admitting().then_some(verdict);
        self.sit(worker, takes, admitted.map(Event::Admitted));
        if is_limited {
            // One ring is enough for all that come.
            let _rung = self.limited.0.try_send(());
        }
    }

    /// Something runs here of a pod that the API does not have.
    pub(crate) fn orphan(self: &Arc<Self>, pod: Arc<Pod>, found: &Observed) {
        let worker = Worker::new(pod, self.facts.clone(), found, self.now());
        self.sit(worker, None, Some(Event::Forgotten));
    }

    fn sit(self: &Arc<Self>, worker: Worker, takes: Option<PodView>, first: Option<Event>) {
        let (mail, mailbox) = async_channel::bounded(MAILBOX);
        let slot = Arc::new(Mutex::new(Slot::default()));
        let pod = worker.pod().clone();
        let seat = Seat {
            mail: mail.clone(),
            slot: slot.clone(),
            needs: needs(&pod),
            pod: pod.clone(),
            takes,
            asks: None,
            mirror: None,
        };
        lock(&self.seats).insert(pod.uid.clone(), seat);
        // The mailbox is new: there is room.
        drop(mail.try_send(first.map_or(Mail::Look, Mail::Event)));
        self.spawn(desk::run(self.clone(), worker, mail, mailbox, slot));
    }

    fn admit(&self, pod: &Pod, view: &PodView, object: &Obj) -> Result<(), Rejection> {
        let others: Vec<PodView> = self.seats().into_iter().filter_map(|seat| seat.takes).collect();
        let node = self
            .parts
            .informers
            .of(&NODES)
            .snapshot()
            .get(&self.facts.name)
            .cloned();
        let node = node.and_then(|node| node.view::<NodeView>().ok());
        let place = Place {
            facts: &self.facts,
            node: node.as_deref().map(|node| (node, &*self.facts.name)),
            others: &others,
        };
        admit::admit(pod, view, object.body(), place)
    }

    /// Keeps for a pod what it asks for now.
    ///
    /// # Errors
    /// The node has not so much, now or ever.
    pub(super) fn make_room(&self, pod: &Pod) -> Result<(), ResizeFault> {
        let mut seats = lock(&self.seats);
        let others: Vec<PodView> = seats
            .iter()
            .filter(|(uid, _)| **uid != pod.uid)
            .filter_map(|(_, seat)| seat.takes.clone())
            .collect();
        let Some(seat) = seats.get_mut(&pod.uid) else {
            return Ok(());
        };
        let Some(asks) = seat.asks.clone() else {
            return Ok(());
        };
        let place = Place {
            facts: &self.facts,
            node: None,
            others: &others,
        };
        admit::room(&asks, place)?;
        seat.takes = seat.asks.take();
        Ok(())
    }

    /// The API does not have a pod any more. Its place is free at once, as upstream's is: whoever forced it out of the
    /// API has decided so.
    pub(crate) fn forget(&self, uid: &Uid) {
        if let Some(seat) = lock(&self.seats).get_mut(uid) {
            seat.takes = None;
            seat.put(|slot| slot.forgotten = true);
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

/// All ConfigMaps and Secrets that a pod names.
fn needs(pod: &Pod) -> BTreeSet<SourceKey> {
    let of_env = pod.spec.all.iter().flat_map(env::needs);
    payload::needs(pod).into_iter().chain(of_env).collect()
}
