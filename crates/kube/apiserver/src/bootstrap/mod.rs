//! What a new cluster holds before anybody asks.
//!
//! Every start looks for each object and writes those that are missing, all at once, so that they share the store's
//! commits: a new cluster is there after a few, and a later start writes nothing. Of what is there, roles and bindings
//! get what they lack, and the server's own endpoints lead to where it is; everything else is left alone.

pub(crate) mod flow;
mod objects;
pub(crate) mod own_service;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use schema::cursor;
use schema::json::{Options, decode};
use schema::object::body;
use schema::tree::{self, Struct};
use serde_json::Value;
use store::Expect;

use crate::registry::rfc3339;
use crate::server::State;
use crate::{OpenError, Served};
use objects::Object;

/// The group of which existing objects are reconciled.
const RBAC: &str = "rbac.authorization.k8s.io";

/// Writes what is not there yet.
///
/// # Errors
/// The store's.
pub(crate) async fn run(state: &Arc<State>) -> Result<(), OpenError> {
    let now = rfc3339(state.env.wall());
    let mut objects = objects::all(&state.config, &now)?;
    objects.extend(flow::all(&now));
    write(state, &objects).await
}

/// Writes the flow schemas and priority levels that are not there.
///
/// # Errors
/// The store's.
pub(crate) async fn flow_control(state: &Arc<State>) -> Result<(), OpenError> {
    write(state, &flow::all(&rfc3339(state.env.wall()))).await
}

/// Writes the APIService of a version of custom resources, if it is not there.
///
/// # Errors
/// The store's.
pub(crate) async fn register(state: &State, group: &str, version: &str) -> Result<(), OpenError> {
    let now = rfc3339(state.env.wall());
    let service = objects::local_service(group, version, "true", &now);
    if let Some((key, body, expect)) = due(state, &service)? {
        state.store.put(key.as_str().into(), body, expect).await?;
    }
    Ok(())
}

async fn write(state: &Arc<State>, objects: &[Object]) -> Result<(), OpenError> {
    let mut writes = Vec::new();
    for object in objects {
        if let Some((key, body, expect)) = due(state, object)? {
            writes.push(state.store.put(key.as_str().into(), body, expect));
        }
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

/// The write that an object needs: none if it is there and lacks nothing.
fn due(state: &State, object: &Object) -> Result<Option<(String, Bytes, Expect)>, OpenError> {
    let failed = |why: String| OpenError::Bootstrap(format!("{} {}: {why}", object.plural, object.name));
    let served = state
        .resources
        .lookup(object.group, "v1", object.plural)
        .ok_or_else(|| failed("not a resource".to_owned()))?;
    let key = served.key(object.namespace, &object.name);
    let below = key.strip_prefix(&served.key_prefix()).unwrap_or(&key);
    match state.cache.snapshot(&served.key_prefix()).get(below) {
        None => {
            let body = made(state, &served, object).map_err(failed)?;
            Ok(Some((key, body, Expect::Absent)))
        }
        Some(existing) => {
            let Some(reconcile) = reconciler(object) else {
                return Ok(None);
            };
            let told: Value =
                serde_json::from_slice(existing.body()).map_err(|error| failed(error.to_string()))?;
            let Some(json) = reconcile(&told, &object.json) else {
                return Ok(None);
            };
            let tree = read(&served, &json).map_err(failed)?;
            let expect = Expect::At(store::Revision(existing.rev.0));
            Ok(Some((key, body(&served.def.types, &tree), expect)))
        }
    }
}

/// What an object that is there becomes, from how it is and how it was made; none if it is right.
type Reconcile = fn(&Value, &Value) -> Option<Value>;

fn reconciler(object: &Object) -> Option<Reconcile> {
    match (object.group, object.plural) {
        (RBAC, _) => Some(auth::bootstrap::reconcile),
        (_, "endpoints" | "endpointslices") => Some(own_service::led_here),
        _ => None,
    }
}

fn read(served: &Served, json: &Value) -> Result<Struct, String> {
    let (types, ty) = (&served.def.types, served.version().schema);
    let decoded = decode(types, ty, json.to_string().as_bytes(), Options::default());
    Ok(decoded.map_err(|error| error.to_string())?.object)
}

/// The body of a new object.
fn made(state: &State, served: &Served, object: &Object) -> Result<Bytes, String> {
    let types = &served.def.types;
    let mut tree = read(served, &object.json)?;
    (kinds::strategy(object.group, object.plural).default)(types, &mut tree);
    cursor::set(types, &mut tree, "metadata.uid", tree::Value::str(&state.uuid()));
    let now = rfc3339(state.env.wall());
    cursor::set(
        types,
        &mut tree,
        "metadata.creationTimestamp",
        tree::Value::str(&now),
    );
    cursor::each_mut(types, &mut tree, "status.conditions", |condition| {
        let now = tree::Value::str(&now);
        cursor::set_default(types, condition, "lastTransitionTime", now);
    });
    Ok(body(types, &tree))
}
