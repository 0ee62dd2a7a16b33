//! An update of a job's status: counts, and states that exclude each other (`validateJobStatus`).

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{BadValue, Error, Errors};

use crate::Place;
use crate::rules::table::Rule::NonNegative;
use crate::rules::table::{Rules, check};

const COUNTS: Rules = &[
    ("active", NonNegative),
    ("succeeded", NonNegative),
    ("failed", NonNegative),
    ("ready", NonNegative),
    ("terminating", NonNegative),
];

/// Validates an update of the status.
pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let status = root.child("status");
    check(&status, COUNTS, errors);
    uncounted(&status, errors);
    finished(&status, errors);
    let (start, was) = (status.child("startTime"), old.path("status.startTime"));
    if was.exists() && !start.exists() && !new.path("spec.suspend").bool() {
        start.required(errors, "startTime cannot be removed for unsuspended job");
    }
    let (done, was) = (status.child("completionTime"), old.path("status.completionTime"));
    if was.exists() && done.value() != was {
        done.invalid(errors, "completionTime cannot be mutated");
    }
    for kind in ["Complete", "Failed"] {
        if is_true(old.at("status"), kind) && !is_true(status.value(), kind) {
            let conditions = status.child("conditions");
            let text = format!("cannot disable the terminal {kind}=True condition");
            errors.push(Error::invalid(&conditions.path(), BadValue::json(""), text).without_value());
        }
    }
}

fn is_true(status: Ref<'_>, kind: &str) -> bool {
    let mut conditions = status.at("conditions").items();
    conditions.any(|condition| condition.at("type").str() == kind && condition.at("status").str() == "True")
}

fn uncounted(status: &Place<'_, '_>, errors: &mut Errors) {
    let pods = status.child("uncountedTerminatedPods");
    let mut seen = BTreeSet::new();
    for list in ["succeeded", "failed"] {
        for uid in pods.child(list).each() {
            if uid.is_empty() {
                uid.invalid(errors, "must not be empty");
            } else if !seen.insert(uid.str()) {
                uid.duplicate(errors);
            }
        }
    }
}

/// A job that has ended has no pods that run, and has ended in one way.
fn finished(status: &Place<'_, '_>, errors: &mut Errors) {
    let (complete, failed) = (
        is_true(status.value(), "Complete"),
        is_true(status.value(), "Failed"),
    );
    let conditions = status.child("conditions");
    let mut refuse = |wrong: bool, text: &str| {
        if wrong {
            errors.push(Error::invalid(&conditions.path(), "", text).without_value());
        }
    };
    refuse(
        complete && failed,
        "cannot set Complete=True and Failed=True conditions",
    );
    let for_failure = is_true(status.value(), "FailureTarget");
    refuse(
        complete && for_failure,
        "cannot set Complete=True and FailureTarget=True conditions",
    );
    if !complete && !failed {
        if status.at("completionTime").exists() {
            let text = "completionTime can only be set when the Job is finished as complete";
            status.child("completionTime").invalid(errors, text);
        }
        return;
    }
    let done = status.child("completionTime");
    if complete && !done.exists() {
        done.required(errors, "completionTime is required for Complete jobs");
    }
    if failed && done.exists() {
        done.invalid(errors, "cannot set completionTime for job that is not complete");
    }
    for (name, text) in [
        ("active", "active>0 is invalid for finished job"),
        ("terminating", "terminating>0 is invalid for finished job"),
        ("ready", "ready>0 is invalid for finished job"),
    ] {
        let count = status.child(name);
        if count.int() > 0 {
            count.invalid(errors, text);
        }
    }
}
