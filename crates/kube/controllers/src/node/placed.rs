//! Which pods are on which node: one index for all controllers that deal with nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apiserver::cache::Snapshot;
use client::Change;
use schema::object::Obj;
use views::PodView;

/// Keys of pods by the name of their node.
type Index = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// The index. Each of its controllers tells it what it hears, as any of them may be left out; to be told twice changes
/// nothing.
#[derive(Default)]
pub(crate) struct Placed(Mutex<Index>);

impl Placed {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of a change of a pod.
    pub(crate) fn record(&self, change: &Change) {
        let (old, new) = (node_of(change.previous.as_ref()), node_of(change.object.as_ref()));
        if old == new {
            return;
        }
        let Some(key) = change.either().map(|pod| pod.key.clone()) else {
            return;
        };
        let mut index = self.index();
        if let Some(old) = old
            && let Some(keys) = index.get_mut(&old)
        {
            keys.remove(&key);
            if keys.is_empty() {
                index.remove(&old);
            }
        }
        if let Some(new) = new {
            index.entry(new).or_default().insert(key);
        }
    }

    /// Hears how things stand, at once.
    pub(crate) fn retell(&self, pods: &Snapshot) {
        let mut index = Index::default();
        for pod in pods.iter() {
            if let Some(node) = node_of(Some(pod)) {
                index.entry(node).or_default().insert(pod.key.clone());
            }
        }
        *self.index() = index;
    }

    /// The keys of the pods on a node.
    pub(crate) fn keys(&self, node: &str) -> Vec<Box<str>> {
        self.index().get(node).into_iter().flatten().cloned().collect()
    }

    /// The pods on a node, as they are in `pods`.
    pub(crate) fn pods(&self, node: &str, pods: &Snapshot) -> Vec<Arc<Obj>> {
        let keys = self.keys(node);
        keys.iter().filter_map(|key| pods.get(key).cloned()).collect()
    }
}

/// The name of the node that a pod is bound to.
pub(crate) fn node_of(pod: Option<&Arc<Obj>>) -> Option<Box<str>> {
    let view = pod?.view::<PodView>().ok()?;
    (!view.node.is_empty()).then(|| view.node.clone())
}
