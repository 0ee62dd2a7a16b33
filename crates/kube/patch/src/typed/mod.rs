//! Objects as server-side apply sees them: comparing, merging and taking apart by the merge rules of the
//! rows (structured-merge-diff's packages `typed` and `merge`).
//!
//! Updates compare trees with rows, as they are; nothing is printed or read again, because that is on the
//! way of every write. Applying works on plain JSON, because a configuration is partial, and what it says
//! of a zero is not nothing.

pub(crate) mod atomic;
pub(crate) mod collect;
pub(crate) mod compare;
pub(crate) mod merge;
pub(crate) mod place;
pub(crate) mod remove;
pub(crate) mod side;
pub(crate) mod validate;

/// What cannot be taken apart: an item without an identity, a value of the wrong form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(Box<str>);

impl Malformed {
    pub(crate) fn new(why: &str) -> Self {
        Self(why.into())
    }

    /// The same, seen from what holds the member.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self(format!(".{name}: {}", self.0).into())
    }
}
