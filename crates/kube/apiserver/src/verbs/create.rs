//! POST to a collection.

use http::StatusCode;
use schema::cursor::Ref;

use super::write_options::write_options;
use crate::negotiate::{Expected, decode};
use crate::registry::{self, Op, convert, ensure_namespace};
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// Creates what the body describes.
///
/// # Errors
/// What the body, admission, the kind's rules and the store say.
pub(super) async fn create(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let options = write_options(call, "CreateOptions", None)?;
    let api_version = served.api_version();
    let expected = Expected {
        types: &served.def.types,
        ty: served.version().schema,
        api_version: &api_version,
        kind: &served.def.kind,
    };
    let mut tree = decode(call, &call.body, expected, options.fields)?;
    let mut op = Op::new(state, call, served, options);
    op.complete(&mut tree);
    ensure_namespace(op.types(), &mut tree, op.namespace)?;
    op.name = Ref::new(op.types(), &tree).path("metadata.name").str().to_owned();
    let tree = convert::to_stored(served, tree)?;
    let stored = registry::create(&op, tree).await?;
    stored.reply(served, StatusCode::CREATED)
}
