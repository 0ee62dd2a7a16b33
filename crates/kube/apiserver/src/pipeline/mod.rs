//! The layers that every request passes, in upstream's order (`DefaultBuildHandlerChain`).
//!
//! From outside in: what a panic cannot tear down, the audit id, draining, what the path means, the count of those
//! in flight, who asks, as whom, whether they may, the deadline, the body within its bound, a seat, and then the handler.
//! Each layer is one call below, and what refuses is answered in one place. Seat and count are the answer's until it is
//! sent.

mod bodies;
mod flight;
mod health;
mod metrics;
mod timing;
mod unbroken;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use auth::UserInfo;
use driver::Instant;
use futures_util::FutureExt;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WARNING};
use http::{Method, Request, Response, StatusCode};

use bodies::{Received, Room};
pub(crate) use flight::Flight;
pub(crate) use health::{Health, paths as health_paths};
pub(crate) use metrics::Metrics;

use flight::InFlight;
use unbroken::Unbroken;

use crate::call::Writing;
use crate::fairness::{self, Flow, Seat};
use crate::nodes::Upgrade;
use crate::server::State;
use crate::{
    Annotations, Answer, Body, Call, Incoming, Peer, Query, RequestInfo, Served, Verb, Warnings, aggregation,
    authn, negotiate, show, verbs,
};

/// How long a request may take that is no watch, unless it asks for less (upstream's `--request-timeout`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest `Audit-Id` that is taken over from a client.
const MAX_AUDIT_ID: usize = 64;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Takes a request through every layer.
pub(crate) async fn run(state: &Arc<State>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let audit_id = audit_id(state, &request);
    let work = AssertUnwindSafe(identify(state, request, peer)).catch_unwind();
    let mut response = work.await.unwrap_or_else(|_| {
        let text = "This request caused apiserver to panic. Look in the logs for details.";
        plain(StatusCode::INTERNAL_SERVER_ERROR, text)
    });
    let headers = response.headers_mut();
    headers.insert(AUDIT_ID, audit_id);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache, private"));
    response
}

/// The client's own, if it is short and printable, or a new one.
fn audit_id(state: &State, request: &Request<Incoming>) -> HeaderValue {
    let given = request
        .headers()
        .get(AUDIT_ID)
        .filter(|id| (1..=MAX_AUDIT_ID).contains(&id.len()));
    given
        .cloned()
        .unwrap_or_else(|| HeaderValue::try_from(state.uuid()).unwrap_or(HeaderValue::from_static("")))
}

