//! What the server says of itself (discovery, version), and what it shows of objects besides themselves: Tables and
//! partial objects.

mod documents;
mod unstored;
mod view;

use http::Response;

use crate::server::State;
use crate::{Body, Call};

pub(crate) use documents::Documents;
pub(crate) use unstored::{Unstored, unstored};
pub(crate) use view::{View, list, object};

/// Answers the paths that describe the API; none if the path is no such.
pub(crate) fn answer(state: &State, call: &Call) -> Option<Response<Body>> {
    state.documents.answer(state, call)
}
