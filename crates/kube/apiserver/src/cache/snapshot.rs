//! The objects of a collection as of one revision.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdSet;
use schema::object::{Obj, Revision};

/// An object, ordered by its key: the map needs no keys of its own.
#[derive(Clone, Debug)]
pub(super) struct Row(pub(super) Arc<Obj>);

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Row {}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

impl Borrow<str> for Row {
    fn borrow(&self) -> &str {
        &self.0.key
    }
}

/// The objects of a collection, unchanging. Cloning is one reference count.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// As of when.
    pub revision: Revision,
    /// When the collection last changed: whoever derived something from it at this number need not look again.
    pub changed: Revision,
    pub(super) rows: OrdSet<Row>,
}

impl Snapshot {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts an object in its place; answers what was there. Other clones do not change.
    pub fn insert(&mut self, object: Arc<Obj>) -> Option<Arc<Obj>> {
        self.changed = self.changed.max(object.rev);
        self.reach(object.rev);
        self.rows.insert(Row(object)).map(|row| row.0)
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &str) -> Option<Arc<Obj>> {
        self.rows.remove(key).map(|row| row.0)
    }

    /// Everything up to a revision is in it.
    pub fn reach(&mut self, revision: Revision) {
        self.revision = self.revision.max(revision);
    }

    /// One object by its key below the collection's prefix: `default/web-0`, `node-1`.
    pub fn get(&self, key: &str) -> Option<&Arc<Obj>> {
        self.rows.get(key).map(|row| &row.0)
    }

    /// All objects, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Obj>> {
        self.rows.iter().map(|row| &row.0)
    }

    /// The objects whose keys begin with `prefix` and are not before `start`.
    pub fn range<'a>(&'a self, prefix: &'a str, start: &str) -> impl Iterator<Item = &'a Arc<Obj>> + use<'a> {
        let from = if start > prefix { start } else { prefix };
        let range = (Bound::Included(from), Bound::<&str>::Unbounded);
        let rows = self.rows.range::<_, str>(range).map(|row| &row.0);
        rows.take_while(move |object| object.key.starts_with(prefix))
    }
}
