//! `FlowSchema`.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::tree::Value;

use super::level::conditions;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: |types, flow| {
        set_default(types, flow, "spec.matchingPrecedence", Value::Int(1000));
    },
    validate_create: |_, flow, errors| validate(flow, errors),
    validate_update: |_, flow, _, errors| validate(flow, errors),
    validate_status: |_, flow, _, errors| conditions(flow, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

const LAST: i64 = 10_000;
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "proxy",
    "update",
    "watch",
];

fn validate(flow: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(flow);
    let spec = root.child("spec");
    precedence(
        &spec.child("matchingPrecedence"),
        flow.path("metadata.name").str(),
        errors,
    );
    let method = spec.child("distinguisherMethod");
    if method.exists() && !matches!(method.at("type").str(), "ByNamespace" | "ByUser") {
        let kind = method.named("type", method.value());
        kind.not_supported(errors, &["ByNamespace", "ByUser"]);
    }
    let level = spec.child("priorityLevelConfiguration");
    let level = level.child("name");
    if level.require(errors, "must reference a priority level") {
        level.check(errors, dns1123_subdomain);
    }
    spec.child("rules").each().for_each(|each| rule(&each, errors));
    conditions(flow, errors);
}

fn precedence(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let number = place.int();
    if number <= 0 {
        place.invalid_value(errors, number, "must be a positive value");
    }
    if number > LAST {
        place.invalid(errors, format!("must not be greater than {LAST}"));
    }
    if number == 1 && name != "exempt" {
        place.invalid(
            errors,
            "only the schema named 'exempt' may have matchingPrecedence 1",
        );
    }
}

fn rule(rule: &Place<'_, '_>, errors: &mut Errors) {
    let subjects = rule.child("subjects");
    subjects.require(errors, "subjects must contain at least one value");
    subjects.each().for_each(|each| subject(&each, errors));
    let (resources, urls) = (rule.child("resourceRules"), rule.child("nonResourceRules"));
    if resources.is_empty() && urls.is_empty() {
        rule.required(
            errors,
            "at least one of resourceRules and nonResourceRules has to be non-empty",
        );
    }
    resources.each().for_each(|each| resource_rule(&each, errors));
    urls.each().for_each(|each| url_rule(&each, errors));
}

const KINDS: [(&str, &str); 3] = [
    ("ServiceAccount", "serviceAccount"),
    ("User", "user"),
    ("Group", "group"),
];

fn subject(subject: &Place<'_, '_>, errors: &mut Errors) {
    let kind = subject.child("kind");
    let Some((name, own)) = KINDS.iter().find(|(name, _)| *name == kind.str()) else {
        return kind.not_supported(errors, &["Group", "ServiceAccount", "User"]);
    };
    let place = subject.child(own);
    match place.exists() {
        true => named(&place, *own == "serviceAccount", errors),
        false => place.required(
            errors,
            &format!("{own} is required when subject kind is '{name}'"),
        ),
    }
    for (other, member) in KINDS.iter().rev().filter(|(_, member)| member != own) {
        if subject.at(member).exists() {
            let text = format!("{member} is forbidden when subject kind is not '{other}'");
            subject.child(member).forbidden(errors, text);
        }
    }
}

fn named(subject: &Place<'_, '_>, is_account: bool, errors: &mut Errors) {
    let name = subject.child("name");
    let given = name.require(errors, "");
    if !is_account {
        return;
    }
    if given && name.str() != "*" {
        name.check(errors, dns1123_subdomain);
    }
    let namespace = subject.child("namespace");
    if namespace.require(errors, "must specify namespace for service account") {
        namespace.check(errors, dns1123_label);
    }
}

/// A list that is not empty, in which a star stands alone. Whether what it says is to be looked at.
fn starred(list: &Place<'_, '_>, detail: &str, what: &str, errors: &mut Errors) -> bool {
    let star = list.strings().any(|item| item == "*");
    if star && list.len() > 1 {
        list.invalid(
            errors,
            format!("if '*' is present, must not specify other {what}"),
        );
    }
    list.require(errors, detail) && !star
}

fn verbs(rule: &Place<'_, '_>, errors: &mut Errors) {
    let verbs = rule.child("verbs");
    let look = starred(&verbs, "verbs must contain at least one value", "verbs", errors);
    if look && !verbs.strings().all(|verb| VERBS.contains(&verb)) {
        verbs.not_supported(errors, VERBS);
    }
}

fn resource_rule(rule: &Place<'_, '_>, errors: &mut Errors) {
    verbs(rule, errors);
    for (name, detail, what) in [
        (
            "apiGroups",
            "resource rules must supply at least one api group",
            "api groups",
        ),
        (
            "resources",
            "resource rules must supply at least one resource",
            "resources",
        ),
    ] {
        starred(&rule.child(name), detail, what, errors);
    }
    let namespaces = rule.child("namespaces");
    if namespaces.is_empty() && rule.at("clusterScope").bool() {
        return;
    }
    let detail = "resource rules that are not cluster scoped must supply at least one namespace";
    if starred(&namespaces, detail, "namespaces", errors) {
        for namespace in namespaces.each() {
            let wrong = dns1123_label(namespace.str()).into_iter();
            wrong.for_each(|text| {
                let text = format!("each member of this list must be '*' or a DNS-1123 label; {text}");
                namespace.invalid(errors, text);
            });
        }
    }
}

fn url_rule(rule: &Place<'_, '_>, errors: &mut Errors) {
    verbs(rule, errors);
    let urls = rule.child("nonResourceURLs");
    let detail = "nonResourceURLs must contain at least one value";
    if starred(&urls, detail, "non-resource URLs", errors) {
        for url in urls.each() {
            let wrong = url_fault(url.str());
            wrong.into_iter().for_each(|text| url.invalid(errors, text));
        }
    }
}

fn url_fault(path: &str) -> Option<&'static str> {
    let stars = path.matches('*').count();
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !path.starts_with('/') => Some("must start with slash"),
        _ if path.contains(' ') => Some("must not contain white-space"),
        _ if path.contains("//") => Some("must not contain double slash"),
        _ if stars > 1 || (stars == 1 && !path.ends_with("/*")) => {
            Some("wildcard can only do suffix matching")
        }
        _ => None,
    }
}
