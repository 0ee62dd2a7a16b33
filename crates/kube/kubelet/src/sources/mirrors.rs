//! What the API shows of the pods that come from files: a mirror pod for each, so that people see it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use schema::object::Obj;

use crate::container::Uid;
use crate::pod::Pod;

/// The annotation of a mirror pod: the uid of the pod that it shows.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

/// A mirror pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// The object's.
    pub(crate) uid: Uid,
    /// What it shows.
    pub(crate) hash: String,
    /// Somebody has deleted it.
    pub(crate) deleted: bool,
}

impl Mirror {
    /// Reads an object; none of one that is no mirror.
    pub(crate) fn of(object: &Obj) -> Option<Self> {
        // Most pods are none, and are not read for it.
        let names_it = object
            .body()
            .windows(MIRROR.len())
            .any(|text| text == MIRROR.as_bytes());
        let pod = names_it.then(|| Pod::of(object, None).ok()).flatten()?;
        let hash = pod.annotations.get(MIRROR)?.clone();
        Some(Self {
            uid: pod.uid,
            hash,
            deleted: pod.deletion.is_some(),
        })
    }
}

/// By key of the pod.
pub(crate) type Shown = BTreeMap<Box<str>, Mirror>;

/// The mirror pods of this node, as its follower of the API sees them, and a bell for whoever keeps them right.
#[derive(Debug)]
pub(crate) struct Mirrors {
    /// None before the API was read.
    shown: Mutex<Option<Shown>>,
    bell: (Sender<()>, Receiver<()>),
}

impl Default for Mirrors {
    fn default() -> Self {
        Self {
            shown: Mutex::default(),
            bell: async_channel::bounded(1),
        }
    }
}

impl Mirrors {
    fn lock(&self) -> MutexGuard<'_, Option<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them; none before the API was read.
    pub(crate) fn shown(&self) -> Option<Shown> {
        self.lock().clone()
    }

    /// How all of them stand.
    pub(crate) fn replace(&self, all: Shown) {
        *self.lock() = Some(all);
        self.ring();
    }

    /// One is there, has changed or is gone.
    pub(crate) fn set(&self, key: &str, mirror: Option<Mirror>) {
        let mut shown = self.lock();
        let before = shown.as_ref().and_then(|shown| shown.get(key).cloned());
        if before == mirror {
            return;
        }
        match (&mut *shown, mirror) {
            (Some(shown), Some(mirror)) => drop(shown.insert(key.into(), mirror)),
            (Some(shown), None) => drop(shown.remove(key)),
            (None, _) => {}
        }
        drop(shown);
        self.ring();
    }

    /// Something has changed that pods from files wait for.
    pub(crate) fn ring(&self) {
        // One ring is enough for all that happened.
        let _rung = self.bell.0.try_send(());
    }

    /// Waits for [`ring`](Self::ring).
    pub(super) async fn rung(&self) {
        // Both ends are here, so it does not close.
        let _rung = self.bell.1.recv().await;
    }
}
