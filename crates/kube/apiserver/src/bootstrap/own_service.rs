//! The Service `kubernetes` and where it leads, put right for as long as the server runs (upstream's
//! kubernetesservice controller): who deletes it, or starts the server at another address, takes the API from no pod.
//!
//! The Service goes the way of every request, so that its address is allocated as any other. Its endpoints are written
//! into the store as bootstrap does: on a host without a route they are the loopback, which no client may ask for.

use std::sync::Arc;
use std::time::Duration;

use auth::UserInfo;
use futures_util::future::{Either, select, select_all};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::objects::{self, Object};
use crate::server::State;
use crate::{BodyError, Peer, pipeline};

/// Where the three objects lie.
const PREFIXES: [&str; 3] = [
    "/registry/services/specs/",
    "/registry/services/endpoints/",
    "/registry/endpointslices/",
];

/// The members that say where endpoints of either kind lead.
const LEADS: [&str; 4] = ["addressType", "endpoints", "ports", "subsets"];

/// The scalars among them, whatever else has been defaulted beside them; of the last three there shall be none.
const SCALARS: [&str; 7] = [
    "/subsets/0/addresses/0/ip",
    "/subsets/0/ports/0/port",
    "/endpoints/0/addresses/0",
    "/ports/0/port",
    "/subsets/1",
    "/subsets/0/addresses/1",
    "/endpoints/1",
];

/// How long to wait after a refusal: the address of a Service that is being deleted is free a moment later.
const AGAIN: Duration = Duration::from_secs(1);

/// Puts them right until the server closes, woken by every change.
pub(crate) async fn keep(state: Arc<State>) {
    // The server has opened with the same configuration, so these can be made.
    let Ok([_, service, endpoints, slice]) = objects::service(&state.config) else {
        return;
    };
    let ends = [endpoints, slice];
    loop {
        let seen = state.cache.all_changed(PREFIXES);
        let right = put_right(&state, &service, &ends).await;
        let changes = PREFIXES.into_iter().zip(seen);
        let changes = changes.map(|(prefix, seen)| Box::pin(state.cache.wait_for_change(prefix, seen)));
        let changed = select_all(changes);
        let open = if right {
            changed.await.0
        } else {
            match select(changed, state.env.sleep(AGAIN)).await {
                Either::Left(((open, ..), _)) => open,
                Either::Right(_) => true,
            }
        };
        if !open {
            return;
        }
    }
}

/// Whether everything is right now, or has been written.
async fn put_right(state: &Arc<State>, service: &Object, ends: &[Object]) -> bool {
    if let Err(error) = super::write(state, ends).await {
        tracing::debug!(%error, "the endpoints of the API are not put right yet");
        return false;
    }
    let Some((method, path)) = due(state, service) else {
        return true;
    };
    let status = send(state, &method, &path, &service.json).await;
    if !status.is_success() {
        tracing::debug!(%method, %status, "the Service of the API is not put right yet");
    }
    status.is_success()
}

/// Endpoints with the members that lead here; none if they do.
pub(super) fn led_here(stored: &Value, own: &Value) -> Option<Value> {
    if SCALARS.iter().all(|at| stored.pointer(at) == own.pointer(at)) {
        return None;
    }
    let mut led = stored.clone();
    for member in LEADS {
        if let Some(value) = own.get(member) {
            led[member] = value.clone();
        }
    }
    Some(led)
}

/// The request that the Service needs; none if it is there and names this port.
fn due(state: &State, service: &Object) -> Option<(Method, String)> {
    const ALL: &str = "/api/v1/namespaces/default/services";
    const PORT: &str = "/spec/ports/0/targetPort";
    let below = format!("{}/{}", service.namespace, service.name);
    let Some(stored) = state.cache.snapshot(PREFIXES[0]).get(&below).cloned() else {
        return Some((Method::POST, ALL.to_owned()));
    };
    let stored: Value = serde_json::from_slice(stored.body()).ok()?;
    let right = stored.pointer(PORT) == service.json.pointer(PORT);
    (!right).then(|| (Method::PATCH, format!("{ALL}/{}", service.name)))
}

/// What the server answers itself.
async fn send(state: &Arc<State>, method: &Method, path: &str, object: &Value) -> StatusCode {
    let content = match *method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let request = Request::builder().method(method).uri(path);
    let body = Full::new(object.to_string().into()).map_err(|never| BodyError(never.to_string()));
    let Ok(request) = request.header("content-type", content).body(body.boxed()) else {
        return StatusCode::BAD_REQUEST;
    };
    let peer = Peer {
        internal: Some(Arc::new(UserInfo {
            name: "system:apiserver".to_owned(),
            groups: vec!["system:masters".to_owned()],
            ..UserInfo::default()
        })),
        ..Peer::default()
    };
    // Boxed: the pipeline's future holds every verb's.
    Box::pin(pipeline::run(state, request, peer)).await.status()
}
