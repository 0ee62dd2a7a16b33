//! The table of paths.

use std::sync::Arc;

use apiserver::Body;
use driver::env::Doing;
use http::{Method, Response, StatusCode};

use crate::answer;
use crate::server::{Call, State};
use crate::{exec, forward, health, logs, pods, run};

type Handler = fn(Arc<State>, Call) -> Doing<Response<Body>>;

/// A path and what answers it. How many elements a path may have behind its first is part of it.
struct Route {
    first: &'static str,
    more: &'static [usize],
    methods: &'static [Method],
    handler: Handler,
}

const READ: &[Method] = &[Method::GET];
const UPGRADE: &[Method] = &[Method::GET, Method::POST];

/// The kubelet's API, as far as it is served. `NS/POD[/UID]/CONTAINER` for containers, `NS/POD[/UID]` for pods.
const ROUTES: [Route; 7] = [
    route("healthz", &[0, 1], READ, |state, call| {
        Box::pin(health::answer(state, call))
    }),
    route("pods", &[0], READ, |state, call| {
        Box::pin(pods::answer(state, call))
    }),
    route("containerLogs", &[3], READ, |state, call| {
        Box::pin(logs::answer(state, call))
    }),
    route("exec", &[3, 4], UPGRADE, |state, call| {
        Box::pin(exec::exec(state, call))
    }),
    route("attach", &[3, 4], UPGRADE, |state, call| {
        Box::pin(exec::attach(state, call))
    }),
    route("run", &[3, 4], &[Method::POST], |state, call| {
        Box::pin(run::answer(state, call))
    }),
    route("portForward", &[2, 3], UPGRADE, |state, call| {
        Box::pin(forward::answer(state, call))
    }),
];

const fn route(
    first: &'static str,
    more: &'static [usize],
    methods: &'static [Method],
    handler: Handler,
) -> Route {
    Route {
        first,
        more,
        methods,
        handler,
    }
}

/// Answers a request.
pub(crate) async fn answer(state: &Arc<State>, mut call: Call) -> Response<Body> {
    // A slash at the end means nothing.
    if call.path.len() > 1 && call.path.last().is_some_and(String::is_empty) {
        call.path.pop();
    }
    let more = call.path.len() - 1;
    let found = ROUTES
        .iter()
        .find(|route| route.first == call.path[0] && route.more.contains(&more));
    match found {
        Some(route) if route.methods.contains(call.request.method()) => {
            (route.handler)(state.clone(), call).await
        }
        Some(_) => answer::text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed"),
        None => answer::text(StatusCode::NOT_FOUND, "404: Page Not Found"),
    }
}
