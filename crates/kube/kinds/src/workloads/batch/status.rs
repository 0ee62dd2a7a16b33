//! An update of a job's status: counts, and states that exclude each other (`ValidateJobStatusUpdate`).
//!
//! Jobs of old controllers have statuses that no new one may have. So most rules hold only where what they are about
//! has changed.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use super::policy::{index_ranges, indexes};
use crate::Place;
use crate::rules::table::Rule::NonNegative;
use crate::rules::table::{Rules, check};
use crate::rules::value::IMMUTABLE;

const COUNTS: Rules = &[
    ("active", NonNegative),
    ("succeeded", NonNegative),
    ("failed", NonNegative),
    ("ready", NonNegative),
    ("terminating", NonNegative),
];

/// The job before and after, as rules ask of them.
struct Update<'p, 'a> {
    status: &'p Place<'p, 'a>,
    spec: Ref<'a>,
    old: Ref<'a>,
}

/// Whether a condition of a status is true.
pub(super) fn is_true(status: Ref<'_>, kind: &str) -> bool {
    let mut conditions = status.at("conditions").items();
    conditions.any(|condition| condition.at("type").str() == kind && condition.at("status").str() == "True")
}

fn is_finished(status: Ref<'_>) -> bool {
    is_true(status, "Complete") || is_true(status, "Failed")
}

impl Update<'_, '_> {
    fn is(&self, kind: &str) -> bool {
        is_true(self.status.value(), kind)
    }

    fn was(&self, kind: &str) -> bool {
        is_true(self.old, kind)
    }

    fn finished(&self) -> bool {
        is_finished(self.status.value())
    }

    /// Whether one of these has changed: conditions are named with a capital.
    fn changed(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| match name.starts_with(char::is_uppercase) {
                true => self.is(name) != self.was(name),
                false => self.status.at(name) != self.old.at(name),
            })
    }

    /// The same; that the job has ended counts too.
    fn ended_or_changed(&self, name: &str) -> bool {
        self.finished() != is_finished(self.old) || self.changed(&[name])
    }

    fn is_indexed(&self) -> bool {
        self.spec.at("completionMode").str() == "Indexed"
    }

    fn refuse_conditions(&self, wrong: bool, text: &str, errors: &mut Errors) {
        if wrong {
            let path = self.status.child("conditions").path();
            errors.push(Error::invalid_omitted(&path, text));
        }
    }

    fn refuse(&self, name: &str, wrong: bool, text: &str, errors: &mut Errors) {
        if wrong {
            self.status.child(name).invalid(errors, text);
        }
    }
}

/// Validates an update of the status.
pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let status = root.child("status");
    check(&status, COUNTS, errors);
    uncounted(&status, errors);
    let update = Update {
        status: &status,
        spec: new.at("spec"),
        old: old.at("status"),
    };
    completion(&update, errors);
    ended(&update, errors);
    lists(&update, errors);
    pods(&update, errors);
    success(&update, errors);
    transition(&update, errors);
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

/// A job ends in one way, and says when.
fn completion(update: &Update<'_, '_>, errors: &mut Errors) {
    let (complete, done) = (update.is("Complete"), update.status.child("completionTime"));
    let conditions = |kinds: &[&str], wrong, text: &str, errors: &mut Errors| {
        update.refuse_conditions(update.changed(kinds) && wrong, text, errors);
    };
    conditions(
        &["Complete", "Failed"],
        complete && update.is("Failed"),
        "cannot set Complete=True and Failed=true conditions",
        errors,
    );
    conditions(
        &["Complete", "FailureTarget"],
        complete && update.is("FailureTarget"),
        "cannot set Complete=True and FailureTarget=true conditions",
        errors,
    );
    if update.changed(&["Complete", "completionTime"]) {
        match (done.exists(), complete) {
            (true, false) => done.invalid(
                errors,
                "cannot set completionTime when there is no Complete=True condition",
            ),
            (false, true) => done.required(errors, "completionTime is required for Complete jobs"),
            _ => {}
        }
    }
    let start = update.status.at("startTime");
    // Both are written in one form, which sorts by time.
    let backwards = start.exists() && done.exists() && done.str() < start.str();
    if backwards && update.changed(&["startTime", "completionTime"]) {
        done.invalid(errors, "must be equal to or after `startTime`");
    }
}

/// What an end needs before it.
fn ended(update: &Update<'_, '_>, errors: &mut Errors) {
    let untargeted = update.is("Failed") && !update.is("FailureTarget");
    update.refuse_conditions(
        update.changed(&["Failed", "failedIndexes"]) && untargeted,
        "cannot set Failed=True condition without the FailureTarget=true condition",
        errors,
    );
    let unmet = update.is("Complete") && !update.is("SuccessCriteriaMet");
    update.refuse_conditions(
        update.changed(&["Complete", "SuccessCriteriaMet"]) && unmet,
        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        errors,
    );
    let finished = update.finished();
    let active = finished && update.status.at("active").int() > 0;
    let text = "active>0 is invalid for finished job";
    update.refuse(
        "active",
        update.ended_or_changed("active") && active,
        text,
        errors,
    );
    let start = update.status.child("startTime");
    if finished && !start.exists() && update.ended_or_changed("startTime") {
        start.required(errors, "startTime is required for finished job");
    }
    let pods = update.status.at("uncountedTerminatedPods");
    let uncounted = finished && pods.at("succeeded").len() + pods.at("failed").len() > 0;
    update.refuse(
        "uncountedTerminatedPods",
        update.ended_or_changed("uncountedTerminatedPods") && uncounted,
        "must be empty for finished job",
        errors,
    );
}

