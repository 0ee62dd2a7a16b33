//! The one place where objects change their version: stored bytes ↔ the tree of the version that a client speaks.
//!
//! Nearly every resource is served in the version that it is stored in, and nothing happens here. Of the built-in
//! ones two differ: events of `events.k8s.io` are stored as core events, and `autoscaling/v1` autoscalers as `v2`.
//! Objects of a custom resource say which version they were stored in; versions of it differ in `apiVersion` alone
//! (conversion `None`), or a webhook knows how (`custom::conversion`), which is asked before anything here.

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
use crate::{Answer, Refused, Served, custom};

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

/// The version that an object's bytes are of.
pub(crate) fn version_of<'a>(served: &'a Served, object: &'a Obj) -> &'a str {
    match &*object.version {
        "" => &served.def.storage_version.version,
        own => own,
    }
}

/// Whether an object's bytes are what the served version shows: they are of that version, and a custom resource's
/// schema has not changed since.
pub(crate) fn is_verbatim(served: &Served, object: &Obj) -> bool {
    match served.custom() {
        None => is_stored(served),
        Some(custom) => is_own(served, object) && object.rev > custom.since,
    }
}

/// Whether an object's bytes are of the served version.
pub(crate) fn is_own(served: &Served, object: &Obj) -> bool {
    version_of(served, object) == served.version().name
}

fn body_type(served: &Served, object: &Obj) -> Answer<TypeId> {
    let Some(version) = Some(&*object.version).filter(|version| !version.is_empty()) else {
        return Ok(stored_type(served));
    };
    let row = served.def.version(version);
    Ok(row
        .ok_or_else(|| unknown_version(served, "from", version))?
        .schema)
}

/// 500: the definition has no such version.
pub(crate) fn unknown_version(served: &Served, way: &str, version: &str) -> Refused {
    let group = &served.def.group;
    let why = format!("request to convert CR {way} an invalid group/version: {group}/{version}");
    Status::failure(500, "", why).into()
}

/// A body as a tree of its own version, complete with what a body leaves out; a custom resource's with the defaults
/// that its schema has come to have.
///
/// # Errors
/// 500 for bytes that are no object of the resource.
pub(crate) fn stored_tree(served: &Served, object: &Obj) -> Answer<Struct> {
    let types = &served.def.types;
    let decoded = json::decode(
        types,
        body_type(served, object)?,
        object.body(),
        Options::default(),
    );
    let mut tree = decoded.map_err(Status::internal)?.object;
    set_version(types, &mut tree, object);
    if let Some(version) = served.custom_version_of(version_of(served, object))
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
    if !is_own(served, object) {
        custom::conversion::needs_none(served, version_of(served, object))?;
    }
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

/// What the store shall hold of a tree that the registry works on.
///
/// # Errors
/// 500
pub(crate) fn value(served: &Served, tree: &Struct) -> Answer<Bytes> {
    let types = &served.def.types;
    let Some(storage) = served.custom_version_of(&served.def.storage_version.version) else {
        return Ok(object::body(types, tree));
    };
    if is_stored(served) {
        return Ok(stored_value(served, tree));
    }
    let mut stored = edge::convert(types, tree.clone(), stored_type(served))?;
    custom::settle(storage, types, &mut stored);
    Ok(stored_value(served, &stored))
}

/// What the store shall hold of a custom resource's tree of the stored version.
pub(crate) fn stored_value(served: &Served, tree: &Struct) -> Bytes {
    let body = object::body(&served.def.types, tree);
    object::stored(&served.def.storage_version.version, &body)
}
