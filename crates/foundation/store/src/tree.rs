//! The index: an ordered map of rows that is never changed in place as far as anyone who holds
//! a clone of it can see.
//!
//! A B-tree whose nodes are shared between versions. Cloning is one reference count; a change
//! copies the nodes on the way to its leaf unless nobody else has them (`Arc::make_mut`), so a
//! batch of changes copies each node once. Rows are shared too: a leaf is pointers.
//! Nodes know how many rows they hold, which makes counting a range as cheap as finding it.
//!
//! Own code instead of `imbl`: a third of the memory for this shape (rows carry their keys, so
//! the map is a set of pointers), counting by rank, and under 300 lines.

mod iter;
mod node;

use std::sync::Arc;

use crate::{KeyRange, KeyValue};
pub(crate) use iter::Rows;
use node::Node;

/// A version of the index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    root: Arc<Node>,
}

impl Tree {
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Arc<KeyValue>> {
        self.root.get(key)
    }

    /// Sets the row of its key and returns the one before.
    pub(crate) fn insert(&mut self, row: Arc<KeyValue>) -> Option<Arc<KeyValue>> {
        let (previous, split) = node::insert(&mut self.root, row);
        if let Some(right) = split {
            let left = std::mem::take(&mut self.root);
            self.root = Arc::new(Node::over(left, right));
        }
        previous
    }

    /// Removes a key and returns its row.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Arc<KeyValue>> {
        // Looked up first, so that removing nothing copies nothing.
        self.get(key)?;
        let removed = node::remove(&mut self.root, key);
        while let Some(only) = self.root.only_child() {
            self.root = only;
        }
        removed
    }

    /// The rows of a range in order.
    pub(crate) fn range<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a Arc<KeyValue>> {
        Rows::from(&self.root, &range.start).take_while(|row| range.reaches(&row.key))
    }

    /// All rows in order.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows::from(&self.root, &[])
    }

    /// How many rows a range has.
    pub(crate) fn count(&self, range: &KeyRange) -> usize {
        let end = range
            .end
            .as_deref()
            .map_or_else(|| self.len(), |end| self.root.rank(end));
        end.saturating_sub(self.root.rank(&range.start))
    }
}

#[cfg(test)]
mod tests;
