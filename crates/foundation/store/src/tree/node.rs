//! Nodes and their changes.
//!
//! All leaves are at one depth. A node has at most [`MAX`] entries; one that falls below [`MIN`]
//! joins a neighbour if both fit in one, and otherwise stays as it is: two neighbours are then
//! together more than `MAX` full, which bounds the waste without ever moving single entries.

use std::sync::Arc;

use crate::{Key, KeyValue};

pub(super) const MAX: usize = 32;
const MIN: usize = MAX / 4;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Vec<Arc<KeyValue>>),
    Inner { len: usize, children: Vec<Child> },
}

/// A subtree and the bound that separates it from the one before: every key in it is ≥ `low`.
/// Nobody looks at the `low` of a first child.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) low: Key,
    pub(super) node: Arc<Node>,
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

/// Which child holds `key`.
pub(super) fn child_of(children: &[Child], key: &[u8]) -> usize {
    children
        .partition_point(|child| &*child.low <= key)
        .saturating_sub(1)
}

impl Node {
    /// A root over two halves.
    pub(super) fn over(left: Arc<Self>, right: Child) -> Self {
        let len = left.len() + right.node.len();
        let low = Key::from(&[][..]);
        Self::Inner {
            len,
            children: vec![Child { low, node: left }, right],
        }
    }

    /// How many rows are below.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(rows) => rows.len(),
            Self::Inner { len, .. } => *len,
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Arc<KeyValue>> {
        match self {
            Self::Leaf(rows) => rows
                .binary_search_by(|row| (*row.key).cmp(key))
                .ok()
                .map(|at| &rows[at]),
            Self::Inner { children, .. } => children[child_of(children, key)].node.get(key),
        }
    }

    /// How many rows are below `key`.
    pub(super) fn rank(&self, key: &[u8]) -> usize {
        match self {
            Self::Leaf(rows) => rows.partition_point(|row| &*row.key < key),
            Self::Inner { children, .. } => {
                let at = child_of(children, key);
                let before: usize = children[..at].iter().map(|child| child.node.len()).sum();
                before + children[at].node.rank(key)
            }
        }
    }

    /// The child of an inner node that has just one.
    pub(super) fn only_child(&self) -> Option<Arc<Self>> {
        match self {
            Self::Inner { children, .. } if children.len() == 1 => Some(children[0].node.clone()),
            _ => None,
        }
    }

    /// How many entries, rows or children, the node itself has.
    fn entries(&self) -> usize {
        match self {
            Self::Leaf(rows) => rows.len(),
            Self::Inner { children, .. } => children.len(),
        }
    }

    /// Takes over the entries of the right neighbour, which `low` separates from this one.
    fn append(&mut self, low: &Key, right: &Self) {
        match (self, right) {
            (Self::Leaf(rows), Self::Leaf(more)) => rows.extend_from_slice(more),
            (
                Self::Inner { len, children },
                Self::Inner {
                    len: more,
                    children: others,
                },
            ) => {
                let first = children.len();
                children.extend_from_slice(others);
                children[first].low = low.clone();
                *len += more;
            }
            _ => unreachable!("neighbours are at one depth"),
        }
    }
}

/// Inserts below `node`; a node that outgrew [`MAX`] gives its right part back.
pub(super) fn insert(node: &mut Arc<Node>, row: Arc<KeyValue>) -> (Option<Arc<KeyValue>>, Option<Child>) {
    match Arc::make_mut(node) {
        Node::Leaf(rows) => match rows.binary_search_by(|other| other.key.cmp(&row.key)) {
            Ok(at) => (Some(std::mem::replace(&mut rows[at], row)), None),
            Err(at) => {
                rows.insert(at, row);
                (None, split(rows, at).map(leaf))
            }
        },
        Node::Inner { len, children } => {
            let at = child_of(children, &row.key);
            let (previous, right) = insert(&mut children[at].node, row);
            *len += usize::from(previous.is_none());
            let Some(right) = right else {
                return (previous, None);
            };
            children.insert(at + 1, right);
            let right = split(children, at + 1).map(inner);
            if let Some(right) = &right {
                *len -= right.node.len();
            }
            (previous, right)
        }
    }
}

/// The right part of entries that have become too many after an insert at `at`. Keys that come
/// in ascending order (a checkpoint, a counter) leave full nodes behind instead of half full ones.
fn split<T>(entries: &mut Vec<T>, at: usize) -> Option<Vec<T>> {
    let ascending = at + 1 == entries.len();
    let keep = if ascending { MAX } else { MAX / 2 };
    (entries.len() > MAX).then(|| entries.split_off(keep))
}

fn leaf(rows: Vec<Arc<KeyValue>>) -> Child {
    Child {
        low: rows[0].key.clone(),
        node: Arc::new(Node::Leaf(rows)),
    }
}

fn inner(children: Vec<Child>) -> Child {
    let len = children.iter().map(|child| child.node.len()).sum();
    Child {
        low: children[0].low.clone(),
        node: Arc::new(Node::Inner { len, children }),
    }
}

/// Removes `key`, if it is there, below `node`.
pub(super) fn remove(node: &mut Arc<Node>, key: &[u8]) -> Option<Arc<KeyValue>> {
    match Arc::make_mut(node) {
        Node::Leaf(rows) => {
            let at = rows.binary_search_by(|row| (*row.key).cmp(key)).ok()?;
            Some(rows.remove(at))
        }
        Node::Inner { len, children } => {
            let at = child_of(children, key);
            let removed = remove(&mut children[at].node, key)?;
            *len -= 1;
            tidy(children, at);
            Some(removed)
        }
    }
}

/// Joins the child at `at` with a neighbour if it has become small and both fit in one node.
fn tidy(children: &mut Vec<Child>, at: usize) {
    if children[at].node.entries() >= MIN {
        return;
    }
    let fits = |left: usize| children[left].node.entries() + children[left + 1].node.entries() <= MAX;
    let left = [Some(at), at.checked_sub(1)]
        .into_iter()
        .flatten()
        .find(|&left| left + 1 < children.len() && fits(left));
    if let Some(left) = left {
        let right = children.remove(left + 1);
        Arc::make_mut(&mut children[left].node).append(&right.low, &right.node);
    }
}
