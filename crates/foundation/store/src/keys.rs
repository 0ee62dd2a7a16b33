//! Keys and ranges of keys. Keys are bytes, ordered as bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A key, shared: the row, the index and the events of it point at one allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// The keys from `start` on, up to but not including `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key that is beyond; `None` for no bound.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self {
            start: prefix.to_vec(),
            end: after_prefix(prefix),
        }
    }

    /// The rest of this range beyond `key`: where a limited read continues.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        let start = [key, &[0]].concat();
        Self {
            start,
            end: self.end.clone(),
        }
    }

    /// Whether `key` is not beyond the end.
    pub fn reaches(&self, key: &[u8]) -> bool {
        self.end.as_deref().is_none_or(|end| key < end)
    }
}

/// The first key that is greater than every key with this prefix, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_it_should() {
        let check = |prefix: &[u8], end: Option<&[u8]>| {
            assert_eq!(KeyRange::prefix(prefix).end.as_deref(), end, "{prefix:?}");
        };
        check(b"a/", Some(b"a0"));
        check(b"a\xff", Some(b"b"));
        check(b"\xff\xff", None);
        check(b"", None);
    }

    #[test]
    fn continuing_skips_just_the_key() {
        let rest = KeyRange::prefix(b"a/").after(b"a/b");
        assert!(rest.start.as_slice() > b"a/b".as_slice() && rest.start.as_slice() < b"a/b\x01".as_slice());
        assert!(rest.reaches(b"a/z") && !rest.reaches(b"a0"));
    }
}
