//! DaemonSets.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::template;
use crate::rules::value::immutable;
use crate::rules::variable::{non_negative_or_percent, not_above_hundred};
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, old, errors| {
        validate(new, errors);
        let root = Place::root(new);
        immutable(
            &root.child("spec").child("selector"),
            old.path("spec.selector"),
            errors,
        );
    },
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

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    template::selector(&spec, "daemonset", errors);
    template::selected(&spec, errors);
    template::always(&spec.child("template"), "DaemonSet", errors);
    template::counts(&spec, &["minReadySeconds", "revisionHistoryLimit"], errors);
    let strategy = spec.child("updateStrategy");
    match strategy.at("type").str() {
        "OnDelete" => {}
        "RollingUpdate" => rolling_update(&strategy.child("rollingUpdate"), errors),
        _ => strategy
            .child("type")
            .not_supported(errors, &["RollingUpdate", "OnDelete"]),
    }
}

fn rolling_update(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.exists() {
        return place.required(errors, "");
    }
    for name in ["maxUnavailable", "maxSurge"] {
        let place = place.child(name);
        non_negative_or_percent(&place, errors);
        not_above_hundred(&place, errors);
    }
}
