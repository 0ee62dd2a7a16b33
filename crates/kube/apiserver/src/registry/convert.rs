//! The one place where objects change their version: stored bytes ↔ the tree of the version that a client speaks.
//!
//! Nearly every resource is served in the version that it is stored in, and nothing happens here. Of the built-in
//! ones two differ: events of `events.k8s.io` are stored as core events, and `autoscaling/v1` autoscalers as `v2`.
//! Other versions of a custom resource differ in `apiVersion` alone (conversion `None`).

use schema::cursor;
use schema::json::{self, Options};
use schema::object::Obj;
use schema::resource::by_resource;
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::{Struct, Value};

use super::edge;
use crate::{Answer, Served};

/// The type that objects of the resource are stored as.
pub(crate) fn stored_type(served: &Served) -> TypeId {
    let storage = &served.def.storage_version;
    let stored = if storage.group == served.def.group {
        served.def.version(&storage.version)
    } else {
        by_resource(&storage.group, &storage.version, &served.def.plural).map(|(_, version)| version)
    };
    stored.map_or(served.version().schema, |version| version.schema)
}

/// Whether the served version is the stored one.
pub(crate) fn is_stored(served: &Served) -> bool {
    let storage = &served.def.storage_version;
    storage.group == served.def.group && storage.version == served.version().name
}

/// A stored body as a tree of the stored version, complete with what a body leaves out.
///
/// # Errors
/// 500 for bytes that are no object of the resource.
pub(crate) fn stored_tree(served: &Served, object: &Obj) -> Answer<Struct> {
    let decoded = json::decode(
        &served.def.types,
        stored_type(served),
        object.body(),
        Options::default(),
    );
    let mut tree = decoded.map_err(Status::internal)?.object;
    set_version(&served.def.types, &mut tree, object);
    Ok(tree)
}

fn set_version(types: &Types, tree: &mut Struct, object: &Obj) {
    let revision = object.rev.0.to_string();
    cursor::set(types, tree, "metadata.resourceVersion", Value::str(&revision));
}

/// An object as a tree of the served version, with its kind.
///
/// # Errors
/// 500 for bytes that are no object of the resource.
pub(crate) fn tree(served: &Served, object: &Obj) -> Answer<Struct> {
    from_stored(served, stored_tree(served, object)?)
}

/// An object as the JSON that a client gets.
///
/// # Errors
/// 500 for bytes that are no object of the resource.
pub(crate) fn bytes(served: &Served, object: &Obj) -> Answer<Vec<u8>> {
    if is_stored(served) {
        return Ok(object.served(&served.prefix));
    }
    let mut out = Vec::new();
    json::encode(&served.def.types, &tree(served, object)?, &mut out);
    Ok(out)
}

/// A tree of the stored version as one of the served version.
///
/// # Errors
/// 500
pub(crate) fn from_stored(served: &Served, tree: Struct) -> Answer<Struct> {
    let mut tree = if is_stored(served) {
        tree
    } else {
        edge::convert(&served.def.types, tree, served.version().schema)?
    };
    let types = &served.def.types;
    cursor::set(
        types,
        &mut tree,
        "apiVersion",
        Value::Str(served.api_version().into()),
    );
    cursor::set(types, &mut tree, "kind", Value::str(&served.def.kind));
    Ok(tree)
}

/// A tree of the served version as one of the stored version.
///
/// # Errors
/// 500
pub(crate) fn to_stored(served: &Served, tree: Struct) -> Answer<Struct> {
    if is_stored(served) {
        return Ok(tree);
    }
    edge::convert(&served.def.types, tree, stored_type(served))
}
