//! Deployments.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{replicas, status, template};
use crate::rules::value::immutable;
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
    validate_status: |_, new, old, errors| status::validate(&status::DEPLOYMENT, new, old, errors),
    warn: |_, new, old| template::warnings(new, old, "spec.template"),
    generation: Generation::Spec,
    resets: &[("", &["status"]), ("status", &["spec", "metadata.labels"])],
    ..PLAIN
};

fn default(types: &Types, object: &mut Struct) {
    template::defaults(types, object);
    template::set_integers(
        types,
        object,
        &[
            ("spec.replicas", 1),
            ("spec.revisionHistoryLimit", 10),
            ("spec.progressDeadlineSeconds", 600),
        ],
    );
    set_default(types, object, "spec.strategy.type", Value::str("RollingUpdate"));
    if Ref::new(types, object).path("spec.strategy.type").str() == "RollingUpdate" {
        for name in ["maxUnavailable", "maxSurge"] {
            let path = format!("spec.strategy.rollingUpdate.{name}");
            set_default(types, object, &path, Value::str("25%"));
        }
    }
}

fn validate(object: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    template::counts(&spec, &["replicas"], errors);
    replicas::pods(&spec, old, errors);
    strategy(&spec.child("strategy"), errors);
    template::counts(&spec, &["minReadySeconds", "revisionHistoryLimit"], errors);
    deadline(&spec, errors);
}

fn strategy(place: &Place<'_, '_>, errors: &mut Errors) {
    let rolling = place.child("rollingUpdate");
    match place.at("type").str() {
        "Recreate" if rolling.exists() => {
            rolling.forbidden(errors, "may not be specified when strategy `type` is 'Recreate'");
        }
        "Recreate" => {}
        "RollingUpdate" if rolling.exists() => rolling_update(&rolling, errors),
        "RollingUpdate" => rolling.required(errors, "this should be defaulted and never be nil"),
        _ => place.not_supported(errors, &["Recreate", "RollingUpdate"]),
    }
}

fn rolling_update(place: &Place<'_, '_>, errors: &mut Errors) {
    let (unavailable, surge) = (place.child("maxUnavailable"), place.child("maxSurge"));
    non_negative_or_percent(&unavailable, errors);
    non_negative_or_percent(&surge, errors);
    if is_zero(unavailable.value()) && is_zero(surge.value()) {
        unavailable.invalid(errors, "may not be 0 when `maxSurge` is 0");
    }
    not_above_hundred(&unavailable, errors);
}

fn deadline(spec: &Place<'_, '_>, errors: &mut Errors) {
    template::counts(spec, &["progressDeadlineSeconds"], errors);
    let deadline = spec.child("progressDeadlineSeconds");
    if deadline.exists() && deadline.int() <= spec.at("minReadySeconds").int() {
        deadline.invalid(errors, "must be greater than minReadySeconds");
    }
}
