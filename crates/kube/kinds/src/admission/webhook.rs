//! Webhook configurations: `pkg/apis/admissionregistration/{v1/defaults.go,validation}`.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::policy;
use crate::rules::{names, value};
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const VALIDATING: Strategy = Strategy {
    default,
    validate_create: |_, configuration, errors| validate(configuration, errors),
    validate_update: |_, configuration, _, errors| validate(configuration, errors),
    generation: Generation::Content,
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};

pub(super) const MUTATING: Strategy = Strategy {
    default: |types, configuration| {
        default(types, configuration);
        cursor::each_mut(types, configuration, "webhooks", |hook| {
            cursor::set_default(types, hook, "reinvocationPolicy", Value::str("Never"));
        });
    },
    validate_create: |_, configuration, errors| mutating(configuration, errors),
    validate_update: |_, configuration, _, errors| mutating(configuration, errors),
    ..VALIDATING
};

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
/// The versions of `AdmissionReview` that this server speaks.
const REVIEWS: &[&str] = &["v1", "v1beta1"];

fn default(types: &Types, configuration: &mut Struct) {
    cursor::each_mut(types, configuration, "webhooks", |hook| {
        cursor::set_default(types, hook, "failurePolicy", Value::str("Fail"));
        cursor::set_default(types, hook, "matchPolicy", Value::str("Equivalent"));
        cursor::set_default(types, hook, "timeoutSeconds", Value::Int(10));
        cursor::ensure(types, hook, "namespaceSelector");
        cursor::ensure(types, hook, "objectSelector");
        if Ref::new(types, hook).path("clientConfig.service").exists() {
            cursor::set_default(types, hook, "clientConfig.service.port", Value::Int(443));
        }
        cursor::each_mut(types, hook, "rules", |rule| {
            cursor::set_default(types, rule, "scope", Value::str("*"));
        });
    });
}

fn validate(configuration: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(configuration);
    let mut seen = BTreeSet::new();
    for hook in place.child("webhooks").each() {
        webhook(&hook, errors);
        reviews(&hook.child("admissionReviewVersions"), errors);
        let name = hook.child("name");
        if !name.is_empty() && !seen.insert(name.str()) {
            name.duplicate(errors);
        }
    }
}

fn mutating(configuration: Ref<'_>, errors: &mut Errors) {
    validate(configuration, errors);
    let place = Place::root(configuration);
    for hook in place.child("webhooks").each() {
        let policy = hook.child("reinvocationPolicy");
        value::optional_one_of(&policy, errors, &["IfNeeded", "Never"]);
    }
}

fn webhook(hook: &Place<'_, '_>, errors: &mut Errors) {
    qualified(&hook.child("name"), errors);
    hook.child("rules").each().for_each(|each| rule(&each, errors));
    value::optional_one_of(&hook.child("failurePolicy"), errors, &["Fail", "Ignore"]);
    value::optional_one_of(&hook.child("matchPolicy"), errors, &["Equivalent", "Exact"]);
    let effects = hook.child("sideEffects");
    match effects.exists() {
        true => value::one_of(&effects, errors, &["None", "NoneOnDryRun"]),
        false => effects.required(errors, "must specify one of None, NoneOnDryRun"),
    }
    let timeout = hook.child("timeoutSeconds");
    if timeout.exists() && !(1..=30).contains(&timeout.int()) {
        timeout.invalid(errors, "the timeout value must be between 1 and 30 seconds");
    }
    for selector in ["namespaceSelector", "objectSelector"] {
        value::label_selector(&hook.child(selector), errors);
    }
    client(&hook.child("clientConfig"), errors);
    let conditions = hook.child("matchConditions");
    if conditions.exists() {
        policy::conditions(&conditions, &policy::of_webhooks(), errors);
    }
}

/// A domain of three labels or more.
fn qualified(name: &Place<'_, '_>, errors: &mut Errors) {
    let wrong = names::dns1123_subdomain(name.str());
    if !name.require(errors, "") {
        return;
    }
    if !wrong.is_empty() {
        name.invalid(errors, wrong.join(","));
    } else if name.str().split('.').count() < 3 {
        name.invalid(
            errors,
            "should be a domain with at least three segments separated by dots",
        );
    }
}

