//! The world as plugins see it: nodes with what is free on them, and the pods that take the rest.
//!
//! Fed by events, never rebuilt. A pod that was given a node and is not yet in the informers there is *assumed*: it takes
//! its room at once, so that the next pod does not get the same, and gives it back when the binding fails. What an event
//! says always wins over what was assumed.

mod nodes;
mod pods;

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::object::Labels;
use views::pod::HostPort;
use views::{NodeView, PodView};

pub use nodes::NodeIx;
use nodes::Nodes;
pub(crate) use nodes::Room;
use pods::Pods;

/// A pod: `namespace/name`.
pub type Key = Arc<str>;

/// The namespace of a pod's key.
pub(crate) fn namespace(key: &str) -> &str {
    key.split_once('/').map_or("", |(namespace, _)| namespace)
}

/// The world, for one scheduler.
#[derive(Debug, Default)]
pub struct Snapshot {
    nodes: Nodes,
    pods: Pods,
    namespaces: BTreeMap<Box<str>, Labels>,
}

impl Snapshot {
    /// A world without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.live().len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.live().is_empty()
    }

    /// A node's name.
    pub fn name(&self, at: NodeIx) -> &str {
        &self.nodes.get(at).name
    }

    /// The node of a name, if it is there.
    pub fn find(&self, name: &str) -> Option<NodeIx> {
        self.nodes.find(name)
    }

    /// Tells how a node is now; none if it is gone. Pods that are bound to one which is not there keep their room on it
    /// until they are gone too. Answers how it was.
    pub fn node(&mut self, name: &str, now: Option<Arc<NodeView>>) -> Option<Arc<NodeView>> {
        self.nodes.put(name, now)
    }

    /// Tells how a pod is now; none if it is gone. One that is bound and not over takes its room; one that is not bound
    /// takes what was assumed for it, if anything was.
    pub fn pod(&mut self, key: &str, now: Option<&Arc<PodView>>) {
        let bound = now.filter(|pod| !pod.node.is_empty());
        if bound.is_none() && now.is_some() && self.pods.is_assumed(key) {
            return;
        }
        self.pods.remove(key, &mut self.nodes);
        self.pods.nominate(key, now);
        if let Some(pod) = bound.filter(|pod| !pod.phase.is_terminal()) {
            let node = self.nodes.named(&pod.node);
            self.pods.add(key, pod, node, false, &mut self.nodes);
        }
    }

    /// Gives a pod its room on a node before the binding is written.
    pub fn assume(&mut self, key: &str, pod: &Arc<PodView>, node: NodeIx) {
        self.pods.remove(key, &mut self.nodes);
        self.pods.nominate(key, None);
        self.pods.add(key, pod, node, true, &mut self.nodes);
    }

    /// Takes back what was assumed for a pod; nothing if an event has confirmed it meanwhile.
    pub fn forget(&mut self, key: &str) -> Option<Arc<PodView>> {
        self.pods
            .is_assumed(key)
            .then(|| self.pods.remove(key, &mut self.nodes))?
            .map(|(pod, _)| pod)
    }

    /// Keeps room on a node for a pod for which others were pushed out there.
    pub(crate) fn nominate(&mut self, key: &str, pod: Option<&Arc<PodView>>, node: &str) {
        self.pods.nominate_on(key, pod, node);
    }

    /// Pods below a priority for which room is kept on a node.
    pub(crate) fn displaced(&self, at: NodeIx, priority: i32) -> Vec<Key> {
        let name = self.name(at);
        let there = self
            .pods
            .nominated()
            .iter()
            .filter(|(_, (_, node))| **node == *name);
        there
            .filter(|(_, (pod, _))| pod.priority < priority)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Takes a pod away in thought.
    pub(crate) fn lift(&mut self, key: &str) {
        if let Some((_, placed)) = self.pods.get(key) {
            self.nodes.remove(placed.node, key);
        }
    }

    /// Puts a pod back that was [lifted](Self::lift); nothing happens to one that is there.
    pub(crate) fn lay(&mut self, key: &Key, pod: &Arc<PodView>) {
        if let Some((_, placed)) = self.pods.get(key)
            && !self.nodes.get(placed.node).pods.contains_key(key)
        {
            self.nodes.add(placed.node, key, pod);
        }
    }

    /// Tells a namespace's labels; none if it is gone.
    pub fn namespace(&mut self, name: &str, labels: Option<&Labels>) {
        match labels {
            Some(labels) => drop(self.namespaces.insert(name.into(), labels.clone())),
            None => drop(self.namespaces.remove(name)),
        }
    }

    /// Tells the labels of all namespaces; there are no others.
    pub fn namespaces(&mut self, all: BTreeMap<Box<str>, Labels>) {
        self.namespaces = all;
    }

    /// A namespace's labels; none for one that is not there.
    pub(crate) fn labels_of_namespace(&self, name: &str) -> &[(Box<str>, Box<str>)] {
        self.namespaces.get(name).map_or(&[], |labels| labels)
    }

    /// The nodes that are there, in an order of no meaning that changes only as nodes come and go.
    pub(crate) fn live(&self) -> &[NodeIx] {
        self.nodes.live()
    }

    /// What is known of a node.
    pub(crate) fn view(&self, at: NodeIx) -> &NodeView {
        &self.nodes.get(at).view
    }

    /// What a node has and what of it is taken.
    pub(crate) fn room(&self, at: NodeIx) -> &Room {
        self.nodes.room(at)
    }

    /// How much of a resource that is not one of [`Room`]'s is taken.
    pub(crate) fn taken(&self, at: NodeIx, resource: &str) -> i64 {
        self.nodes.get(at).taken(resource)
    }

    /// The ports of the node that are taken.
    pub(crate) fn ports(&self, at: NodeIx) -> &[HostPort] {
        &self.nodes.get(at).ports
    }

    /// The pods on a node.
    pub(crate) fn pods_on(&self, at: NodeIx) -> &BTreeMap<Key, Arc<PodView>> {
        &self.nodes.get(at).pods
    }

    /// A pod that takes room, and on which node.
    pub(crate) fn placed(&self, key: &str) -> Option<(&Arc<PodView>, NodeIx)> {
        let (key, placed) = self.pods.get(key)?;
        Some((self.nodes.get(placed.node).pods.get(key)?, placed.node))
    }

    /// Keys of all pods that take room.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.pods.keys()
    }

    /// Pods that ask for others near them or away from them.
    pub(crate) fn sociable(&self) -> impl Iterator<Item = (&Key, &Arc<PodView>, NodeIx)> {
        let placed = self.pods.sociable().iter();
        placed.filter_map(|key| self.placed(key).map(|(pod, node)| (key, pod, node)))
    }

    /// Pods for which room is kept on a node, and which are not less important than `priority`; but `key` itself.
    pub(crate) fn nominated(&self, at: NodeIx, priority: i32, key: &str) -> Vec<&Arc<PodView>> {
        if self.pods.nominated().is_empty() {
            return Vec::new();
        }
        let name = self.name(at);
        let there = self
            .pods
            .nominated()
            .iter()
            .filter(|(other, (_, node))| **node == *name && ***other != *key);
        let pods = there.map(|(_, (pod, _))| pod);
        pods.filter(|pod| pod.priority >= priority).collect()
    }

    /// Whether any node has taints, or takes no new pods.
    pub(crate) fn is_choosy(&self) -> bool {
        self.nodes.choosy() > 0
    }
}

#[cfg(test)]
mod tests;
