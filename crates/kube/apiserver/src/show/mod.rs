//! Discovery, OpenAPI, version, and Tables of what is read. (SHOW)

use std::sync::Arc;

use http::{Response, StatusCode};
use schema::object::Obj;
use schema::status::Status;

use crate::negotiate::{Accepted, Convert};
use crate::server::State;
use crate::{Answer, Body, Call, Served};

/// Answers the paths that describe the API; none if the path is no such.
#[expect(clippy::unnecessary_wraps, reason = "SHOW fills this in")]
pub(crate) fn answer(_state: &Arc<State>, _call: &Call) -> Answer<Option<Response<Body>>> {
    Ok(None)
}

/// An object as a Table or as its metadata.
pub(crate) fn object(
    _call: &Call,
    _served: &Served,
    _object: &Obj,
    _to: &Convert,
    _accepted: &Accepted,
    _code: StatusCode,
) -> Answer<Response<Body>> {
    Err(Status::not_acceptable(&["application/json"]).into())
}
