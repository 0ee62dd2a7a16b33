//! An object as a webhook sees it: JSON of the version that the webhook's rule names.

use schema::cursor::{self, Ref};
use schema::defaults;
use schema::json::{self, Options};
use schema::row::Types;
use schema::status::Status;
use schema::tree::{Struct, Value};

use super::super::Request;
use super::matching::Told;
use crate::registry::convert;
use crate::{Answer, Served};

/// Whether the object is the resource's own, and not an option, a Scale or a Binding.
fn is_own(request: &Request<'_>) -> bool {
    *request.kind.kind == *request.op.served.def.kind
}

/// The resource in the version that is told.
pub(super) fn served<'a>(request: &Request<'a>, told: &'a Told) -> &'a Served {
    told.as_ref().unwrap_or(request.op.served)
}

/// The kind that is told: group, version, kind.
pub(super) fn kind<'a>(request: &Request<'a>, told: &'a Told) -> [&'a str; 3] {
    if is_own(request) {
        let served = served(request, told);
        return [&served.def.group, &served.version().name, &served.def.kind];
    }
    [request.kind.group, request.kind.version, request.kind.kind]
}

/// The object's JSON.
///
/// # Errors
/// 500 where it cannot be had in that version.
pub(super) fn encode(request: &Request<'_>, told: &Told, object: Ref<'_>) -> Answer<String> {
    let Some(tree) = object.object() else {
        return Ok("null".to_owned());
    };
    let tree = in_version(request, told, tree.clone())?;
    Ok(Ref::new(request.types, &tree).json())
}

/// A tree of the stored version as one of the told version, with its kind.
///
/// # Errors
/// 500 where it cannot be had in that version.
pub(in crate::admission) fn in_version(
    request: &Request<'_>,
    told: &Told,
    mut tree: Struct,
) -> Answer<Struct> {
    if is_own(request) {
        return convert::from_stored(served(request, told), tree);
    }
    let [group, version, kind] = kind(request, told);
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    cursor::set(request.types, &mut tree, "apiVersion", Value::str(&api_version));
    cursor::set(request.types, &mut tree, "kind", Value::str(kind));
    Ok(tree)
}

/// The object that a patched JSON is, in the stored version, with its defaults.
///
/// # Errors
/// 500 where it is none of its kind any more.
pub(in crate::admission) fn decode(
    request: &Request<'_>,
    told: &Told,
    was: &Struct,
    json: &[u8],
) -> Answer<Struct> {
    let own = is_own(request);
    let ty = if own {
        served(request, told).version().schema
    } else {
        was.ty
    };
    let decoded = json::decode(request.types, ty, json, Options::default());
    let mut tree = decoded.map_err(Status::internal)?.object;
    default(request, request.types, &mut tree, own);
    if own {
        return convert::to_stored(served(request, told), tree);
    }
    Ok(tree)
}

fn default(request: &Request<'_>, types: &Types, tree: &mut Struct, own: bool) {
    defaults::apply(types, tree);
    if own {
        (request.op.strategy.default)(types, tree);
    }
}