/// What the request means, and who asks.
async fn identify(state: &Arc<State>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    if state.flight.draining() {
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "apiserver is shutting down.");
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    let query = Query::of(request.uri());
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let info = match RequestInfo::parse(request.method(), &path, &query) {
        Ok(info) => info,
        Err(error) => return plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let begun = state.env.now();
    let verb = info.verb;
    let served = served(state, &info);
    // Only what is served: clients must not choose the names of series.
    let row = served.as_ref().map(|served| served.def.clone());
    let accept = request.headers().get(ACCEPT).cloned();
    let pretty = negotiate::is_pretty(request.headers(), &query);
    let mut flow = None;
    let answer = admit(state, request, peer, (info, query, served), &mut flow).await;
    let mut response = answer.unwrap_or_else(|refused| {
        let headers = accept.map(|accept| (ACCEPT, accept)).into_iter().collect();
        negotiate::respond_status(&headers, pretty, &refused.0)
    });
    if let Some(flow) = flow {
        flow.tell(response.headers_mut());
    }
    state.metrics.count(
        verb,
        row.as_ref().map_or("", |row| &row.plural),
        response.status(),
        state.env.now().saturating_since(begun),
    );
    response
}

/// Rights and limits.
async fn admit(
    state: &Arc<State>,
    request: Request<Incoming>,
    peer: Peer,
    (info, query, served): (RequestInfo, Query, Option<Served>),
    flow: &mut Option<Arc<Flow>>,
) -> Answer<Response<Body>> {
    let user = authenticate(state, &request, &peer).await?;
    let long = is_long_running(&info);
    let counted = state.flight.enter(request.method(), long);
    let user = state.authn.impersonate(state, user, request.headers())?;
    let limit = timing::limit(&query, long, REQUEST_TIMEOUT)?;
    let deadline = state.env.now().saturating_add(limit);
    // Connections live as long as both ends like: they wait for nobody, and nobody waits for them.
    if !long || info.verb == Verb::Watch {
        *flow = state.fairness.classify(state, &user, &info);
    }
    state.authz.check(state, &user, &info)?;
    let (head, body) = request.into_parts();
    let reading = state.flight.bodies.read(&user.name, body);
    let Received { bytes: body, room } = in_time(state, deadline, reading).await?;
    let seat = match flow {
        Some(flow) => {
            let width = fairness::width(state, &info, served.as_ref());
            match flow.seat(state, (&user, &info), width, deadline).await {
                Ok(seat) => Some(seat),
                Err(fairness::Rejected) => return Ok(too_many()),
            }
        }
        None => None,
    };
    let (method, uri, headers) = (head.method, head.uri, head.headers);
    let (warnings, writing) = (Warnings::default(), Writing::of(&method));
    let call = Call {
        method,
        uri,
        headers,
        info,
        query,
        user,
        served,
        body,
        deadline,
        peer,
        warnings,
        annotations: Annotations::default(),
        writing,
        upgrade: Upgrade(head.extensions),
    };
    let held = (counted, seat, room);
    if long {
        return handle(state, call).await;
    }
    let answer = carry_out(state, call, held);
    in_time(state, deadline, answer).await
}

/// What a request holds until its answer is sent.
type Held = (InFlight, Option<Seat>, Option<Room>);

/// Answers a request; one that may write goes on where it must although nobody waits for it any more.
async fn carry_out(state: &Arc<State>, call: Call, held: Held) -> Answer<Response<Body>> {
    let (writing, deadline) = (call.writing.clone(), call.deadline);
    let work = {
        let state = state.clone();
        async move {
            let mut response = handle(&state, call).await?;
            let (env, body) = (state.env.clone(), response.body_mut());
            body.lasting(env, deadline, held);
            Ok(response)
        }
    };
    if !writing.is_possible() {
        return work.await;
    }
    Unbroken::new(state.env.clone(), writing, work).await
}

/// What is not there in time is 504.
async fn in_time<T>(state: &State, deadline: Instant, work: impl Future<Output = Answer<T>>) -> Answer<T> {
    let timely = driver::env::until(&*state.env, deadline, work).await;
    timely.unwrap_or_else(|_| Err(timing::too_late().into()))
}

/// There is no seat for the request, and none to be had in time.
fn too_many() -> Response<Body> {
    let mut response = plain(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests, please try again later.",
    );
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

async fn authenticate(state: &Arc<State>, request: &Request<Incoming>, peer: &Peer) -> Answer<Arc<UserInfo>> {
    match &peer.internal {
        Some(user) => Ok(user.clone()),
        None => state.authn.authenticate(state, peer, request.headers()).await,
    }
}

/// Watches and connections: they end when the client wants, and hold no seat.
fn is_long_running(info: &RequestInfo) -> bool {
    const CONNECTIONS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
    matches!(info.verb, Verb::Watch | Verb::Proxy) || CONNECTIONS.contains(&info.subresource.as_str())
}

fn served(state: &State, info: &RequestInfo) -> Option<Served> {
    let wanted = info.is_resource.then_some(info)?;
    if state.aggregation.takes(wanted) {
        return None;
    }
    state
        .resources
        .lookup(&wanted.group, &wanted.version, &wanted.resource)
        .filter(|served| served.custom().is_none() || fits_scope(served, wanted))
}

/// Objects in namespaces are asked for in one, or listed across all.
fn fits_scope(served: &Served, info: &RequestInfo) -> bool {
    let across = matches!(info.verb, Verb::List | Verb::Watch);
    match served.namespaced() {
        true => across || !info.namespace.is_empty(),
        false => info.namespace.is_empty(),
    }
}

async fn handle(state: &Arc<State>, call: Call) -> Answer<Response<Body>> {
    let answer = match &call.served {
        Some(_) => verbs::dispatch(state, &call).await,
        None => elsewhere(state, &call).await,
    };
    // What was warned of stands beside a refusal too.
    let mut response = answer.unwrap_or_else(|refused| negotiate::refusal(&call, &refused.0));
    for warning in call.warnings.take() {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::try_from(format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
    Ok(response)
}

/// What another server serves, or nobody.
async fn elsewhere(state: &Arc<State>, call: &Call) -> Answer<Response<Body>> {
    if let Some(remote) = state.aggregation.of_call(call) {
        return Ok(aggregation::forward(state, call, &remote).await);
    }
    match aggregation::openapi(state, call).await {
        Some(response) => Ok(response),
        None => not_served(state, call),
    }
}

/// What is no resource: health, metrics, discovery, OpenAPI; and what is nothing.
fn not_served(state: &Arc<State>, call: &Call) -> Answer<Response<Body>> {
    let reads = call.method == Method::GET || call.method == Method::HEAD;
    let found = if reads {
        health::answer(state, call)
            .or_else(|| metrics::answer(state, call))
            .or_else(|| fairness::answer(state, call))
            .or_else(|| authn::issuer::answer(state, call))
    } else {
        None
    };
    if let Some(response) = found {
        return Ok(response);
    }
    if let Some(response) = show::answer(state, call) {
        return Ok(response);
    }
    let known = call.info.is_resource && serves(state, &call.info);
    if known {
        return Err(schema::status::Status::no_such_resource().into());
    }
    Ok(plain(StatusCode::NOT_FOUND, "404 page not found"))
}

/// Whether there is anything in this group and version.
fn serves(state: &State, info: &RequestInfo) -> bool {
    let same = |def: &schema::resource::ResourceDef| {
        def.group == info.group
            && def
                .versions
                .iter()
                .any(|version| version.enabled && version.name == info.version)
    };
    state.resources.defs().iter().any(|def| same(def))
}

/// A text answer, as Go's `http.Error` writes it.
pub(crate) fn plain(code: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(format!("{text}\n")));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
