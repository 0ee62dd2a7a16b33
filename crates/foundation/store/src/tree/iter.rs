//! Rows in order.

use std::slice;
use std::sync::Arc;

use super::node::{Child, Node, child_of};
use crate::KeyValue;

/// The rows of a tree from some key on.
pub(crate) struct Rows<'a> {
    leaf: slice::Iter<'a, Arc<KeyValue>>,
    /// What is still to come of the nodes above, outermost first.
    above: Vec<slice::Iter<'a, Child>>,
}

impl<'a> Rows<'a> {
    pub(super) fn from(mut node: &'a Node, start: &[u8]) -> Self {
        let mut above = Vec::new();
        loop {
            match node {
                Node::Leaf(rows) => {
                    let first = rows.partition_point(|row| &*row.key < start);
                    return Self {
                        leaf: rows[first..].iter(),
                        above,
                    };
                }
                Node::Inner { children, .. } => {
                    let at = child_of(children, start);
                    above.push(children[at + 1..].iter());
                    node = &children[at].node;
                }
            }
        }
    }

    /// Goes on to the first leaf of the next subtree; false at the end.
    fn next_leaf(&mut self) -> bool {
        let next = loop {
            let Some(children) = self.above.last_mut() else {
                return false;
            };
            match children.next() {
                Some(child) => break child,
                None => drop(self.above.pop()),
            }
        };
        let mut node = &*next.node;
        while let Node::Inner { children, .. } = node {
            let mut rest = children.iter();
            let Some(first) = rest.next() else { return false };
            self.above.push(rest);
            node = &first.node;
        }
        if let Node::Leaf(rows) = node {
            self.leaf = rows.iter();
        }
        true
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = &'a Arc<KeyValue>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.leaf.next() {
                return Some(row);
            }
            if !self.next_leaf() {
                return None;
            }
        }
    }
}
