//! Which pod is on which node, and which of them plugins look for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use views::PodView;

use super::Key;
use super::nodes::{NodeIx, Nodes};

/// A pod that takes room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) node: NodeIx,
    /// Its binding is not in the informers yet.
    assumed: bool,
}

/// Pods that take room, and those for which room is kept.
#[derive(Debug, Default)]
pub(super) struct Pods {
    placed: BTreeMap<Key, Placed>,
    /// Those with affinity to other pods, or away from them.
    sociable: BTreeSet<Key>,
    /// Those that were given a node in advance, and its name.
    nominated: BTreeMap<Key, (Arc<PodView>, Box<str>)>,
}

impl Pods {
    pub(super) fn get(&self, key: &str) -> Option<(&Key, &Placed)> {
        self.placed.get_key_value(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.placed.keys()
    }

    pub(super) fn sociable(&self) -> &BTreeSet<Key> {
        &self.sociable
    }

    pub(super) fn nominated(&self) -> &BTreeMap<Key, (Arc<PodView>, Box<str>)> {
        &self.nominated
    }

    pub(super) fn is_assumed(&self, key: &str) -> bool {
        self.placed.get(key).is_some_and(|placed| placed.assumed)
    }

    pub(super) fn add(
        &mut self,
        key: &str,
        pod: &Arc<PodView>,
        node: NodeIx,
        assumed: bool,
        nodes: &mut Nodes,
    ) {
        let key = Key::from(key);
        nodes.add(node, &key, pod);
        if is_sociable(pod) {
            self.sociable.insert(key.clone());
        }
        self.placed.insert(key, Placed { node, assumed });
    }

    pub(super) fn remove(&mut self, key: &str, nodes: &mut Nodes) -> Option<(Arc<PodView>, NodeIx)> {
        let placed = self.placed.remove(key)?;
        self.sociable.remove(key);
        let pod = nodes.remove(placed.node, key)?;
        Some((pod, placed.node))
    }

    /// Takes over what a pod's status says of a node in advance.
    pub(super) fn nominate(&mut self, key: &str, now: Option<&Arc<PodView>>) {
        let waits = now.filter(|pod| pod.node.is_empty() && !pod.phase.is_terminal());
        self.nominate_on(key, waits, waits.map_or("", |pod| &pod.nominated));
    }

    pub(super) fn nominate_on(&mut self, key: &str, pod: Option<&Arc<PodView>>, node: &str) {
        match pod {
            Some(pod) if !node.is_empty() => {
                self.nominated.insert(key.into(), (pod.clone(), node.into()));
            }
            _ => drop(self.nominated.remove(key)),
        }
    }
}

/// Whether the pod asks for others near it, or away from it.
fn is_sociable(pod: &PodView) -> bool {
    pod.placement.as_ref().is_some_and(|placement| {
        let (to, from) = (
            &placement.affinity.pod_affinity,
            &placement.affinity.pod_anti_affinity,
        );
        [to, from]
            .into_iter()
            .any(|terms| !terms.required.is_empty() || !terms.preferred.is_empty())
    })
}
