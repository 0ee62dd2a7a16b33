//! One file for each verb, generic over the resource, and the table that leads from a request to its verb.

mod admit;
mod create;
mod delete;
mod frame;
mod get;
pub(crate) mod list;
mod list_body;
pub(crate) mod options;
mod read_error;
mod token;
mod update;
mod watch;
mod write_options;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use schema::resource::Verbs;
use schema::status::Status;

use crate::negotiate::respond;
use crate::server::State;
use crate::{Answer, Body, Call, Refused, Reply, Served, Verb};

/// Carries out a request for a resource and encodes the answer.
pub(crate) async fn dispatch(state: &Arc<State>, call: Call) -> Response<Body> {
    let reply = match call.served.clone() {
        Some(served) => carry_out(state, &call, &served).await,
        None => Ok(unknown(state, &call)),
    };
    let reply = reply.unwrap_or_else(|Refused(status)| Reply::Status(status));
    respond(state, &call, reply)
}

async fn carry_out(state: &Arc<State>, call: &Call, served: &Served) -> Answer<Reply> {
    if !allows(call, served) {
        return Err(Status::method_not_allowed().into());
    }
    match call.info.verb {
        Verb::Get => get::get(state, call).await,
        Verb::List => list::list(state, call).await,
        Verb::Watch => watch::watch(state, call).await,
        Verb::Create => create::create(state, call, served).await,
        Verb::Update => update::update(state, call, served).await,
        Verb::Delete => delete::delete(state, call, served).await,
        _ => Err(Status::method_not_allowed().into()),
    }
}

/// Whether the path has the method. A collection's path is the one without a name.
fn allows(call: &Call, served: &Served) -> bool {
    let version = served.version();
    let (needed, named) = match call.info.verb {
        Verb::Get => (Verbs::GET, true),
        Verb::List => (Verbs::LIST, false),
        Verb::Watch => (Verbs::WATCH, false),
        Verb::Create => (Verbs::CREATE, false),
        Verb::Update => (Verbs::UPDATE, true),
        Verb::Patch => (Verbs::PATCH, true),
        Verb::Delete => (Verbs::DELETE, true),
        Verb::DeleteCollection => (Verbs::DELETECOLLECTION, false),
        Verb::Proxy | Verb::Method(_) => return false,
    };
    let own_name = call.info.parts.get(1).is_some_and(|name| !name.is_empty());
    if call.info.subresource.is_empty() {
        return version.verbs.contains(needed) && (own_name == named || call.info.verb == Verb::Watch);
    }
    let mut below = version.subresources.iter();
    below.any(|subresource| subresource.name == call.info.subresource && subresource.verbs.contains(needed))
}

/// 404: a Status if the group and version are served, else plain text as for any path.
fn unknown(state: &State, call: &Call) -> Reply {
    let info = &call.info;
    let serves = |served: &Served| served.def.group == info.group && served.version().name == info.version;
    if state.resources.all().iter().any(serves) {
        return Status::no_such_resource().into();
    }
    Reply::Http(not_found())
}

/// What a path gets that means nothing.
pub(crate) fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::full("404 page not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
