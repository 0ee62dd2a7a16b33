//! `ResourceQuota`: `ValidateResourceQuota`, `…Update`, `…StatusUpdate`.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::quantity::{is_container_resource, resource_name, resource_quantity};
use crate::rules::value::IMMUTABLE;
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, old, errors| {
        validate(new, errors);
        let root = Place::root(new);
        let spec = root.child("spec");
        let set = |quota: Ref<'_>| {
            let scopes = quota.path("spec.scopes").strings();
            scopes.map(str::to_owned).collect::<BTreeSet<String>>()
        };
        if set(new) != set(old) {
            spec.child("scopes").invalid(errors, IMMUTABLE);
        }
    },
    validate_status: |_, new, _, errors| {
        let root = Place::root(new);
        let status = root.child("status");
        amounts(&status.child("hard"), errors);
        amounts(&status.child("used"), errors);
    },
    ..PLAIN
};

/// What can be bounded without a domain, beside what a container can ask for.
const NAMES: [&str; 16] = [
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

fn is_standard(name: &str) -> bool {
    let huge = name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
    NAMES.contains(&name) || is_container_resource(name) || huge
}

fn amounts(amounts: &Place<'_, '_>, errors: &mut Errors) {
    for (name, amount) in amounts.each_entry() {
        resource_name(&amount, name, errors);
        if !name.contains('/') && !is_standard(name) {
            amount.invalid_value(errors, name, "must be a standard resource for quota");
        }
        resource_quantity(&amount, name, errors);
    }
}

const PAIRS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Whether the scope says something about the resource.
fn applies(scope: &str, resource: &str) -> bool {
    const POD: [&str; 7] = [
        "cpu",
        "memory",
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
        "pods",
    ];
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => POD.contains(&resource),
        _ => true,
    }
}

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let hard = spec.child("hard");
    amounts(&hard, errors);
    let scopes = spec.child("scopes");
    for scope in scopes.strings() {
        if !SCOPES.contains(&scope) {
            scopes.invalid(errors, "unsupported scope");
        }
        unrelated(&hard, scope, &scopes, errors);
    }
    conflicting(scopes.strings().collect(), &scopes, errors);
    let selector = spec.child("scopeSelector");
    let named = selector.child("matchExpressions");
    for expression in named.items() {
        requirement(&named.holding(expression), errors);
        unrelated(
            &hard,
            expression.at("scopeName").str(),
            &named.holding(selector.value()),
            errors,
        );
    }
    let names = named.items().map(|expression| expression.at("scopeName").str());
    conflicting(names.collect(), &named.holding(scopes.value()), errors);
}

fn unrelated(hard: &Place<'_, '_>, scope: &str, place: &Place<'_, '_>, errors: &mut Errors) {
    let resources = hard.entries().map(|(name, _)| name);
    for _ in resources.filter(|name| is_standard(name) && !applies(scope, name)) {
        place.invalid(errors, "unsupported scope applied to resource");
    }
}

fn conflicting(scopes: BTreeSet<&str>, place: &Place<'_, '_>, errors: &mut Errors) {
    for _ in PAIRS
        .iter()
        .filter(|pair| pair.iter().all(|scope| scopes.contains(scope)))
    {
        place.invalid(errors, "conflicting scopes");
    }
}

/// One expression of a scope selector. Upstream's paths name no index.
fn requirement(expression: &Place<'_, '_>, errors: &mut Errors) {
    let (scope, operator) = (expression.child("scopeName"), expression.child("operator"));
    let values = expression.child("values");
    if !SCOPES.contains(&scope.str()) {
        scope.invalid(errors, "unsupported scope");
    }
    let by_presence = matches!(
        scope.str(),
        "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity"
    );
    if by_presence && operator.str() != "Exists" {
        operator.invalid(
            errors,
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
             ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
             ResourceQuotaScopeCrossNamespacePodAffinity",
        );
    }
    match operator.str() {
        "In" | "NotIn" => {
            let text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            values.require(errors, text);
        }
        "Exists" | "DoesNotExist" if values.is_empty() => {}
        "Exists" | "DoesNotExist" => values.invalid(
            errors,
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
        _ => operator.invalid(errors, "not a valid selector operator"),
    }
}
