//! What the server itself writes about an object's status.

use patch::managed::{self, Writer};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::object::{self, Obj};
use schema::resource::type_of_kind;
use schema::status::Status;
use schema::tree::Struct;
use schema::{json, row::TypeId};
use store::Expect;

use crate::Answer;
use crate::registry::{rfc3339, store_failed};
use crate::server::State;

/// A built-in kind whose status the server keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    /// Where its objects are stored.
    pub(crate) prefix: &'static str,
}

impl Kind {
    fn ty(&self) -> Option<TypeId> {
        type_of_kind(self.group, "v1", self.kind)
    }

    /// The tree of a stored object.
    pub(crate) fn read(&self, object: &Obj) -> Option<Struct> {
        let decoded = json::decode(&BUILTIN, self.ty()?, object.body(), json::Options::default());
        decoded.ok().map(|decoded| decoded.object)
    }

    /// Writes an object whose status has changed; false if somebody else was first, whose change will be seen too.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn write(
        &self,
        state: &State,
        object: &Obj,
        old: &Struct,
        mut new: Struct,
    ) -> Answer<bool> {
        let ty = self
            .ty()
            .ok_or_else(|| Status::internal(format!("no {}", self.kind)))?;
        let kind = managed::Kind {
            types: &BUILTIN,
            ty,
            api_version: self.api_version,
            served: &|_| true,
        };
        let writer = Writer {
            manager: "kube-apiserver",
            subresource: "status",
            time: &rfc3339(state.env.wall()),
            resets: &[&["spec"]],
        };
        managed::update(kind, Some(old), &mut new, &writer);
        let body = object::body(&BUILTIN, &new);
        let key = format!("{}{}", self.prefix, object.meta.name);
        let expect = Expect::At(store::Revision(object.rev.0));
        let written = if may_go(&new) {
            state.store.delete(key.as_str().into(), expect).await.map(drop)
        } else {
            state.store.put(key.as_str().into(), body, expect).await.map(drop)
        };
        match written {
            Ok(()) => Ok(true),
            Err(store::Error::RevisionMismatch { .. }) => Ok(false),
            Err(error) => Err(store_failed(&error)),
        }
    }
}

/// An object whose deletion has begun goes with its last finalizer.
fn may_go(object: &Struct) -> bool {
    let metadata = Ref::new(&BUILTIN, object).at("metadata");
    metadata.at("deletionTimestamp").exists() && metadata.at("finalizers").is_empty()
}
