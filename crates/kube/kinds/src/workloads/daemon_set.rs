//! DaemonSets.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{status, template};
use crate::rules::selector;
use crate::rules::value::{immutable, label_selector, label_selector_of};
use crate::rules::variable::{is_zero, non_negative_or_percent, not_above_hundred};
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, object| template::dropped(context, object, None, "spec.template"),
    prepare_update: |context, new, old| template::dropped(context, new, Some(old), "spec.template"),
    validate_create: |_, object, errors| validate(object, None, errors),
    validate_update: |_, new, old, errors| {
        validate(new, Some(old), errors);
        let root = Place::root(new);
        immutable(
            &root.child("spec").child("selector"),
            old.path("spec.selector"),
            errors,
        );
    },
    validate_status: |_, new, old, errors| status::validate(&status::DAEMON_SET, new, old, errors),
    warn: |_, new, old| template::warnings(new, old, "spec.template"),
    generation: Generation::Spec,
    ..PLAIN
};

fn default(types: &Types, object: &mut Struct) {
    template::defaults(types, object);
    set_default(
        types,
        object,
        "spec.updateStrategy.type",
        Value::str("RollingUpdate"),
    );
    if Ref::new(types, object).path("spec.updateStrategy.type").str() == "RollingUpdate" {
        let rolling = "spec.updateStrategy.rollingUpdate";
        set_default(types, object, &format!("{rolling}.maxUnavailable"), Value::Int(1));
        set_default(types, object, &format!("{rolling}.maxSurge"), Value::Int(0));
    }
    template::set_integers(types, object, &[("spec.revisionHistoryLimit", 10)]);
}

fn validate(object: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    selector(&spec, old.map(|old| old.path("spec.selector")), errors);
    let place = spec.child("template");
    template::validate(&place, old.map(|old| old.path("spec.template")), errors);
    template::always(&place, "DaemonSet", errors);
    template::counts(&spec, &["minReadySeconds"], errors);
    let strategy = spec.child("updateStrategy");
    match strategy.at("type").str() {
        "OnDelete" => {}
        "RollingUpdate" => rolling_update(&strategy.child("rollingUpdate"), errors),
        _ => strategy.not_supported(errors, &["RollingUpdate", "OnDelete"]),
    }
    template::counts(&spec, &["revisionHistoryLimit"], errors);
}

/// A selector that is not there selects nothing, which is told of the labels alone.
fn selector(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let selector = spec.child("selector");
    let faulty = |selector: &Place<'_, '_>| {
        let mut errors = Errors::new();
        label_selector(selector, &mut errors);
        !errors.is_empty()
    };
    let kept = old.is_some_and(|old| faulty(&selector.holding(old)));
    label_selector_of(&selector, !kept, errors);
    if !faulty(&selector) {
        template::matches(spec, errors);
    }
    if selector.exists() && selector::selects_all(selector.value()) {
        selector.invalid(errors, "empty selector is invalid for daemonset");
    }
}

fn rolling_update(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.exists() {
        return place.required(errors, "");
    }
    let (unavailable, surge) = (place.child("maxUnavailable"), place.child("maxSurge"));
    for place in [&unavailable, &surge] {
        non_negative_or_percent(place, errors);
        not_above_hundred(place, errors);
    }
    match (is_zero(unavailable.value()), is_zero(surge.value())) {
        (true, true) => unavailable.required(errors, "cannot be 0 when maxSurge is 0"),
        (false, false) => surge.invalid(errors, "may not be set when maxUnavailable is non-zero"),
        _ => {}
    }
}
