//! What a policy applies to, and what its parameters are.

use std::collections::BTreeSet;

use schema::field::Errors;

use crate::Place;
use crate::admission::webhook::rule;
use crate::rules::{names, value};

pub(super) fn param_kind(params: &Place<'_, '_>, errors: &mut Errors) {
    let (version, kind) = (params.child("apiVersion"), params.child("kind"));
    if version.require(errors, "") {
        match version.str().split('/').collect::<Vec<_>>().as_slice() {
            [plain] => api_version(&version, "", plain, errors),
            [group, plain] => api_version(&version, group, plain, errors),
            _ => version.invalid(
                errors,
                format!("unexpected GroupVersion string: {}", version.str()),
            ),
        }
    }
    if kind.require(errors, "") {
        let wrong = names::dns1035_label(&kind.str().to_lowercase());
        if !wrong.is_empty() {
            let detail = format!(
                "may have mixed case, but should otherwise match: {}",
                wrong.join(",")
            );
            kind.invalid(errors, detail);
        }
    }
}

fn api_version(place: &Place<'_, '_>, group: &str, version: &str, errors: &mut Errors) {
    let wrong = names::dns1123_subdomain(group);
    if !group.is_empty() && !wrong.is_empty() {
        place.invalid_value(errors, group, wrong.join(","));
    }
    if version.is_empty() {
        place.invalid(errors, "version must be specified");
        return;
    }
    let wrong = names::dns1035_label(version);
    if !wrong.is_empty() {
        place.invalid_value(errors, version, wrong.join(","));
    }
}

pub(super) fn matching(matching: &Place<'_, '_>, errors: &mut Errors) {
    value::one_of(&matching.child("matchPolicy"), errors, &["Equivalent", "Exact"]);
    for selector in ["namespaceSelector", "objectSelector"] {
        value::label_selector(&matching.child(selector), errors);
    }
    for rules in ["resourceRules", "excludeResourceRules"] {
        for each in matching.child(rules).each() {
            let mut seen = BTreeSet::new();
            for name in each.child("resourceNames").each() {
                if !seen.insert(name.str()) {
                    name.duplicate(errors);
                }
            }
            rule(&each, errors);
        }
    }
}
