//! What the server says of itself (discovery, version), and what it shows of objects besides themselves: Tables and
//! partial objects.

mod documents;

use http::{Response, StatusCode};
use schema::object::Obj;
use schema::status::Status;

use crate::negotiate::{Accepted, Convert};
use crate::server::State;
use crate::{Answer, Body, Call, Served};

pub(crate) use documents::Documents;

/// Answers the paths that describe the API; none if the path is no such.
pub(crate) fn answer(state: &State, call: &Call) -> Option<Response<Body>> {
    state.documents.answer(state, call)
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
