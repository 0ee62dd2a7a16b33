//! Small kinds that bound, rank or lead workloads: limit ranges, autoscalers, disruption budgets, priority classes,
//! leases.

use schema::cursor::{Ref, each_mut, map_mut, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::template;
use crate::rules::value::{immutable, label_selector};
use crate::rules::variable::non_negative_or_percent;
use crate::{Generation, PLAIN, Place, Strategy};

/// `LimitRange`
pub(super) const LIMIT_RANGE: Strategy = Strategy {
    default: |types, object| each_mut(types, object, "spec.limits", |item| limit_defaults(types, item)),
    create_on_update: true,
    ..PLAIN
};

/// `HorizontalPodAutoscaler`
pub(super) const AUTOSCALER: Strategy = Strategy {
    default: |types, object| template::set_integers(types, object, &[("spec.minReplicas", 1)]),
    validate_create: |_, object, errors| autoscaler(object, errors),
    validate_update: |_, new, _, errors| autoscaler(new, errors),
    ..PLAIN
};

/// `PodDisruptionBudget`
pub(super) const DISRUPTION_BUDGET: Strategy = Strategy {
    validate_create: |_, object, errors| budget(object, errors),
    validate_update: |_, new, _, errors| budget(new, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

/// `PriorityClass`
pub(super) const PRIORITY_CLASS: Strategy = Strategy {
    default: |types, object| {
        set_default(
            types,
            object,
            "preemptionPolicy",
            Value::str("PreemptLowerPriority"),
        );
    },
    validate_create: |_, object, errors| priority(object, errors),
    validate_update: |_, new, old, errors| {
        let root = Place::root(new);
        if new.at("value").int() != old.at("value").int() {
            root.child("value")
                .forbidden(errors, "may not be changed in an update.");
        }
        immutable(
            &root.child("preemptionPolicy"),
            old.at("preemptionPolicy"),
            errors,
        );
    },
    ..PLAIN
};

/// `Lease`
pub(super) const LEASE: Strategy = Strategy {
    validate_create: |_, object, errors| lease(object, errors),
    validate_update: |_, new, _, errors| lease(new, errors),
    create_on_update: true,
    unconditional_update: false,
    ..PLAIN
};

/// A container's limit is its maximum if not given, its request the limit, or else the minimum.
fn limit_defaults(types: &Types, item: &mut Struct) {
    if Ref::new(types, item).at("type").str() == "Container" {
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            lend(types, item, from, to);
        }
    }
}

fn lend(types: &Types, item: &mut Struct, from: &str, to: &str) {
    let lent = Ref::new(types, item).at(from);
    let lent: Vec<_> = lent
        .entries()
        .map(|(name, amount)| (name.to_owned(), amount.str().to_owned()))
        .collect();
    if lent.is_empty() {
        return;
    }
    if let Some(amounts) = map_mut(types, item, to) {
        for (name, amount) in lent
            .into_iter()
            .filter(|(name, _)| amounts.get(name).is_none())
            .collect::<Vec<_>>()
        {
            amounts.insert(&name, Value::str(&amount));
        }
    }
}

fn autoscaler(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let (least, most) = (spec.child("minReplicas"), spec.child("maxReplicas"));
    if least.exists() && least.int() < 1 {
        least.invalid(errors, "must be greater than or equal to 1");
    }
    if most.int() < 1 {
        most.invalid_value(errors, most.int(), "must be greater than 0");
    }
    if least.exists() && most.int() < least.int() {
        most.invalid_value(
            errors,
            most.int(),
            "must be greater than or equal to `minReplicas`",
        );
    }
    let target = spec.child("scaleTargetRef");
    target.child("kind").require(errors, "");
    target.child("name").require(errors, "");
}

fn budget(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let (least, most) = (spec.child("minAvailable"), spec.child("maxUnavailable"));
    if least.exists() && most.exists() {
        spec.invalid(errors, "minAvailable and maxUnavailable cannot be both set");
    }
    for place in [least, most] {
        if place.exists() {
            non_negative_or_percent(&place, errors);
            crate::rules::variable::not_above_hundred(&place, errors);
        }
    }
    label_selector(&spec.child("selector"), errors);
}

/// The highest value that users can give a class.
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;

fn priority(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let (name, value) = (object.path("metadata.name").str(), object.at("value").int());
    let system = matches!(name, "system-node-critical" | "system-cluster-critical");
    if name.starts_with("system-") && !system {
        let metadata = root.child("metadata");
        metadata.child("name").forbidden(
            errors,
            "priority class names with 'system-' prefix are reserved for system use only. error: only system priority \
             classes are allowed to start with 'system-' prefix",
        );
    }
    if value > HIGHEST_USER_PRIORITY && !system {
        let text = format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}");
        root.child("value").forbidden(errors, text);
    }
}

fn lease(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let (duration, transitions) = (spec.child("leaseDurationSeconds"), spec.child("leaseTransitions"));
    if duration.exists() && duration.int() <= 0 {
        duration.invalid(errors, "must be greater than 0");
    }
    if transitions.exists() && transitions.int() < 0 {
        transitions.invalid(errors, "must be greater than or equal to 0");
    }
}
