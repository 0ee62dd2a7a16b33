//! A pod's place in the kubelet: where its mail goes, and what it takes of the node.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender};
use views::PodView;

use super::core::lock;
use super::desk::Mail;
use crate::container::{Observed, Uid};
use crate::pod::Pod;
use crate::source::SourceKey;
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
    pub(super) mail: Sender<Mail>,
    pub(super) slot: Arc<Mutex<Slot>>,
    pub(crate) pod: Arc<Pod>,
    /// What it takes of the node; none once it is over, or if it was never let in.
    pub(super) takes: Option<PodView>,
    /// What it asks for now, where that is more.
    pub(super) asks: Option<PodView>,
    needs: BTreeSet<SourceKey>,
    /// The object that shows it, of a static pod.
    pub(super) mirror: Option<Uid>,
}

impl Seat {
    /// A new pod's, with what its task reads.
    pub(super) fn new(pod: Arc<Pod>, takes: Option<PodView>) -> (Self, Receiver<Mail>) {
        let (mail, mailbox) = async_channel::bounded(MAILBOX);
        let seat = Self {
            mail,
            slot: Arc::default(),
            needs: needs(&pod),
            pod,
            takes,
            asks: None,
            mirror: None,
        };
        (seat, mailbox)
    }

    /// The pod has changed.
    pub(super) fn update(&mut self, pod: Arc<Pod>, asks: Option<PodView>) {
        self.ask(asks);
        self.needs = needs(&pod);
        if pod.reported.phase.is_terminal() {
            self.takes = None;
        }
        self.pod = pod;
    }

    /// Puts something into the slot and wakes the task.
    pub(super) fn put(&self, change: impl FnOnce(&mut Slot)) {
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

/// All ConfigMaps and Secrets that a pod names.
fn needs(pod: &Pod) -> BTreeSet<SourceKey> {
    let of_env = pod.spec.all.iter().flat_map(env::needs);
    payload::needs(pod).into_iter().chain(of_env).collect()
}
