//! Requests that nobody needs any more (upstream's `csrcleaner`): an hour after an approval that was served, a denial or
//! a failure, and a day after a request that nobody decided on.

use std::time::{Duration, SystemTime};

use client::DeleteOptions;
use schema::object::Obj;

use super::request::SigningRequest;
use crate::act::Action;
use crate::object::target;
use crate::resources::SIGNING_REQUESTS;

const DECIDED: Duration = Duration::from_secs(3600);
const PENDING: Duration = Duration::from_secs(24 * 3600);

/// How long the request stays, zero if it is to go now; none if it stays until something changes: it is approved, and
/// somebody else has to sign it.
pub(super) fn time_left(object: &Obj, request: &SigningRequest, now: SystemTime) -> Option<Duration> {
    let created: Option<jiff::Timestamp> = object.meta.creation_timestamp.parse().ok();
    let decided = ["Denied", "Failed"]
        .iter()
        .find_map(|kind| request.condition(kind));
    let approved = request
        .condition("Approved")
        .filter(|_| !request.status.certificate.is_empty());
    let undecided = request.is_undecided();
    let (since, stays) = match decided.or(approved) {
        Some(condition) => (condition.updated().or(created), DECIDED),
        None if undecided => (created, PENDING),
        None => return None,
    };
    let since = SystemTime::from(since?);
    Some(stays.saturating_sub(now.duration_since(since).unwrap_or_default()))
}

/// Deletes the request as it was judged.
pub(super) fn remove(object: &Obj) -> Action {
    Action::Delete {
        target: target(&SIGNING_REQUESTS, &object.meta),
        options: DeleteOptions::of_uid(&object.meta.uid),
    }
}
