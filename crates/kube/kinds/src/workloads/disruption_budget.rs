//! `PodDisruptionBudget`.

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::table::Rule::{NonNegative, Word};
use crate::rules::value::label_selector;
use crate::rules::variable::{non_negative_or_percent, not_above_hundred};
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, _, errors| validate(new, errors),
    validate_status: |_, new, _, errors| status(new, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let (least, most) = (spec.child("minAvailable"), spec.child("maxUnavailable"));
    if least.exists() && most.exists() {
        spec.invalid(errors, "minAvailable and maxUnavailable cannot be both set");
    }
    for place in [least, most] {
        if place.exists() {
            non_negative_or_percent(&place, errors);
            not_above_hundred(&place, errors);
        }
    }
    label_selector(&spec.child("selector"), errors);
    let policy = spec.child("unhealthyPodEvictionPolicy");
    Word(&["AlwaysAllow", "IfHealthyBudget"]).check(&policy, errors);
}

fn status(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let status = root.child("status");
    for name in [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ] {
        NonNegative.check(&status.child(name), errors);
    }
}
