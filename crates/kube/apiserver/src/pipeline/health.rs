//! `/healthz`, `/livez`, `/readyz`: named checks, each of which can be asked alone or left out
//! (upstream's `pkg/server/healthz`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};

use super::plain;
use crate::server::State;
use crate::{Body, Call};

/// What changes about health while the server runs.
#[derive(Debug, Default)]
pub(crate) struct Health {
    bootstrapped: AtomicBool,
}

impl Health {
    /// What a new cluster needs is in the store.
    pub(crate) fn bootstrapped(&self) {
        self.bootstrapped.store(true, Ordering::Release);
    }
}

/// A check: its name, the paths it belongs to, and whether it passes.
type Check = (&'static str, &'static [&'static str], fn(&State) -> bool);

const EVERYWHERE: &[&str] = &["healthz", "livez", "readyz"];
const READY: &[&str] = &["readyz"];

const CHECKS: &[Check] = &[
    ("ping", EVERYWHERE, |_| true),
    ("etcd", EVERYWHERE, |state| state.store_answers()),
    ("poststarthook/rbac/bootstrap-roles", EVERYWHERE, |state| {
        state.health.bootstrapped.load(Ordering::Acquire)
    }),
    ("informer-sync", READY, |state| {
        state.cache.revision().0 > 0 || state.store.revision().0 == 0
    }),
    ("shutdown", READY, |state| !state.flight.draining()),
];

/// Every health path.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    let below =
        |endpoint: &'static str| checks_of(endpoint).map(move |(name, ..)| format!("/{endpoint}/{name}"));
    let each = move |endpoint: &&'static str| std::iter::once(format!("/{endpoint}")).chain(below(endpoint));
    EVERYWHERE.iter().flat_map(each)
}

/// Answers a health path.
pub(super) fn answer(state: &Arc<State>, call: &Call) -> Option<Response<Body>> {
    let mut parts = call.info.path.trim_start_matches('/').splitn(2, '/');
    let endpoint = parts.next().filter(|name| EVERYWHERE.contains(name))?;
    match parts.next() {
        Some(name) => one(state, endpoint, name),
        None => Some(all(state, endpoint, call)),
    }
}

fn checks_of(endpoint: &str) -> impl Iterator<Item = &'static Check> {
    CHECKS
        .iter()
        .filter(move |(_, endpoints, _)| endpoints.contains(&endpoint))
}

fn one(state: &State, endpoint: &str, name: &str) -> Option<Response<Body>> {
    let (name, _, passes) = checks_of(endpoint).find(|(check, ..)| *check == name)?;
    Some(if passes(state) {
        text(StatusCode::OK, "ok".to_owned())
    } else {
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("internal server error: {name} failed: reason withheld"),
        )
    })
}

fn all(state: &State, endpoint: &str, call: &Call) -> Response<Body> {
    let excluded: Vec<&str> = call
        .query
        .all("exclude")
        .flat_map(|names| names.split(','))
        .collect();
    let mut lines = String::new();
    let mut failed = Vec::new();
    for (name, _, passes) in checks_of(endpoint) {
        if excluded.contains(name) {
            lines += &format!("[+]{name} excluded: ok\n");
        } else if passes(state) {
            lines += &format!("[+]{name} ok\n");
        } else {
            lines += &format!("[-]{name} failed: reason withheld\n");
            failed.push(*name);
        }
    }
    let unknown: Vec<String> = excluded
        .iter()
        .filter(|name| !checks_of(endpoint).any(|(check, ..)| check == *name))
        .map(|name| schema::json::go_quote(name))
        .collect();
    if !unknown.is_empty() {
        lines += &format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            unknown.join(", ")
        );
    }
    if !failed.is_empty() {
        return plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("{lines}{endpoint} check failed"),
        );
    }
    let verbose = call.query.all("verbose").next().is_some();
    text(
        StatusCode::OK,
        if verbose {
            format!("{lines}{endpoint} check passed\n")
        } else {
            "ok".to_owned()
        },
    )
}

fn text(code: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
