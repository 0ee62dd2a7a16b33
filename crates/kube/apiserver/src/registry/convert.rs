//! The one place where objects change their version: stored bytes ↔ the tree of the version that a client speaks.
//!
//! Nearly every resource is served in the version that it is stored in, and nothing happens here. Of the built-in
//! ones two differ: events of `events.k8s.io` are stored as core events, and `autoscaling/v1` autoscalers as `v2`.
//! Other versions of a custom resource differ in `apiVersion` alone (conversion `None`).

use bytes::Bytes;
use schema::cursor;
use schema::defaults;
use schema::json::{self, Options};
use schema::object::{self, Obj};
use schema::resource::by_resource;
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::{Struct, Value};

use super::edge;
use crate::{Answer, Served, custom};

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

/// Whether an object's stored bytes are what the served version shows: it is the stored version, and a custom
/// resource's schema has not changed since.
pub(crate) fn is_verbatim(served: &Served, object: &Obj) -> bool {
    is_stored(served) && served.custom().is_none_or(|custom| object.rev > custom.since)
}

/// A stored body as a tree of the stored version, complete with what a body leaves out; a custom resource's with the
/// defaults that its schema has come to have.
///
/// # Errors
/// 500 for bytes that are no object of the resource.
pub(crate) fn stored_tree(served: &Served, object: &Obj) -> Answer<Struct> {
    let types = &served.def.types;
    let decoded = json::decode(types, stored_type(served), object.body(), Options::default());
    let mut tree = decoded.map_err(Status::internal)?.object;
    set_version(types, &mut tree, object);
    if let Some(version) = served.stored_custom_version()
        && served.custom().is_some_and(|custom| object.rev <= custom.since)
    {
        custom::settle(version, types, &mut tree);
        defaults::apply(types, &mut tree);
    }
    Ok(tree)
}

fn set_version(types: &Types, tree: &mut Struct, object: &Obj) {
    let revision = object.rev.0.to_string();
    cursor::set(types, tree, "metadata.resourceVersion", Value::str(&revision));
}

/// An object as the registry works on it: a tree of the stored version, or, of a custom resource, of the served one,
/// whose schema judges it.
///
/// # Errors
/// 500 for bytes that are no object of the resource.
pub(crate) fn live(served: &Served, object: &Obj) -> Answer<Struct> {
    match served.custom() {
        Some(_) => tree(served, object),
        None => stored_tree(served, object),
    }
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
    if is_verbatim(served, object) {
        return Ok(object.served(&served.prefix));
    }
    let mut out = Vec::new();
    json::encode(&served.def.types, &tree(served, object)?, &mut out);
    Ok(out)
}

/// A tree of the stored version as one of the served version; one of that stays as it is.
///
/// # Errors
/// 500
pub(crate) fn from_stored(served: &Served, tree: Struct) -> Answer<Struct> {
    let (types, wanted) = (&served.def.types, served.version().schema);
    let mut tree = if tree.ty == wanted {
        tree
    } else {
        let mut made = edge::convert(types, tree, wanted)?;
        if let Some(version) = served.custom_version() {
            custom::settle(version, types, &mut made);
        }
        made
    };
    cursor::set(
        types,
        &mut tree,
        "apiVersion",
        Value::Str(served.api_version().into()),
    );
    cursor::set(types, &mut tree, "kind", Value::str(&served.def.kind));
    Ok(tree)
}

/// A tree of the served version as the registry works on it.
///
/// # Errors
/// 500
pub(crate) fn to_stored(served: &Served, tree: Struct) -> Answer<Struct> {
    if is_stored(served) || served.custom().is_some() {
        return Ok(tree);
    }
    edge::convert(&served.def.types, tree, stored_type(served))
}

/// The bytes in which a tree that the registry works on is stored.
///
/// # Errors
/// 500
pub(crate) fn body(served: &Served, tree: &Struct) -> Answer<Bytes> {
    let types = &served.def.types;
    if served.custom().is_none() || tree.ty == stored_type(served) {
        return Ok(object::body(types, tree));
    }
    let mut stored = edge::convert(types, tree.clone(), stored_type(served))?;
    if let Some(version) = served.stored_custom_version() {
        custom::settle(version, types, &mut stored);
    }
    Ok(object::body(types, &stored))
}
