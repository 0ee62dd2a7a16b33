//! Strings and times as stored bodies have them, borrowed where they have no escapes.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

/// A string. A newtype, for serde does not borrow a `Cow` within an `Option` or a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// An owned copy; an empty one allocates nothing.
    pub(crate) fn boxed(&self) -> Box<str> {
        Box::from(&*self.0)
    }

    /// The time that the text says, if it says one.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        self.0.parse().ok()
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
