//! The state of a store at one revision.

use std::sync::Arc;

use crate::tree::Tree;
use crate::{KeyRange, KeyValue, RangeRequest, RangeResponse, Revision};

/// A whole store as of one revision, unchanging. Cloning it is one reference count; it shares
/// everything with the store and with its other versions.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) tree: Tree,
}

impl Snapshot {
    /// As of when.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.tree.len() == 0
    }

    /// One key.
    pub fn get(&self, key: &[u8]) -> Option<&Arc<KeyValue>> {
        self.tree.get(key)
    }

    /// The keys of a range in order.
    pub fn range<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a Arc<KeyValue>> {
        self.tree.range(range)
    }

    pub(crate) fn answer(&self, request: &RangeRequest) -> RangeResponse {
        let limit = request.limit.unwrap_or(usize::MAX);
        RangeResponse {
            rows: self.tree.range(&request.range).take(limit).cloned().collect(),
            count: self.tree.count(&request.range),
            revision: self.revision,
        }
    }
}
