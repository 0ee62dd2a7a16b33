//! PUT of an object, or of its `status` and other paths whose body is the object.

use http::StatusCode;
use schema::cursor::Ref;
use schema::row::Types;
use schema::status::Status;
use schema::tree::Struct;

use super::write_options::write_options;
use crate::negotiate::{Expected, decode};
use crate::registry::{self, Op, Plan, convert, ensure_namespace};
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// Replaces the object.
///
/// # Errors
/// What the body, admission, the kind's rules and the store say.
pub(super) async fn update(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let options = write_options(call, "UpdateOptions", None)?;
    let api_version = served.api_version();
    let expected = Expected {
        types: &served.def.types,
        ty: served.version().schema,
        api_version: &api_version,
        kind: &served.def.kind,
    };
    let mut tree = decode(call, &call.body, expected, options.fields)?;
    let op = Op::new(state, call, served, options);
    op.complete(&mut tree);
    ensure_namespace(op.types(), &mut tree, op.namespace)?;
    check_name(op.types(), &tree, &op.name)?;
    let tree = convert::to_stored(served, tree)?;
    let uid = Ref::new(op.types(), &tree)
        .path("metadata.uid")
        .text()
        .map(str::to_owned);
    let plan = Plan {
        may_create: op.strategy.create_on_update && op.subresource.is_empty(),
        uid: uid.filter(|uid| !uid.is_empty()),
        by_rules: true,
        view: None,
        make: |_: Option<&registry::Live>| Ok(tree.clone()),
    };
    reply(&op, registry::update(&op, plan).await?)
}

/// 201 of an object that was not there before, else 200.
///
/// # Errors
/// 500 when the object cannot be had in the served version.
pub(super) fn reply(op: &Op<'_>, updated: registry::Updated) -> Answer<Reply> {
    let code = if updated.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    updated.stored.reply(op.served, code)
}

/// The name in a body must be that of the path.
///
/// # Errors
/// 400
pub(crate) fn check_name(types: &Types, tree: &Struct, name: &str) -> Answer<()> {
    let own = Ref::new(types, tree).path("metadata.name").str();
    if own.is_empty() {
        let why =
            format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
        return Err(Status::bad_request(why).into());
    }
    if own != name {
        let why = format!("the name of the object ({own}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(why).into());
    }
    Ok(())
}
