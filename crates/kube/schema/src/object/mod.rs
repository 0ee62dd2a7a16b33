//! Object bytes: how an object is stored, kept in memory and served (`docs/formats/object-bytes.md`).
//!
//! One [`Obj`] per revision is shared by the watch cache, all watchers and all controllers. Its
//! body is what the store holds and what clients get, apart from three members: `kind` and
//! `apiVersion`, which every object of a resource shares, and `metadata.resourceVersion`, which is
//! not known until the object is stored. An answer is the body with these spliced in; nothing is
//! decoded and encoded again.
//!
//! The version that custom resources are stored in changes with their definition, and what is stored already does
//! not: so their bodies stand behind the name of their version.

mod meta;
mod scan;
mod splice;

pub use meta::{Labels, Meta, OwnerReference};
pub use scan::{ScanError, metadata, scan};
pub use splice::{Prefix, splice};

use crate::json::encode_body;
use crate::row::Types;
use crate::tree::Struct;
use bytes::Bytes;
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// The order in which a body has its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As Go declares them: built-in kinds.
    Declared,
    /// By name: custom resources, which upstream holds in maps.
    Sorted,
}

impl Order {
    /// The order in which objects of these types are printed.
    pub fn of(types: &Types) -> Self {
        if types.is_custom() {
            Self::Sorted
        } else {
            Self::Declared
        }
    }
}

/// A store revision, which is also what `resourceVersion` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A lean, typed reading of an object, made once per revision and shared.
///
/// A resource has one view type; the scheduler's view of a pod, for example, is what filters and
/// scores look at.
pub trait View: Any + Send + Sync + Sized {
    /// Reads what the view needs from a body.
    ///
    /// # Errors
    /// A body that is not an object of the view's kind.
    fn read(meta: &Meta, body: &[u8]) -> Result<Self, ScanError>;
}

/// One object at one revision.
#[derive(Debug)]
pub struct Obj {
    /// The store's key: `/registry/pods/default/web-0` without the resource's prefix.
    pub key: Box<str>,
    /// The revision that wrote it.
    pub rev: Revision,
    /// What generic code needs to know.
    pub meta: Meta,
    /// The version that the body is of, of a custom resource: `v1beta1`. Empty where the resource's row says it.
    pub version: Box<str>,
    body: Bytes,
    rv_at: usize,
    view: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Obj {
    /// Wraps what the store holds: a body, behind the name of its version if it is a custom resource's.
    ///
    /// # Errors
    /// See [`scan()`].
    pub fn new(key: &str, rev: Revision, value: Bytes, order: Order) -> Result<Self, ScanError> {
        let at = match order {
            Order::Declared => 0,
            Order::Sorted => version_length(&value),
        };
        let version = String::from_utf8_lossy(&value[..at]).into();
        Self::of_version(key, rev, version, value.slice(at..), order)
    }

    fn of_version(
        key: &str,
        rev: Revision,
        version: Box<str>,
        body: Bytes,
        order: Order,
    ) -> Result<Self, ScanError> {
        let (meta, rv_at) = scan(&body, order)?;
        Ok(Self {
            key: key.into(),
            rev,
            meta,
            version,
            body,
            rv_at,
            view: OnceLock::new(),
        })
    }

    /// The object's bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the store holds just this ([`stored()`]).
    pub fn is_stored_as(&self, value: &[u8]) -> bool {
        value.strip_prefix(self.version.as_bytes()) == Some(&*self.body)
    }

    /// The same custom resource at the same revision as another version has it.
    ///
    /// # Errors
    /// See [`scan()`].
    pub fn converted(&self, version: &str, body: Bytes) -> Result<Self, ScanError> {
        Self::of_version(&self.key, self.rev, version.into(), body, Order::Sorted)
    }

    /// The bytes a client gets: as a single object, in a watch event, or (with
    /// [`Prefix::none`]) as an item of a typed list.
    pub fn served(&self, prefix: &Prefix) -> Vec<u8> {
        splice(prefix, &self.body, self.rv_at, self.rev)
    }

    /// The same bytes, appended to a buffer.
    pub fn serve_into(&self, prefix: &Prefix, out: &mut Vec<u8>) {
        splice::splice_into(out, prefix, &self.body, self.rv_at, self.rev);
    }

    /// The same body under another revision: a deleted object is shown as it was last, at the revision that
    /// deleted it.
    #[must_use]
    pub fn at(&self, rev: Revision) -> Self {
        Self {
            key: self.key.clone(),
            rev,
            meta: self.meta.clone(),
            version: self.version.clone(),
            body: self.body.clone(),
            rv_at: self.rv_at,
            view: OnceLock::new(),
        }
    }

    /// The object's view, read on first demand.
    ///
    /// # Errors
    /// What [`View::read`] says, or [`ScanError::View`] when the object already has a view of
    /// another type: a resource has one.
    pub fn view<V: View>(&self) -> Result<Arc<V>, ScanError> {
        let shared = match self.view.get() {
            Some(view) => view.clone(),
            None => {
                let view: Arc<dyn Any + Send + Sync> = Arc::new(V::read(&self.meta, &self.body)?);
                // Two threads may read at once; both then share the first one's view.
                self.view.get_or_init(|| view).clone()
            }
        };
        shared.downcast().map_err(|_| ScanError::View)
    }
}

/// The most bytes that the name of a version has (a DNS label).
const MAX_VERSION: usize = 63;

/// How long the name of the version is that a body stands behind.
fn version_length(value: &[u8]) -> usize {
    let mut start = value.iter().take(MAX_VERSION + 1);
    start.position(|byte| *byte == b'{').unwrap_or(0)
}

/// What the store holds of a custom resource: the name of the version, and the body in that version.
pub fn stored(version: &str, body: &[u8]) -> Bytes {
    [version.as_bytes(), body].concat().into()
}

/// The body of a decoded object.
pub fn body(types: &Types, object: &Struct) -> Bytes {
    Bytes::from(encode_body(types, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_resources_say_which_version_they_were_stored_in() {
        let body: &[u8] = br#"{"metadata":{"name":"a"},"spec":{}}"#;
        let read = |value: Bytes, order| Obj::new("a", Revision(3), value, order).unwrap();
        let value = stored("v1beta1", body);
        let custom = read(value.clone(), Order::Sorted);
        assert_eq!((&*custom.version, &**custom.body()), ("v1beta1", body));
        assert!(custom.is_stored_as(&value) && !custom.is_stored_as(&stored("v1", body)));
        let plain = read(Bytes::from_static(body), Order::Declared);
        assert_eq!((&*plain.version, &**plain.body()), ("", body));
        assert!(plain.is_stored_as(body));
        let other = custom.converted("v1", Bytes::from_static(br#"{"metadata":{"name":"a"}}"#));
        let other = other.unwrap();
        assert_eq!(
            (&*other.version, other.rev, &*other.meta.name),
            ("v1", Revision(3), "a")
        );
        assert_eq!(&*custom.at(Revision(9)).version, "v1beta1");
        assert!(Obj::new("a", Revision(1), Bytes::from_static(b"v1"), Order::Sorted).is_err());
    }
}