pub(super) fn rule(rule: &Place<'_, '_>, errors: &mut Errors) {
    let operations = rule.child("operations");
    alone(&operations, "operations", errors);
    operations
        .each()
        .for_each(|each| value::one_of(&each, errors, OPERATIONS));
    alone(&rule.child("apiGroups"), "API groups", errors);
    let versions = rule.child("apiVersions");
    alone(&versions, "API versions", errors);
    for version in versions.each() {
        version.require(errors, "");
    }
    resources(&rule.child("resources"), errors);
    value::optional_one_of(&rule.child("scope"), errors, &["*", "Cluster", "Namespaced"]);
}

/// A list that is not empty; a star stands alone in it.
fn alone(list: &Place<'_, '_>, what: &str, errors: &mut Errors) {
    list.require(errors, "");
    if list.len() > 1 && list.strings().any(|item| item == "*") {
        list.invalid(
            errors,
            format!("if '*' is present, must not specify other {what}"),
        );
    }
}

fn resources(resources: &Place<'_, '_>, errors: &mut Errors) {
    resources.require(errors, "");
    let (mut whole, mut every) = (BTreeSet::new(), BTreeSet::new());
    for place in resources.each() {
        let Some((resource, sub)) = place.str().split_once('/') else {
            place.require(errors, "");
            continue;
        };
        let text = place.str();
        if whole.contains(resource) {
            place.invalid(
                errors,
                format!("if '{resource}/*' is present, must not specify {text}"),
            );
        }
        if every.contains(sub) {
            place.invalid(
                errors,
                format!("if '*/{sub}' is present, must not specify {text}"),
            );
        }
        if sub == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            every.insert(sub);
        }
    }
    let has = |wanted: &str| resources.strings().any(|text| text == wanted);
    if resources.len() > 1 && has("*/*") {
        resources.invalid(errors, "if '*/*' is present, must not specify other resources");
    }
    if has("*") && resources.strings().any(|text| text != "*" && !text.contains('/')) {
        resources.invalid(
            errors,
            "if '*' is present, must not specify other resources without subresources",
        );
    }
}

fn reviews(versions: &Place<'_, '_>, errors: &mut Errors) {
    let all = REVIEWS.join(", ");
    if !versions.require(errors, &format!("must specify one of {all}")) {
        return;
    }
    let mut seen = BTreeSet::new();
    for version in versions.each() {
        match seen.insert(version.str()) {
            true => version.check(errors, names::dns1035_label),
            false => version.invalid(errors, "duplicate version"),
        }
    }
    if !versions.strings().any(|version| REVIEWS.contains(&version)) {
        versions.invalid(errors, format!("must include at least one of {all}"));
    }
}

fn client(client: &Place<'_, '_>, errors: &mut Errors) {
    let (url, service) = (client.child("url"), client.child("service"));
    match (url.exists(), service.exists()) {
        (true, false) => address(&url, errors),
        (false, true) => {
            service.child("name").require(errors, "service name is required");
            service
                .child("namespace")
                .require(errors, "service namespace is required");
            let port = service.child("port");
            if !(1..=65_535).contains(&port.int()) {
                port.invalid(
                    errors,
                    "port is not valid: must be between 1 and 65535, inclusive",
                );
            }
        }
        _ => client.required(errors, "exactly one of url or service is required"),
    }
}

fn address(url: &Place<'_, '_>, errors: &mut Errors) {
    const FORM: &str = "desired format: https://host[/path]";
    let (scheme, rest) = url.str().split_once("://").unwrap_or(("", url.str()));
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme; {FORM}");
        url.invalid_value(errors, scheme, detail);
    }
    if rest.split('/').next().is_none_or(str::is_empty) {
        url.invalid_value(errors, "", format!("host must be specified; {FORM}"));
    }
}
