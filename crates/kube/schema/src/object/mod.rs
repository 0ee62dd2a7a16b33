//! Object bytes: how an object is stored, kept in memory and served (`docs/formats/object-bytes.md`).
//!
//! One [`Obj`] per revision is shared by the watch cache, all watchers and all controllers. Its
//! body is what the store holds and what clients get, apart from three members: `kind` and
//! `apiVersion`, which every object of a resource shares, and `metadata.resourceVersion`, which is
//! not known until the object is stored. An answer is the body with these spliced in; nothing is
//! decoded and encoded again.

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
    body: Bytes,
    rv_at: usize,
    view: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Obj {
    /// Wraps a stored body.
    ///
    /// # Errors
    /// See [`scan()`].
    pub fn new(key: &str, rev: Revision, body: Bytes, order: Order) -> Result<Self, ScanError> {
        let (meta, rv_at) = scan(&body, order)?;
        Ok(Self {
            key: key.into(),
            rev,
            meta,
            body,
            rv_at,
            view: OnceLock::new(),
        })
    }

    /// The stored bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
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

/// The stored body of a decoded object.
pub fn body(types: &Types, object: &Struct) -> Bytes {
    Bytes::from(encode_body(types, object))
}
