//! The counts in the status of what keeps copies of a pod: none is below zero, and parts are not above the whole.

use schema::cursor::Ref;
use schema::field::Errors;

use crate::Place;
use crate::rules::table::Rule::NonNegative;

/// A kind's counts.
pub(super) struct Counts {
    /// All of them.
    pub(super) all: &'static [&'static str],
    /// Those that are parts of `replicas`.
    pub(super) parts: &'static [&'static str],
    /// What is said where more are available than ready.
    pub(super) available: &'static str,
}

pub(super) const DEPLOYMENT: Counts = Counts {
    all: &[
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "observedGeneration",
        "collisionCount",
    ],
    parts: &["updatedReplicas", "readyReplicas", "availableReplicas"],
    available: "cannot be greater than readyReplicas",
};

pub(super) const REPLICAS: Counts = Counts {
    all: &[
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "terminatingReplicas",
        "observedGeneration",
    ],
    parts: &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    available: "cannot be greater than readyReplicas",
};

pub(super) const STATEFUL_SET: Counts = Counts {
    all: &[
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ],
    parts: &[
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
    ],
    available: "cannot be greater than status.readyReplicas",
};

pub(super) const DAEMON_SET: Counts = Counts {
    all: &[
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ],
    parts: &[],
    available: "",
};

/// Validates an update of the status.
pub(super) fn validate(counts: &Counts, new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let status = root.child("status");
    for name in counts.all {
        NonNegative.check(&status.child(name), errors);
    }
    let number = |name: &str| status.at(name).int();
    let mut above = |name: &str, wrong: bool, text: &str| {
        if wrong {
            status.child(name).invalid_value(errors, number(name), text);
        }
    };
    for part in counts.parts {
        let wrong = number(part) > number("replicas");
        above(part, wrong, "cannot be greater than status.replicas");
    }
    let more = number("availableReplicas") > number("readyReplicas");
    above("availableReplicas", more, counts.available);
    let (was, now) = (old.path("status.collisionCount"), status.at("collisionCount"));
    let less = was.exists() && now.int() < was.int() || was.exists() && !now.exists();
    above("collisionCount", less, "cannot be decremented");
}
