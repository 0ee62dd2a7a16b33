//! Where a policy holds, with which parameters, and what follows.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;

use super::matching::matching;
use crate::Place;
use crate::rules::{names, value};

pub(super) fn binding(binding: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(binding);
    let spec = place.child("spec");
    let policy = spec.child("policyName");
    if policy.require(errors, "") {
        policy.check(errors, names::dns1123_subdomain);
    }
    let params = spec.child("paramRef");
    if params.exists() {
        param_ref(&params, errors);
    }
    let resources = spec.child("matchResources");
    if resources.exists() {
        matching(&resources, errors);
    }
}

fn param_ref(params: &Place<'_, '_>, errors: &mut Errors) {
    let (name, selector) = (params.child("name"), params.child("selector"));
    match (name.is_empty(), selector.exists()) {
        (false, true) => name.forbidden(errors, "name and selector are mutually exclusive"),
        (true, false) => name.required(errors, "one of name or selector must be specified"),
        (false, false) => {}
        (true, true) => value::label_selector(&selector, errors),
    }
    let action = params.child("parameterNotFoundAction");
    if action.require(errors, "") {
        value::one_of(&action, errors, &["Allow", "Deny"]);
    }
}

pub(super) fn validating_binding(it: Ref<'_>, errors: &mut Errors) {
    binding(it, errors);
    let place = Place::root(it);
    let spec = place.child("spec");
    let actions = spec.child("validationActions");
    let mut seen = BTreeSet::new();
    for action in actions.each() {
        value::one_of(&action, errors, &["Audit", "Deny", "Warn"]);
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
    actions.require(errors, "at least one validation action is required");
}
