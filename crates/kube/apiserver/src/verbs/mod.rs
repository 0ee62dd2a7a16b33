//! One file for each verb, generic over the resource, and the table that leads from a request to its verb.

mod create;
mod delete;
mod delete_collection;
mod frame;
mod get;
pub(crate) mod list;
mod list_body;
pub(crate) mod options;
mod patch;
mod read_error;
mod token;
mod update;
mod watch;
mod write_options;

pub(crate) use patch::patch_bytes;
pub(crate) use write_options::{delete_options_of, write_options};

use std::sync::Arc;

use http::Response;
use schema::resource::Verbs;
use schema::status::Status;

use crate::negotiate::respond;
use crate::server::State;
use crate::special;
use crate::{Answer, Body, Call, Reply, Served, Verb};

/// Carries out a request for a resource that is served, and encodes the answer.
///
/// # Errors
/// What the verb says.
pub(crate) async fn dispatch(state: &Arc<State>, call: &Call) -> Answer<Response<Body>> {
    let Some(served) = &call.served else {
        return Err(Status::no_such_resource().into());
    };
    Ok(respond(state, call, carry_out(state, call, served).await?))
}

async fn carry_out(state: &Arc<State>, call: &Call, served: &Served) -> Answer<Reply> {
    if !allows(call, served) {
        return Err(Status::method_not_allowed().into());
    }
    if let Some(answer) = special::dispatch(state, call, served).await {
        return answer;
    }
    match call.info.verb {
        Verb::Get => get::get(state, call).await,
        Verb::List => list::list(state, call).await,
        Verb::Watch => watch::watch(state, call).await,
        Verb::Create => create::create(state, call, served).await,
        Verb::Update => update::update(state, call, served).await,
        Verb::Patch => patch::patch(state, call, served).await,
        Verb::Delete => delete::delete(state, call, served).await,
        Verb::DeleteCollection => delete_collection::delete_collection(state, call, served).await,
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
