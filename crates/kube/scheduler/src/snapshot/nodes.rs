//! Nodes in a table: what filters and scores look at for every node lies in one array.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use views::pod::HostPort;
use views::{NodeView, PodView};

use super::Key;

/// A node's place in the table; good until the node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(u32);

impl NodeIx {
    fn new(at: usize) -> Self {
        Self(u32::try_from(at).unwrap_or(u32::MAX))
    }

    fn at(self) -> usize {
        self.0 as usize
    }
}

/// Amounts of what every node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    /// Thousandths of a CPU.
    pub(crate) milli_cpu: i64,
    /// Bytes.
    pub(crate) memory: i64,
    /// Bytes.
    pub(crate) ephemeral: i64,
    /// Pieces.
    pub(crate) pods: i64,
}

/// What a node has and what of it is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// What it has.
    pub(crate) capacity: Amounts,
    /// What is taken.
    pub(crate) used: Amounts,
    /// What is taken as scores count it: thousandths of a CPU, and bytes of memory.
    pub(crate) scored: (i64, i64),
    /// Whether it has taints, or takes no new pods. It stands here so that of most nodes nothing else is looked at.
    pub(crate) choosy: bool,
}

impl Room {
    /// What is left once another pod is there too.
    #[must_use]
    pub(crate) fn with(mut self, pod: &PodView) -> Self {
        self.add(pod, 1);
        self
    }

    /// Adds a pod, or takes one away where `sign` is -1.
    fn add(&mut self, pod: &PodView, sign: i64) {
        self.used.milli_cpu += sign * pod.requests.milli_cpu;
        self.used.memory += sign * pod.requests.memory;
        self.used.ephemeral += sign * pod.requests.ephemeral;
        self.used.pods += sign;
        self.scored.0 += sign * pod.nonzero.0;
        self.scored.1 += sign * pod.nonzero.1;
    }
}

/// A node: one that is there, or one that pods say they are on.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: Box<str>,
    pub(super) view: Arc<NodeView>,
    /// Its place among those that are there.
    live: Option<usize>,
    pub(super) pods: BTreeMap<Key, Arc<PodView>>,
    pub(super) ports: Vec<HostPort>,
    /// What is taken of what not every node has.
    other: Vec<(Box<str>, i64)>,
}

static NOTHING: LazyLock<Arc<NodeView>> = LazyLock::new(Arc::default);

impl Node {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            view: NOTHING.clone(),
            live: None,
            pods: BTreeMap::new(),
            ports: Vec::new(),
            other: Vec::new(),
        }
    }

    pub(super) fn taken(&self, resource: &str) -> i64 {
        let found = self.other.iter().find(|(name, _)| **name == *resource);
        found.map_or(0, |(_, amount)| *amount)
    }

    fn take(&mut self, pod: &PodView, sign: i64) {
        for (name, amount) in &pod.requests.other {
            match self.other.iter_mut().find(|(known, _)| known == name) {
                Some((_, taken)) => *taken += sign * amount,
                None => self.other.push((name.clone(), sign * amount)),
            }
        }
        self.other.retain(|(_, taken)| *taken != 0);
    }

    fn is_choosy(&self) -> bool {
        self.view.unschedulable || !self.view.taints.is_empty()
    }
}

/// All nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    slots: Vec<Node>,
    rooms: Vec<Room>,
    free: Vec<NodeIx>,
    by_name: BTreeMap<Box<str>, NodeIx>,
    live: Vec<NodeIx>,
    choosy: usize,
}

impl Nodes {
    pub(super) fn get(&self, at: NodeIx) -> &Node {
        &self.slots[at.at()]
    }

    pub(super) fn room(&self, at: NodeIx) -> &Room {
        &self.rooms[at.at()]
    }

    pub(super) fn live(&self) -> &[NodeIx] {
        &self.live
    }

    pub(super) fn choosy(&self) -> usize {
        self.choosy
    }

    pub(super) fn find(&self, name: &str) -> Option<NodeIx> {
        let at = *self.by_name.get(name)?;
        self.get(at).live.map(|_| at)
    }

    /// The slot of a name, made if there is none.
    pub(super) fn named(&mut self, name: &str) -> NodeIx {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at.at()] = Node::new(name);
                at
            }
            None => {
                self.slots.push(Node::new(name));
                self.rooms.push(Room::default());
                NodeIx::new(self.slots.len() - 1)
            }
        };
        self.by_name.insert(name.into(), at);
        at
    }

    pub(super) fn put(&mut self, name: &str, now: Option<Arc<NodeView>>) -> Option<Arc<NodeView>> {
        let before = self.find(name).map(|at| self.get(at).view.clone());
        match now {
            Some(view) => self.set(name, view),
            None => self.unset(name),
        }
        before
    }

    fn set(&mut self, name: &str, view: Arc<NodeView>) {
        let at = self.named(name);
        let next = self.live.len();
        self.rooms[at.at()].capacity = Amounts {
            milli_cpu: view.allocatable.milli_cpu,
            memory: view.allocatable.memory,
            ephemeral: view.allocatable.ephemeral,
            pods: view.pods,
        };
        let node = &mut self.slots[at.at()];
        self.choosy -= usize::from(node.is_choosy());
        node.view = view;
        let choosy = node.is_choosy();
        self.choosy += usize::from(choosy);
        self.rooms[at.at()].choosy = choosy;
        if node.live.is_none() {
            node.live = Some(next);
            self.live.push(at);
        }
    }

    fn unset(&mut self, name: &str) {
        let Some(at) = self.by_name.get(name).copied() else {
            return;
        };
        let room = &mut self.rooms[at.at()];
        (room.capacity, room.choosy) = (Amounts::default(), false);
        let node = &mut self.slots[at.at()];
        self.choosy -= usize::from(node.is_choosy());
        node.view = NOTHING.clone();
        if let Some(place) = node.live.take() {
            self.live.swap_remove(place);
            if let Some(moved) = self.live.get(place) {
                self.slots[moved.at()].live = Some(place);
            }
        }
        self.drop_empty(at);
    }

    pub(super) fn add(&mut self, at: NodeIx, key: &Key, pod: &Arc<PodView>) {
        let node = &mut self.slots[at.at()];
        node.pods.insert(key.clone(), pod.clone());
        node.ports.extend(&pod.ports);
        node.take(pod, 1);
        self.rooms[at.at()].add(pod, 1);
    }

    pub(super) fn remove(&mut self, at: NodeIx, key: &str) -> Option<Arc<PodView>> {
        let node = &mut self.slots[at.at()];
        let pod = node.pods.remove(key)?;
        for port in &pod.ports {
            if let Some(place) = node.ports.iter().position(|taken| taken == port) {
                node.ports.swap_remove(place);
            }
        }
        node.take(&pod, -1);
        self.rooms[at.at()].add(&pod, -1);
        self.drop_empty(at);
        Some(pod)
    }

    /// A slot whose node is not there and that no pod is on is used again.
    fn drop_empty(&mut self, at: NodeIx) {
        let node = &mut self.slots[at.at()];
        if node.live.is_none() && node.pods.is_empty() {
            let name = std::mem::take(&mut node.name);
            self.by_name.remove(&name);
            self.free.push(at);
        }
    }
}
