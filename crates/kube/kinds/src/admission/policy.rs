//! Admission policies: everything about them but their CEL, which is judged where it is compiled.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::webhook;
use crate::rules::names::{dns1035_label, dns1123_subdomain, path_segment};
use crate::rules::table::Rule::{Of, RequiredText, RequiredWord, Word};
use crate::rules::table::{Rules, check};
use crate::rules::text::qualified_name;
use crate::rules::value::label_selector;
use crate::rules::variable::c_identifier;
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const VALIDATING: Strategy = Strategy {
    default: |types, policy| {
        set_default(types, policy, "spec.failurePolicy", Value::str("Fail"));
        match_defaults(types, policy, "spec.matchConstraints");
    },
    validate_create: |_, policy, errors| validating(policy, errors),
    validate_update: |_, policy, _, errors| validating(policy, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

pub(super) const MUTATING: Strategy = Strategy {
    default: |types, policy| {
        (VALIDATING.default)(types, policy);
        set_default(types, policy, "spec.reinvocationPolicy", Value::str("Never"));
    },
    validate_create: |_, policy, errors| mutating(policy, errors),
    validate_update: |_, policy, _, errors| mutating(policy, errors),
    resets: &[],
    ..VALIDATING
};

/// What a match says nothing of, if there is one.
pub(super) fn match_defaults(types: &Types, object: &mut Struct, path: &str) {
    if !Ref::new(types, object).path(path).exists() {
        return;
    }
    set_default(
        types,
        object,
        &format!("{path}.matchPolicy"),
        Value::str("Equivalent"),
    );
    for selector in ["namespaceSelector", "objectSelector"] {
        cursor::ensure(types, object, &format!("{path}.{selector}"));
    }
    for rules in ["resourceRules", "excludeResourceRules"] {
        cursor::each_mut(types, object, &format!("{path}.{rules}"), |rule| {
            set_default(types, rule, "scope", Value::str("*"));
        });
    }
}

const COMMON: Rules = &[
    ("failurePolicy", RequiredWord(&["Fail", "Ignore"])),
    ("paramKind", Of(param_kind)),
    ("matchConstraints", Of(constraints)),
    ("matchConditions", Of(conditions)),
    ("variables", Of(variables)),
];

fn param_kind(kind: &Place<'_, '_>, errors: &mut Errors) {
    if !kind.exists() {
        return;
    }
    let version = kind.child("apiVersion");
    if version.require(errors, "") {
        let (group, name) = version.str().rsplit_once('/').unwrap_or(("", version.str()));
        match group.contains('/') {
            true => {
                let text = format!("unexpected GroupVersion string: {}", version.str());
                version.invalid(errors, text);
            }
            false => {
                if !group.is_empty() {
                    version.all_invalid(errors, dns1123_subdomain(group));
                }
                version.all_invalid(errors, dns1035_label(name));
            }
        }
    }
    let name = kind.child("kind");
    let wrong = dns1035_label(&name.str().to_lowercase());
    if name.require(errors, "") && !wrong.is_empty() {
        let text = format!(
            "may have mixed case, but should otherwise match: {}",
            wrong.join(",")
        );
        name.invalid(errors, text);
    }
}

fn constraints(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.exists() {
        return place.required(errors, "");
    }
    matching(place, errors);
    place.child("resourceRules").require(errors, "");
}

/// `MatchResources`
pub(super) fn matching(place: &Place<'_, '_>, errors: &mut Errors) {
    RequiredWord(&["Equivalent", "Exact"]).check(&place.child("matchPolicy"), errors);
    for name in ["namespaceSelector", "objectSelector"] {
        let selector = place.child(name);
        match selector.exists() {
            true => label_selector(&selector, errors),
            false => selector.required(errors, ""),
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in place.child(list).each() {
            let mut seen = BTreeSet::new();
            for name in rule.child("resourceNames").each() {
                name.check(errors, path_segment);
                if !seen.insert(name.str()) {
                    name.duplicate(errors);
                }
            }
            webhook::rule(&rule, errors);
        }
    }
}

const MAX_CONDITIONS: usize = 64;

/// Conditions in CEL: names that differ, and expressions.
pub(super) fn conditions(list: &Place<'_, '_>, errors: &mut Errors) {
    if list.len() > MAX_CONDITIONS {
        list.too_many(errors, MAX_CONDITIONS);
    }
    let mut seen = BTreeSet::new();
    for condition in list.each() {
        let (name, expression) = (condition.child("name"), condition.child("expression"));
        if expression.str().trim().is_empty() {
            expression.required(errors, "");
        }
        RequiredText(qualified_name).check(&name, errors);
        if !name.is_empty() && !seen.insert(name.str()) {
            name.duplicate(errors);
        }
    }
}

fn expression(expression: &Place<'_, '_>, errors: &mut Errors) {
    if expression.str().trim().is_empty() {
        expression.required(errors, "expression is not specified");
    }
}

fn variables(variables: &Place<'_, '_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for variable in variables.each() {
        let name = variable.child("name");
        if name.require(errors, "name is not specified") && !c_identifier(name.str()).is_empty() {
            name.invalid(errors, "name is not a valid CEL identifier");
        }
        if !name.is_empty() && !seen.insert(name.str()) {
            name.duplicate(errors);
        }
        expression(&variable.child("expression"), errors);
    }
}

const MAX_ANNOTATIONS: usize = 20;
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

fn validating(policy: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(policy);
    let spec = root.child("spec");
    check(&spec, COMMON, errors);
    let (validations, annotations) = (spec.child("validations"), spec.child("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let text = "validations or auditAnnotations must be set";
        validations.required(errors, text);
        return annotations.required(errors, text);
    }
    validations.each().for_each(|each| validation(&each, errors));
    if annotations.len() > MAX_ANNOTATIONS {
        let text = format!("must not have more than {MAX_ANNOTATIONS} auditAnnotations");
        annotations.invalid(errors, text);
    }
    let mut seen = BTreeSet::new();
    for annotation in annotations.each() {
        let key = annotation.child("key");
        RequiredText(qualified_name).check(&key, errors);
        let value = annotation.child("valueExpression");
        if value.str().trim().is_empty() {
            value.required(errors, "valueExpression is not specified");
        }
        if !key.is_empty() && !seen.insert(key.str()) {
            key.duplicate(errors);
        }
    }
}

fn validation(validation: &Place<'_, '_>, errors: &mut Errors) {
    let (message, by) = (validation.child("message"), validation.child("messageExpression"));
    expression(&validation.child("expression"), errors);
    let blank = |place: &Place<'_, '_>| !place.is_empty() && place.str().trim().is_empty();
    if blank(&by) {
        by.invalid(errors, "must be non-empty if specified");
    }
    if blank(&message) {
        message.invalid(errors, "message must be non-empty if specified");
    } else if message.str().trim().contains(['\n', '\r']) {
        message.invalid(errors, "message must not contain line breaks");
    } else if validation.at("expression").str().trim().contains('\n') && message.is_empty() && by.is_empty() {
        message.required(
            errors,
            "message must be specified if expression contains line breaks",
        );
    }
    Word(REASONS).check(&validation.child("reason"), errors);
}

fn mutating(policy: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(policy);
    let spec = root.child("spec");
    check(&spec, COMMON, errors);
    let mutations = spec.child("mutations");
    mutations.require(errors, "mutations must contain at least one item");
    for mutation in mutations.each() {
        let kind = mutation.child("patchType");
        let (own, other) = match kind.str() {
            "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
            "JSONPatch" => ("jsonPatch", "applyConfiguration"),
            _ => {
                RequiredWord(&["ApplyConfiguration", "JSONPatch"]).check(&kind, errors);
                continue;
            }
        };
        let patch = mutation.child(own);
        match patch.exists() {
            true => expression(&patch.child("expression"), errors),
            false => patch.required(
                errors,
                &format!("must be specified when patchType is {}", kind.str()),
            ),
        }
        if mutation.at(other).exists() {
            let text = format!("must not be specified when patchType is {}", kind.str());
            mutation.child(other).forbidden(errors, text);
        }
    }
    RequiredWord(&["IfNeeded", "Never"]).check(&spec.child("reinvocationPolicy"), errors);
}
