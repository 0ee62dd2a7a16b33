//! StatefulSets.

use schema::cursor::{Ref, each_mut, set, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::template;
use crate::rules::value::one_of;
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, old, errors| {
        validate(new, errors);
        fixed(new, old, errors);
    },
    generation: Generation::Spec,
    ..PLAIN
};

/// What an update may change.
const OPEN: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn default(types: &Types, object: &mut Struct) {
    template::defaults(types, object);
    for (path, text) in [
        ("spec.podManagementPolicy", "OrderedReady"),
        ("spec.updateStrategy.type", "RollingUpdate"),
        ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "Retain"),
        ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", "Retain"),
    ] {
        set_default(types, object, path, Value::str(text));
    }
    if Ref::new(types, object).path("spec.updateStrategy.type").str() == "RollingUpdate" {
        template::set_integers(
            types,
            object,
            &[("spec.updateStrategy.rollingUpdate.partition", 0)],
        );
    }
    template::set_integers(
        types,
        object,
        &[("spec.replicas", 1), ("spec.revisionHistoryLimit", 10)],
    );
    each_mut(types, object, "spec.volumeClaimTemplates", |claim| {
        claim_defaults(types, claim);
    });
}

/// Upstream gives each claim its kind, and a new claim's defaults.
fn claim_defaults(types: &Types, claim: &mut Struct) {
    set(types, claim, "apiVersion", Value::str("v1"));
    set(types, claim, "kind", Value::str("PersistentVolumeClaim"));
    set_default(types, claim, "spec.volumeMode", Value::str("Filesystem"));
    set_default(types, claim, "status.phase", Value::str("Pending"));
}

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let management = spec.child("podManagementPolicy");
    if management.require(errors, "") {
        one_of(&management, errors, &["OrderedReady", "Parallel"]);
    }
    let strategy = spec.child("updateStrategy");
    match strategy.at("type").str() {
        "RollingUpdate" => template::counts(&strategy.child("rollingUpdate"), &["partition"], errors),
        "OnDelete" if strategy.at("rollingUpdate").exists() => strategy
            .child("rollingUpdate")
            .forbidden(errors, "only allowed for updateStrategy 'RollingUpdate'"),
        "OnDelete" => {}
        _ => strategy
            .child("type")
            .not_supported(errors, &["RollingUpdate", "OnDelete"]),
    }
    template::counts(&spec, &["replicas", "minReadySeconds"], errors);
    template::selector(&spec, "statefulset", errors);
    template::selected(&spec, errors);
    template::always(&spec.child("template"), "StatefulSet", errors);
}

fn fixed(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let (new, old) = (new.at("spec"), old.at("spec"));
    let Some(spec) = new.object() else { return };
    let types = new.types();
    let names = types.fields(spec.ty).iter().map(|field| types.name(field.json));
    let mut closed = names.filter(|name| !OPEN.contains(name));
    if closed.any(|name| new.at(name) != old.at(name)) {
        Place::root(new).named("spec", new).forbidden(
            errors,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}
