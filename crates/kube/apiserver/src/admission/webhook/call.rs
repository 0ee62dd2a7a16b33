//! One webhook is asked once.

use std::time::Duration;

use http::Response;
use schema::MAX_REQUEST_BYTES;
use schema::json::go_quote;
use schema::status::Status;
use serde_json::Value;

use super::super::Request;
use super::hooks::Hook;
use super::matching::Told;
use super::review::{self, Verdict};
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
    let deadline = state.env.now().saturating_add(hook.timeout);
    let deadline = deadline.min(request.op.call.deadline);
    let asked = hook.client.ask(state, body.into(), MAX_REQUEST_BYTES, deadline);
    asked.await
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
