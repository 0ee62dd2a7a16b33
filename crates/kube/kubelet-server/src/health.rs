//! `/healthz`: whether the kubelet does its work.

use std::fmt::Write;
use std::sync::Arc;

use apiserver::Body;
use http::{Response, StatusCode};

use crate::answer;
use crate::server::{Call, State};

/// The checks, in upstream's order; the last one is the kubelet's own.
const CHECKS: [&str; 3] = ["ping", "log", "syncloop"];

pub(crate) async fn answer(state: Arc<State>, call: Call) -> Response<Body> {
    let wrong = (state.parts.healthy)().err();
    match call.path.get(1) {
        None => whole(wrong.as_deref(), call.query.all("verbose").next().is_some()),
        Some(check) if CHECKS.contains(&check.as_str()) => match wrong.filter(|_| check == "syncloop") {
            None => answer::text(StatusCode::OK, "ok"),
            Some(why) => failed(&format!("internal server error: {why}")),
        },
        Some(_) => answer::text(StatusCode::NOT_FOUND, "404: Page Not Found"),
    }
}

fn failed(why: &str) -> Response<Body> {
    answer::error(StatusCode::INTERNAL_SERVER_ERROR, why)
}

fn whole(wrong: Option<&str>, verbose: bool) -> Response<Body> {
    if wrong.is_none() && !verbose {
        return answer::text(StatusCode::OK, "ok");
    }
    let mut told = String::new();
    for check in CHECKS {
        // Writing to a String does not fail.
        let _ = match wrong.filter(|_| check == "syncloop") {
            None => writeln!(told, "[+]{check} ok"),
            Some(_) => writeln!(told, "[-]{check} failed: reason withheld"),
        };
    }
    match wrong {
        None => answer::text(StatusCode::OK, format!("{told}healthz check passed\n")),
        Some(_) => failed(&format!("{told}healthz check failed")),
    }
}
