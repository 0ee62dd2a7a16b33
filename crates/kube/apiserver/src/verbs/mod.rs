//! One file for each verb, generic over the resource. (WRITE: create update patch delete delete_collection; READ: get list watch)

use std::sync::Arc;

use http::Response;
use schema::status::Status;

use crate::server::State;
use crate::{Answer, Body, Call};

/// Carries out a request for a resource that is served.
#[expect(clippy::unused_async, reason = "WRITE fills this in")]
pub(crate) async fn dispatch(_state: &Arc<State>, call: &Call) -> Answer<Response<Body>> {
    let Some(served) = &call.served else {
        return Err(Status::no_such_resource().into());
    };
    Err(Status::method_not_supported(served.group_resource(), call.info.verb.name()).into())
}
