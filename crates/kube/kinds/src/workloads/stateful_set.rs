//! StatefulSets.

use schema::cursor::{Ref, each_mut, remove, set, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{status, template};
use crate::rules::names::dns1123_label;
use crate::rules::table::Rule::{NonNegative, Word};
use crate::rules::variable::{is_zero, non_negative_or_percent, not_above_hundred};
use crate::{Context, Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, object| {
        template::dropped(context, object, None, "spec.template");
        drop_unavailable(context, object, None);
    },
    prepare_update: |context, new, old| {
        template::dropped(context, new, Some(old), "spec.template");
        drop_unavailable(context, new, Some(old));
    },
    validate_create: |_, object, errors| validate(object, None, errors),
    validate_update: |_, new, old, errors| {
        validate(new, Some(old), errors);
        fixed(new, old, errors);
    },
    validate_status: |_, new, old, errors| status::validate(&status::STATEFUL_SET, new, old, errors),
    warn: |_, new, old| warnings(new, old),
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

/// How many pods may be missing belongs to a feature that is off by default until 1.37.
fn drop_unavailable(context: &Context<'_>, set: &mut Struct, old: Option<&Struct>) {
    const PATH: &str = "spec.updateStrategy.rollingUpdate.maxUnavailable";
    let in_use = old.is_some_and(|old| Ref::new(context.types, old).path(PATH).exists());
    if !in_use {
        remove(context.types, set, PATH);
    }
}

fn validate(object: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let management = spec.child("podManagementPolicy");
    if management.require(errors, "") && !matches!(management.str(), "OrderedReady" | "Parallel") {
        management.invalid(errors, "must be 'OrderedReady' or 'Parallel'");
    }
    update_strategy(&spec.child("updateStrategy"), errors);
    let retention = spec.child("persistentVolumeClaimRetentionPolicy");
    for name in ["whenDeleted", "whenScaled"] {
        Word(&["Delete", "Retain"]).check(&retention.child(name), errors);
    }
    template::counts(&spec, &["replicas", "minReadySeconds"], errors);
    let start = spec.value().path("ordinals.start");
    NonNegative.check(&spec.named("ordinals.start", start), errors);
    let service = spec.child("serviceName");
    if old.is_none() && !service.is_empty() {
        service.check(errors, dns1123_label);
    }
    if template::selector(&spec, "statefulset", "", errors) {
        template::selected(&spec, errors);
        pods(&spec, old.map(|old| old.path("spec.template")), errors);
    }
    template::always(&spec.child("template"), "StatefulSet", errors);
}

fn update_strategy(strategy: &Place<'_, '_>, errors: &mut Errors) {
    let rolling = strategy.child("rollingUpdate");
    match strategy.at("type").str() {
        "RollingUpdate" => rolling_update(&rolling, errors),
        "OnDelete" if rolling.exists() => {
            rolling.invalid(errors, "only allowed for updateStrategy 'RollingUpdate'");
        }
        "OnDelete" => {}
        "" => strategy.required(errors, ""),
        _ => strategy.invalid(errors, "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

fn rolling_update(rolling: &Place<'_, '_>, errors: &mut Errors) {
    template::counts(rolling, &["partition"], errors);
    let unavailable = rolling.child("maxUnavailable");
    if !unavailable.exists() {
        return;
    }
    non_negative_or_percent(&unavailable, errors);
    if is_zero(unavailable.value()) {
        unavailable.invalid(errors, "cannot be 0");
    }
    not_above_hundred(&unavailable, errors);
}

/// The pods' volumes are those of the template and one for each claim, which comes in the place of a volume of its
/// name.
fn pods(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let place = spec.child("template");
    let Some(mut object) = place.object().cloned() else {
        return template::validate(&place, old, errors);
    };
    let types = place.types();
    let claims = spec.at("volumeClaimTemplates").items();
    let names: Vec<&str> = claims.map(|claim| claim.path("metadata.name").str()).collect();
    if !names.is_empty() {
        let given = place.value().path("spec.volumes").items();
        let mut volumes: Vec<Value> = given
            .filter(|volume| !names.contains(&volume.at("name").str()))
            .filter_map(Ref::cloned)
            .collect();
        volumes.extend(names.iter().filter_map(|name| claim_volume(types, name)));
        set(types, &mut object, "spec.volumes", Value::List(volumes));
    }
    let pods = place.holding(Ref::new(types, &object));
    template::validate(&pods, old, errors);
}

fn claim_volume(types: &Types, name: &str) -> Option<Value> {
    let mut volume = Struct::new(types.find("core/v1", "Volume")?);
    set(types, &mut volume, "name", Value::str(name));
    set(
        types,
        &mut volume,
        "persistentVolumeClaim.claimName",
        Value::str(name),
    );
    Some(Value::Struct(Box::new(volume)))
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

fn warnings(new: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let mut found = template::warnings(new, old, "spec.template");
    let root = Place::root(new);
    let spec = root.child("spec");
    for claim in spec.child("volumeClaimTemplates").each() {
        found.extend(crate::storage::claim_warnings(&claim.child("spec")));
    }
    if spec.at("revisionHistoryLimit").int() < 0 {
        let text = "a negative value retains all historical revisions; a value >= 0 is recommended";
        found.push(format!("spec.revisionHistoryLimit: {text}"));
    }
    found
}
