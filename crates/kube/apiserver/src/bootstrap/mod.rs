//! What a new cluster holds before anybody asks.
//!
//! Every start looks for each object and writes those that are missing, all at once, so that they share the store's
//! commits: a new cluster is there after a few, and a later start writes nothing. What is there is left alone.

mod objects;

use std::sync::Arc;

use futures_util::future::try_join_all;
use schema::cursor;
use schema::json::{Options, decode};
use schema::object::body;
use schema::tree::Value;
use store::Expect;

use crate::OpenError;
use crate::registry::rfc3339;
use crate::server::State;
use objects::Object;

/// Writes what is not there yet.
///
/// # Errors
/// The store's.
pub(crate) async fn run(state: &Arc<State>) -> Result<(), OpenError> {
    let mut writes = Vec::new();
    for object in objects::all(&state.config)? {
        let Some((key, body)) = missing(state, &object)? else {
            continue;
        };
        writes.push(state.store.put(key.as_str().into(), body, Expect::Absent));
    }
    let newest = try_join_all(writes)
        .await?
        .iter()
        .map(|written| written.revision.0)
        .max();
    if let Some(revision) = newest {
        let revision = schema::object::Revision(revision);
        let waited = state.cache.wait(revision).await;
        waited.map_err(|error| OpenError::Bootstrap(error.to_string()))?;
    }
    Ok(())
}

/// The key and the body of an object that is not in the cluster.
fn missing(state: &State, object: &Object) -> Result<Option<(String, bytes::Bytes)>, OpenError> {
    let Object {
        group,
        plural,
        namespace,
        name,
        json,
    } = object;
    let failed = |why: String| OpenError::Bootstrap(format!("{plural} {name}: {why}"));
    let served = state
        .resources
        .lookup(group, "v1", plural)
        .ok_or_else(|| failed("not a resource".to_owned()))?;
    let key = served.key(namespace, name);
    let below = key.strip_prefix(&served.key_prefix()).unwrap_or(&key);
    if state.cache.snapshot(&served.key_prefix()).get(below).is_some() {
        return Ok(None);
    }
    let types = &served.def.types;
    let decoded = decode(
        types,
        served.version().schema,
        json.to_string().as_bytes(),
        Options::default(),
    );
    let mut tree = decoded.map_err(|error| failed(error.to_string()))?.object;
    (kinds::strategy(group, plural).default)(types, &mut tree);
    cursor::set(types, &mut tree, "metadata.uid", Value::str(&state.uuid()));
    let now = rfc3339(state.env.wall());
    cursor::set(types, &mut tree, "metadata.creationTimestamp", Value::str(&now));
    Ok(Some((key, body(types, &tree))))
}
