//! What the server does to flow control objects: it puts back the mandatory ones, and says of each schema whether its
//! level is there.

use std::sync::Arc;

use futures_util::future::{Either, select};
use schema::json::{Options, decode};
use schema::object::{Obj, body};
use serde_json::{Value, json};
use store::Expect;

use super::{LEVELS, SCHEMAS};
use crate::bootstrap;
use crate::bootstrap::flow::{MANDATORY, dangling};
use crate::registry::rfc3339;
use crate::server::State;

/// Keeps them until the server closes, woken by every change.
pub(crate) async fn keep(state: Arc<State>) {
    loop {
        let [schemas, levels] = state.cache.all_changed([SCHEMAS, LEVELS]);
        put_back(&state).await;
        judge(&state).await;
        let changes = (
            Box::pin(state.cache.wait_for_change(SCHEMAS, schemas)),
            Box::pin(state.cache.wait_for_change(LEVELS, levels)),
        );
        let open = match select(changes.0, changes.1).await {
            Either::Left((open, _)) | Either::Right((open, _)) => open,
        };
        if !open {
            return;
        }
    }
}

/// Mandatory objects that are gone come back.
async fn put_back(state: &Arc<State>) {
    let gone = |prefix: &str| {
        let known = state.cache.snapshot(prefix);
        MANDATORY.iter().any(|name| known.get(name).is_none())
    };
    if (gone(SCHEMAS) || gone(LEVELS))
        && let Err(error) = bootstrap::flow_control(state).await
    {
        tracing::warn!(%error, "mandatory flow control objects cannot be written");
    }
}

/// Writes the condition `Dangling` where it is not as it should be. A write that comes too late is made up for by the
/// next turn: whatever overtook it woke us.
async fn judge(state: &Arc<State>) {
    let (schemas, levels) = (state.cache.snapshot(SCHEMAS), state.cache.snapshot(LEVELS));
    for schema in schemas.iter() {
        let Some(judged) = judged(state, schema, |level| levels.get(level).is_some()) else {
            continue;
        };
        let key = format!("{SCHEMAS}{}", schema.key);
        let expect = Expect::At(store::Revision(schema.rev.0));
        if let Err(error) = state.store.put(key.as_str().into(), judged, expect).await {
            tracing::debug!(%error, key, "the status of a flow schema was not written");
        }
    }
}

/// The body with the right condition; none if it has it.
fn judged(state: &State, object: &Obj, is_there: impl Fn(&str) -> bool) -> Option<bytes::Bytes> {
    let mut value: Value = serde_json::from_slice(object.body()).ok()?;
    let level = value["spec"]["priorityLevelConfiguration"]["name"]
        .as_str()?
        .to_owned();
    let new = dangling(&level, is_there(&level), &rfc3339(state.env.wall()));
    let mut conditions = value["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let old = conditions
        .iter()
        .position(|condition| condition["type"] == "Dangling");
    let same = |old: &Value| {
        ["status", "reason", "message"]
            .iter()
            .all(|name| old[*name] == new[*name])
    };
    match old {
        Some(at) if same(&conditions[at]) => return None,
        Some(at) => conditions[at] = new,
        None => conditions.push(new),
    }
    if !value["status"].is_object() {
        value["status"] = json!({});
    }
    value["status"]["conditions"] = json!(conditions);
    let served = state
        .resources
        .lookup("flowcontrol.apiserver.k8s.io", "v1", "flowschemas")?;
    let text = value.to_string();
    let decoded = decode(
        &served.def.types,
        served.version().schema,
        text.as_bytes(),
        Options::default(),
    );
    Some(body(&served.def.types, &decoded.ok()?.object))
}
