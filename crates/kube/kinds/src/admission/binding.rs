//! Bindings of admission policies: where a policy is in force, with which parameters, and what comes of it.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;

use super::policy::{match_defaults, matching};
use crate::rules::names::{dns1123_subdomain, path_segment};
use crate::rules::table::Rule::{Of, RequiredText, RequiredWord};
use crate::rules::table::{Rules, check};
use crate::rules::value::label_selector;
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const VALIDATING: Strategy = Strategy {
    default: |types, binding| match_defaults(types, binding, "spec.matchResources"),
    validate_create: |_, binding, errors| validating_binding(binding, errors),
    validate_update: |_, binding, _, errors| validating_binding(binding, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};

pub(super) const MUTATING: Strategy = Strategy {
    validate_create: |_, object, errors| binding(object, errors),
    validate_update: |_, object, _, errors| binding(object, errors),
    ..VALIDATING
};

const BINDING: Rules = &[
    ("policyName", RequiredText(dns1123_subdomain)),
    ("paramRef", Of(param_ref)),
    (
        "matchResources",
        Of(|place, errors| {
            if place.exists() {
                matching(place, errors);
            }
        }),
    ),
];

fn binding(binding: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(binding);
    check(&root.child("spec"), BINDING, errors);
}

fn param_ref(reference: &Place<'_, '_>, errors: &mut Errors) {
    if !reference.exists() {
        return;
    }
    let (name, selector) = (reference.child("name"), reference.child("selector"));
    match (name.is_empty(), selector.exists()) {
        (false, true) => {
            for place in [&name, &selector] {
                place.forbidden(errors, "name and selector are mutually exclusive");
            }
        }
        (true, false) => reference.required(errors, "one of name or selector must be specified"),
        (false, false) => name.check(errors, path_segment),
        (true, true) => label_selector(&selector, errors),
    }
    RequiredWord(&["Allow", "Deny"]).check(&reference.child("parameterNotFoundAction"), errors);
}

const ACTIONS: &[&str] = &["Audit", "Deny", "Warn"];

fn validating_binding(object: Ref<'_>, errors: &mut Errors) {
    binding(object, errors);
    let root = Place::root(object);
    let spec = root.child("spec");
    let actions = spec.child("validationActions");
    actions.require(errors, "at least one validation action is required");
    let mut seen = BTreeSet::new();
    for action in actions.each() {
        if !ACTIONS.contains(&action.str()) {
            action.not_supported(errors, ACTIONS);
        }
        if !seen.insert(action.str()) {
            action.duplicate(errors);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        actions.invalid(
            errors,
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response \
             and headers serves no purpose)",
        );
    }
}
