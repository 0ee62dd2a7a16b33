//! Puts back what a stored body leaves out.

use super::{Order, Revision};
use crate::json::text;

/// The first members of every object of a resource and version, as bytes: `"kind":"Pod","apiVersion":"v1"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Box<[u8]>);

impl Prefix {
    /// For objects of a kind, in the order of the body's members.
    pub fn new(api_version: &str, kind: &str, order: Order) -> Self {
        let mut members = [("kind", kind), ("apiVersion", api_version)];
        if order == Order::Sorted {
            members.reverse();
        }
        let mut bytes = Vec::new();
        for (name, value) in members {
            if !bytes.is_empty() {
                bytes.push(b',');
            }
            text::string(&mut bytes, name);
            bytes.push(b':');
            text::string(&mut bytes, value);
        }
        Self(bytes.into())
    }

    /// For items of typed lists, which carry no type.
    pub fn none() -> Self {
        Self(Box::default())
    }
}

/// The body with prefix and resource version. `rv_at` is what [`super::scan()`] returned for it.
pub fn splice(prefix: &Prefix, body: &[u8], rv_at: usize, rev: Revision) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + prefix.0.len() + 48);
    splice_into(&mut out, prefix, body, rv_at, rev);
    out
}

/// The same, appended: a list is one buffer for many objects.
pub(super) fn splice_into(out: &mut Vec<u8>, prefix: &Prefix, body: &[u8], rv_at: usize, rev: Revision) {
    let (head, tail) = body.split_at(rv_at.min(body.len()));
    out.push(b'{');
    out.extend_from_slice(&prefix.0);
    if !prefix.0.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(head.get(1..).unwrap_or_default());
    // The version is the first member of `metadata`, the last, or between two.
    let leads = head.ends_with(b"{");
    if !leads {
        out.push(b',');
    }
    out.extend_from_slice(b"\"resourceVersion\":\"");
    text::int(out, i64::try_from(rev.0).unwrap_or(i64::MAX));
    out.push(b'"');
    if leads && !tail.starts_with(b"}") {
        out.push(b',');
    }
    out.extend_from_slice(tail);
}
