//! Pods that come, change and go: who gets a seat, and what each takes of the node.

use std::sync::Arc;

use schema::object::Obj;
use views::{NodeView, PodView};

use super::core::{Core, lock};
use super::desk::{self, Mail};
use super::seat::Seat;
use crate::admit::{self, Place};
use crate::container::{Observed, Uid};
use crate::limits;
use crate::pod::Pod;
use crate::resources::NODES;
use crate::worker::{Event, Rejection, ResizeFault, Worker};

impl Core {
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
            seat.update(pod.clone(), asks);
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
            self.limited_pod_is_here();
        }
    }

    /// Something runs here of a pod that the API does not have.
    pub(crate) fn orphan(self: &Arc<Self>, pod: Arc<Pod>, found: &Observed) {
        let worker = Worker::new(pod, self.facts.clone(), found, self.now());
        self.sit(worker, None, Some(Event::Forgotten));
    }

    fn sit(self: &Arc<Self>, worker: Worker, takes: Option<PodView>, first: Option<Event>) {
        let pod = worker.pod().clone();
        let uid = pod.uid.clone();
        let (seat, mailbox) = Seat::new(pod, takes);
        let (mail, slot) = (seat.mail.clone(), seat.slot.clone());
        lock(&self.seats).insert(uid, seat);
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

    /// A pod takes nothing of the node any more, though the API may not have heard of it.
    pub(super) fn free(&self, uid: &Uid) {
        if let Some(seat) = lock(&self.seats).get_mut(uid) {
            seat.takes = None;
        }
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
}
