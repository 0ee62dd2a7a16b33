//! One webhook is asked once.

use std::time::Duration;

use http::{Response, StatusCode};
use schema::MAX_REQUEST_BYTES;
use schema::json::go_quote;
use schema::status::Status;
use serde_json::Value;

use super::super::Request;
use super::hooks::Hook;
use super::matching::Told;
use super::review::{self, Verdict};
use crate::outbound::exchange;
use crate::{Answer, Refused};

/// Bytes of warnings that one answer may add.
const MAX_WARNINGS: usize = 4096;

/// Why a webhook does not let a write pass.
#[derive(Debug)]
pub(super) enum Failed {
    /// It could not be asked, or its answer cannot be believed: `failurePolicy` decides.
    Calling(String),
    /// It has said no, or the write cannot be shown to it.
    Refused(Refused),
}

/// What the client hears, unless failures are ignored; then the audit log is told, under this key.
///
/// # Errors
/// 500 for a webhook that failed; what it said, if it refused; 504 where the time for the whole request is over.
pub(super) fn outcome<T>(
    request: &Request<'_>,
    hook: &Hook,
    audited_as: &str,
    asked: Result<T, Failed>,
) -> Answer<Option<T>> {
    match asked {
        Ok(verdict) => Ok(Some(verdict)),
        Err(Failed::Refused(refused)) => Err(refused),
        Err(Failed::Calling(why)) => {
            let why = format!("failed calling webhook {}: {why}", go_quote(&hook.name));
            tracing::warn!(webhook = %hook.id, open = hook.ignores_failure, %why, "a webhook failed");
            if !hook.ignores_failure {
                return Err(Status::internal(why).into());
            }
            request.op.call.annotations.add(audited_as, &hook.name);
            in_time(request)?;
            Ok(None)
        }
    }
}

/// Asks a webhook. `object` and `old` are JSON.
///
/// # Errors
/// See [`Failed`].
pub(super) async fn ask(
    request: &Request<'_>,
    hook: &Hook,
    told: &Told,
    mutating: bool,
    object: &str,
    old: &str,
) -> Result<Verdict, Failed> {
    let state = request.op.state;
    if request.op.options.dry_run && !hook.dry_runs {
        let why = format!(
            "admission webhook {} does not support dry run",
            go_quote(&hook.name)
        );
        return Err(Failed::Refused(Status::bad_request(why).into()));
    }
    let version = hook.review.ok_or_else(|| {
        let why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)";
        Failed::Calling(format!("could not create admission objects: {why}"))
    })?;
    let uid = state.uuid();
    let body = review::question(request, told, version, &uid, object, old);
    let answer = send(request, hook, body).await;
    let answer = answer.map_err(|why| Failed::Calling(format!("failed to call webhook: {why}")))?;
    let verdict = review::verdict(version, &uid, mutating, answer.body());
    let verdict =
        verdict.map_err(|why| Failed::Calling(format!("received invalid webhook response: {why}")))?;
    for (key, value) in &verdict.annotations {
        request
            .op
            .call
            .annotations
            .add(format!("{}/{key}", hook.name), value);
    }
    warn(request, &verdict.warnings);
    if verdict.allowed {
        Ok(verdict)
    } else {
        Err(Failed::Refused(denied(&hook.name, &verdict.result).into()))
    }
}

async fn send(request: &Request<'_>, hook: &Hook, body: String) -> Result<Response<bytes::Bytes>, String> {
    let state = request.op.state;
    let now = state.env.now();
    let deadline = now.saturating_add(hook.timeout).min(request.op.call.deadline);
    let left = deadline.saturating_since(now);
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let posted = hook.client.post(state, body.into(), seconds);
    let (outgoing, url) = posted.map_err(|error| error.to_string())?;
    let answer = exchange(state, outgoing, MAX_REQUEST_BYTES, deadline).await;
    let answer = answer.map_err(|error| format!("Post {}: {error}", go_quote(&url)))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    Err(said(answer.status(), answer.body()))
}

/// What client-go makes of an answer that is no success.
fn said(code: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let status = told.filter(|told| told["kind"] == "Status");
    if let Some(message) = status.as_ref().and_then(|status| status["message"].as_str()) {
        return message.to_owned();
    }
    match code.as_u16() {
        400 => "the server rejected our request for an unknown reason".to_owned(),
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 => "forbidden".to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        405 => "the server does not allow this method on the requested resource".to_owned(),
        415 => "the body of the request was in an unknown format".to_owned(),
        429 => "the server has received too many requests and has asked us to try again later".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        504 => "the server was unable to return a response in the time allotted, but may still be processing the request".to_owned(),
        500.. => {
            let shown: String = text.trim().chars().take(1024).collect();
            format!("an error on the server ({}) has prevented the request from succeeding", go_quote(&shown))
        }
        code => format!("the server responded with the status code {code} but did not return more information"),
    }
}

fn warn(request: &Request<'_>, warnings: &[String]) {
    let mut left = MAX_WARNINGS;
    for warning in warnings {
        let Some(rest) = left.checked_sub(warning.len()) else {
            return;
        };
        left = rest;
        // A line break would end the header.
        request.op.call.warnings.add(warning.replace(['\r', '\n'], " "));
    }
}

/// The webhook's own status, which at least refuses, and says who did.
fn denied(name: &str, result: &Value) -> Status {
    let text = |member: &str| result[member].as_str().unwrap_or_default();
    let by = format!("admission webhook {} denied the request", go_quote(name));
    let message = match (text("message"), text("reason")) {
        ("", "") => format!("{by} without explanation"),
        ("", why) | (why, _) => format!("{by}: {why}"),
    };
    let code = result["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| (400..600).contains(code)).unwrap_or(400);
    let mut status = Status::failure(code, text("reason"), message);
    status.details = serde_json::from_value(result["details"].clone()).ok();
    status
}

/// Whether there is time left for the request as a whole.
///
/// # Errors
/// 504 if there is none.
pub(super) fn in_time(request: &Request<'_>) -> Answer<()> {
    let (now, due) = (request.op.state.env.now(), request.op.call.deadline);
    if due.saturating_since(now) > Duration::ZERO {
        return Ok(());
    }
    Err(Status::timeout("request did not complete within requested timeout", 0).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_who_and_why_and_is_one() {
        let cases = [
            (
                json!(null),
                400,
                "admission webhook \"w.example.com\" denied the request without explanation",
            ),
            (
                json!({"message": "no", "code": 403, "reason": "Forbidden"}),
                403,
                "admission webhook \"w.example.com\" denied the request: no",
            ),
            (
                json!({"reason": "Because", "code": 200}),
                400,
                "admission webhook \"w.example.com\" denied the request: Because",
            ),
        ];
        for (result, code, message) in cases {
            let status = denied("w.example.com", &result);
            assert_eq!((status.code, status.message.as_str()), (code, message));
            assert_eq!(status.status, "Failure");
        }
    }
}
