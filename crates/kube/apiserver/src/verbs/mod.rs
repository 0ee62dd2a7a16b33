//! One file for each verb, generic over the resource, and the table that leads from a request to its verb.

mod converter;
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
mod route;
mod token;
mod unfit;
mod update;
mod watch;
mod write_options;

pub(crate) use patch::{configuration, patch_bytes};
pub(crate) use update::check_name;
pub(crate) use write_options::{delete_options_of, write_options};

use std::sync::Arc;

use http::Response;
use schema::status::Status;

use crate::negotiate::respond;
use crate::server::State;
use crate::{Answer, Body, Call, Reply, Served, Verb, custom, special};

/// Carries out a request for a resource that is served, and encodes the answer.
///
/// # Errors
/// What the verb says.
pub(crate) async fn dispatch(state: &Arc<State>, call: &Call) -> Answer<Response<Body>> {
    let Some(served) = &call.served else {
        return Err(Status::no_such_resource().into());
    };
    let reply = carry_out(state, call, served).await?;
    Ok(respond(state, call, shown(state, reply).await?))
}

/// A reply with its object in the version that was asked for.
async fn shown(state: &State, reply: Reply) -> Answer<Reply> {
    match reply {
        Reply::Object { code, served, object } => {
            let object = custom::conversion::shown(state, &served, object).await?;
            Ok(Reply::Object { code, served, object })
        }
        other => Ok(other),
    }
}

async fn carry_out(state: &Arc<State>, call: &Call, served: &Served) -> Answer<Reply> {
    route::check(call, served)?;
    warn_of_deprecation(call, served);
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

/// Kinds that upstream advises against in this release, whatever is asked of them.
const DEPRECATED: [(&str, &str); 2] = [
    ("componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"),
    (
        "endpoints",
        "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ),
];

fn warn_of_deprecation(call: &Call, served: &Served) {
    let of = |row: &&(&str, &str)| served.def.group.is_empty() && served.def.plural == row.0;
    let builtin = DEPRECATED.iter().find(of).map(|row| row.1);
    if let Some(text) = builtin.or_else(|| served.deprecation()) {
        call.warnings.add(text);
    }
}
