//! What the server itself writes about a definition.

use patch::managed::{self, Kind, Writer};
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::object::{self, Obj};
use schema::resource::type_of_kind;
use schema::status::Status;
use schema::tree::{Struct, Value};
use schema::{json, row::TypeId};
use store::Expect;

use super::names::Accepted;
use super::{GROUP, PREFIX};
use crate::Answer;
use crate::registry::{rfc3339, store_failed};
use crate::server::State;

const API_VERSION: &str = "apiextensions.k8s.io/v1";

fn definition_type() -> Option<TypeId> {
    type_of_kind(GROUP, "v1", "CustomResourceDefinition")
}

/// The tree of a stored definition.
pub(super) fn read(object: &Obj) -> Option<Struct> {
    let decoded = json::decode(
        &BUILTIN,
        definition_type()?,
        object.body(),
        json::Options::default(),
    );
    decoded.ok().map(|decoded| decoded.object)
}

/// Now, as objects show it.
pub(super) fn now(state: &State) -> String {
    rfc3339(state.env.wall())
}

/// Writes a definition whose status has changed; false if somebody else was first, whose change will be seen too.
///
/// # Errors
/// The store's.
pub(super) async fn write(state: &State, object: &Obj, old: &Struct, mut new: Struct) -> Answer<bool> {
    let Some(ty) = definition_type() else {
        return Err(Status::internal("no CustomResourceDefinition").into());
    };
    let kind = Kind {
        types: &BUILTIN,
        ty,
        api_version: API_VERSION,
        served: &|_| true,
    };
    let writer = Writer {
        manager: "kube-apiserver",
        subresource: "status",
        time: &now(state),
        resets: &[&["spec"]],
    };
    managed::update(kind, Some(old), &mut new, &writer);
    let body = object::body(&BUILTIN, &new);
    let key = format!("{PREFIX}{}", object.meta.name);
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

/// A definition whose deletion has begun goes with its last finalizer.
fn may_go(definition: &Struct) -> bool {
    let metadata = Ref::new(&BUILTIN, definition).at("metadata");
    metadata.at("deletionTimestamp").exists() && metadata.at("finalizers").is_empty()
}

/// Sets `status.acceptedNames`.
pub(super) fn set_names(definition: &mut Struct, names: &Accepted) {
    let mut set = |name: &str, text: &str| {
        let path = format!("status.acceptedNames.{name}");
        match text {
            "" => drop(cursor::remove(&BUILTIN, definition, &path)),
            text => cursor::set(&BUILTIN, definition, &path, Value::str(text)),
        }
    };
    set("plural", &names.plural);
    set("singular", &names.singular);
    set("kind", &names.kind);
    set("listKind", &names.list_kind);
    for (name, texts) in [
        ("shortNames", &names.short_names),
        ("categories", &names.categories),
    ] {
        let path = format!("status.acceptedNames.{name}");
        let list: Vec<Value> = texts.iter().map(|text| Value::str(text)).collect();
        match list.is_empty() {
            true => drop(cursor::remove(&BUILTIN, definition, &path)),
            false => cursor::set(&BUILTIN, definition, &path, Value::List(list)),
        }
    }
}
