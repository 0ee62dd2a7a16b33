//! `Lease` and `LeaseCandidate`: who leads, and who would like to.

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::table::Rule::{If, NonNegative, Positive, Required};
use crate::rules::table::{Rules, check};
use crate::rules::text::qualified_name;
use crate::{PLAIN, Place, Strategy};

pub(super) const LEASE: Strategy = Strategy {
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, _, errors| validate(new, errors),
    create_on_update: true,
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};

pub(super) const CANDIDATE: Strategy = Strategy {
    validate_create: |_, object, errors| candidate(object, errors),
    validate_update: |_, new, old, errors| {
        candidate(new, errors);
        let root = Place::root(new);
        let spec = root.child("spec");
        crate::rules::value::immutable(&spec.child("leaseName"), old.path("spec.leaseName"), errors);
    },
    ..LEASE
};

const SPEC: Rules = &[
    ("leaseDurationSeconds", Positive),
    ("leaseTransitions", If(transitions)),
    ("strategy", If(strategy)),
];

fn transitions(place: &Place<'_, '_>, errors: &mut Errors) {
    NonNegative.check(place, errors);
}

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    check(&spec, SPEC, errors);
    let holder = spec.child("preferredHolder");
    if !holder.is_empty() && spec.at("strategy").is_empty() {
        holder.forbidden(errors, "may only be specified if `strategy` is defined");
    }
}

/// Upstream's own strategy, or one of somebody's domain.
fn strategy(place: &Place<'_, '_>, errors: &mut Errors) {
    let name = place.str();
    if name == "OldestEmulationVersion" || !place.require(errors, "") {
        return;
    }
    let wrong = qualified_name(name);
    if wrong.is_empty() && !name.contains('/') {
        place.invalid(errors, "must be a domain-prefixed key (such as \"acme.io/foo\")");
    }
    place.all_invalid(errors, wrong);
}

const CANDIDATE_SPEC: Rules = &[
    ("leaseName", Required),
    ("binaryVersion", Required),
    ("strategy", If(strategy)),
];

fn candidate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    check(&spec, CANDIDATE_SPEC, errors);
    for name in ["binaryVersion", "emulationVersion"] {
        let version = spec.child(name);
        if !version.is_empty() && !is_version(version.str()) {
            version.invalid(errors, format!("could not parse {:?} as version", version.str()));
        }
    }
    let strategy = spec.at("strategy").str();
    if strategy == "OldestEmulationVersion" {
        let version = spec.child("emulationVersion");
        version.require(
            errors,
            "must be specified when `strategy` is 'OldestEmulationVersion'",
        );
    }
}

/// Three numbers, and what may follow them.
fn is_version(text: &str) -> bool {
    let core = text
        .trim_start_matches('v')
        .split(['-', '+'])
        .next()
        .unwrap_or("");
    let parts: Vec<&str> = core.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(number)
}
