//! GET of one object.

use http::StatusCode;
use schema::status::Status;

use super::options::parse_revision;
use super::read_error;
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// Reads an object: as of now, or, where a resource version is given, not older than that.
///
/// # Errors
/// 404; 400 for a version that is none; 504 for one that has not happened.
pub(crate) async fn get(state: &State, call: &Call) -> Answer<Reply> {
    refuse_export(call)?;
    let (cache, served, info) = (&state.cache, call.served()?, &call.info);
    let (prefix, key) = (
        served.key_prefix(),
        key_below(served, &info.namespace, &info.name),
    );
    let version = call.query.get("resourceVersion").unwrap_or_default();
    let found = if version.is_empty() {
        cache.get(&prefix, &key).await
    } else {
        let revision = parse_revision(version, "")?;
        let waited = cache.wait(revision).await;
        waited.map(|()| cache.snapshot(&prefix).get(&key).cloned())
    };
    let object = found.map_err(|error| read_error::status(&error, None))?;
    let object = object.ok_or_else(|| Status::not_found(served.group_resource(), &info.name))?;
    Ok(Reply::Object {
        code: StatusCode::OK,
        served: served.clone(),
        object,
    })
}

/// An object's key below the collection's prefix.
fn key_below(served: &Served, namespace: &str, name: &str) -> String {
    if served.namespaced() {
        format!("{namespace}/{name}")
    } else {
        name.to_owned()
    }
}

fn refuse_export(call: &Call) -> Answer<()> {
    match call.query.get("export") {
        None | Some("0") => Ok(()),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(()),
        Some(_) => {
            let why = "the export parameter, deprecated since v1.14, is no longer supported";
            Err(Status::bad_request(why).into())
        }
    }
}