/// The indexes that have succeeded and failed.
fn lists(update: &Update<'_, '_>, errors: &mut Errors) {
    let (completed, failed) = (
        update.status.child("completedIndexes"),
        update.status.child("failedIndexes"),
    );
    let (new_completed, new_failed) = (
        update.changed(&["completedIndexes"]),
        update.changed(&["failedIndexes"]),
    );
    let completions = update.spec.at("completions").integer();
    let per_index = update.spec.at("backoffLimitPerIndex").exists();
    if let Some(completions) = completions {
        let fault = |list: &Place<'_, '_>| indexes(list.str(), completions).err();
        for (list, looked_at) in [(&completed, new_completed), (&failed, new_failed && per_index)] {
            if let Some(why) = fault(list).filter(|_| looked_at) {
                let name = if list.value() == completed.value() {
                    "completedIndexes"
                } else {
                    "failedIndexes"
                };
                list.invalid(errors, format!("error parsing {name}: {why}"));
            }
        }
    }
    if new_completed && !completed.is_empty() && !update.is_indexed() {
        completed.invalid(
            errors,
            "cannot set non-empty completedIndexes when non-indexed completion mode",
        );
    }
    if new_failed && failed.exists() && !per_index {
        failed.invalid(
            errors,
            "cannot set non-null failedIndexes when backoffLimitPerIndex is null",
        );
    }
    if let Some(completions) = completions.filter(|_| failed.exists() && (new_failed || new_completed))
        && let Some(at) = overlap(completed.str(), failed.str(), completions)
    {
        failed.invalid(
            errors,
            format!("failedIndexes and completedIndexes overlap at index: {at}"),
        );
    }
}

/// The first index that two lists have in common.
fn overlap(one: &str, other: &str, completions: i64) -> Option<i64> {
    let ranges = |list: &str| index_ranges(list, completions).unwrap_or_default();
    let others = ranges(other);
    let ranges = ranges(one);
    let pairs = ranges
        .iter()
        .flat_map(|one| others.iter().map(move |other| (one, other)));
    let common = pairs.filter(|(one, other)| one.0 <= other.1 && other.0 <= one.1);
    common.map(|(one, other)| one.0.max(other.0)).min()
}

fn pods(update: &Update<'_, '_>, errors: &mut Errors) {
    let count = |name: &str| update.status.at(name).int();
    let late = update.finished() && count("terminating") > 0;
    let text = "terminating>0 is invalid for finished job";
    update.refuse(
        "terminating",
        update.ended_or_changed("terminating") && late,
        text,
        errors,
    );
    let idle = count("ready") > count("active");
    let text = "cannot set more ready pods than active";
    update.refuse(
        "ready",
        update.changed(&["ready", "active"]) && idle,
        text,
        errors,
    );
}

fn success(update: &Update<'_, '_>, errors: &mut Errors) {
    let met = update.is("SuccessCriteriaMet");
    update.refuse_conditions(
        met && update.is("Failed"),
        "cannot set SuccessCriteriaMet=True and Failed=true conditions",
        errors,
    );
    update.refuse_conditions(
        met && update.is("FailureTarget"),
        "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
        errors,
    );
    update.refuse_conditions(
        update.spec.at("successPolicy").exists() && !met && update.is("Complete"),
        "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
        errors,
    );
}

/// What has been reached is not taken back.
fn transition(update: &Update<'_, '_>, errors: &mut Errors) {
    for kind in ["Failed", "Complete", "FailureTarget"] {
        let text = format!("cannot disable the terminal {kind}=True condition");
        update.refuse_conditions(update.was(kind) && !update.is(kind), &text, errors);
    }
    let resized = update.is_indexed() && update.spec.at("completions") == update.spec.at("parallelism");
    for (name, may_fall) in [("failed", false), ("succeeded", resized)] {
        let count = update.status.child(name);
        if count.int() < update.old.at(name).int() && !may_fall {
            count.invalid_value(errors, count.int(), format!("cannot decrease the {name} counter"));
        }
    }
    let done = update.status.child("completionTime");
    if done.exists() && update.old.at("completionTime").exists() && update.changed(&["completionTime"]) {
        done.invalid(errors, IMMUTABLE);
    }
    let start = update.status.child("startTime");
    if update.old.at("startTime").exists()
        && update.changed(&["startTime"])
        && !update.spec.at("suspend").bool()
    {
        start.required(errors, "startTime cannot be removed for unsuspended job");
    }
    let (met, was_met) = (update.is("SuccessCriteriaMet"), update.was("SuccessCriteriaMet"));
    update.refuse_conditions(
        was_met && !met,
        "cannot disable the SuccessCriteriaMet=True condition",
        errors,
    );
    update.refuse_conditions(
        update.was("Complete") && !was_met && met,
        "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions",
        errors,
    );
}
