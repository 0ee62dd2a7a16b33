//! Discovery, OpenAPI, version, and Tables of what is read. (SHOW)

mod view;

pub(crate) use view::{View, list, object};

use std::sync::Arc;

use http::Response;

use crate::server::State;
use crate::{Answer, Body, Call};

/// Answers the paths that describe the API; none if the path is no such.
#[expect(clippy::unnecessary_wraps, reason = "SHOW fills this in")]
pub(crate) fn answer(_state: &Arc<State>, _call: &Call) -> Answer<Option<Response<Body>>> {
    Ok(None)
}
