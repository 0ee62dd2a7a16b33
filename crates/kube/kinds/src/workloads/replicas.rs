//! ReplicaSets and their elder, ReplicationControllers.

use schema::cursor::Ref;
use schema::field::Errors;

use super::{status, template};
use crate::rules::value::immutable;
use crate::{Generation, PLAIN, Place, SelectableField, Strategy};

const FIELDS: &[SelectableField] = &[SelectableField {
    name: "status.replicas",
    path: "status.replicas",
    absent: "0",
}];

/// `ReplicaSet`
pub(super) const SET: Strategy = Strategy {
    default: |types, object| {
        template::defaults(types, object);
        template::set_integers(types, object, &[("spec.replicas", 1)]);
    },
    prepare_create: |context, object| template::dropped(context, object, None, "spec.template"),
    prepare_update: |context, new, old| template::dropped(context, new, Some(old), "spec.template"),
    validate_create: |_, object, errors| set(object, None, errors),
    validate_update: |_, new, old, errors| {
        set(new, Some(old), errors);
        let root = Place::root(new);
        immutable(
            &root.child("spec").child("selector"),
            old.path("spec.selector"),
            errors,
        );
    },
    validate_status: |_, new, old, errors| status::validate(&status::REPLICAS, new, old, errors),
    warn: |_, new, old| template::warnings(new, old, "spec.template"),
    generation: Generation::Spec,
    fields: FIELDS,
    ..PLAIN
};

/// `ReplicationController`: its selector is by equality and comes from the template if it is not given.
pub(super) const CONTROLLER: Strategy = Strategy {
    default: |types, object| {
        template::lend_labels(types, object, "spec.selector");
        template::lend_labels(types, object, "metadata.labels");
        if Ref::new(types, object).path("spec.template").exists() {
            template::defaults(types, object);
        }
        template::set_integers(types, object, &[("spec.replicas", 1)]);
    },
    prepare_create: |context, object| template::dropped(context, object, None, "spec.template"),
    prepare_update: |context, new, old| template::dropped(context, new, Some(old), "spec.template"),
    validate_create: |_, object, errors| controller(object, None, errors),
    validate_update: |_, new, old, errors| controller(new, Some(old), errors),
    validate_status: |_, new, old, errors| status::validate(&status::REPLICAS, new, old, errors),
    warn: |_, new, old| template::warnings(new, old, "spec.template"),
    generation: Generation::Spec,
    orphan: true,
    fields: FIELDS,
    ..PLAIN
};

fn set(object: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    template::counts(&spec, &["replicas", "minReadySeconds"], errors);
    pods(&spec, old, errors);
}

/// The selector and the pods of a set, or of a deployment, which makes sets of it.
pub(super) fn pods(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    if !template::selector(spec, "deployment", "invalid label selector", errors) {
        return;
    }
    template::selected(spec, errors);
    let place = spec.child("template");
    template::validate(&place, old.map(|old| old.path("spec.template")), errors);
    template::always(&place, "ReplicaSet", errors);
}

fn controller(object: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    template::counts(&spec, &["minReadySeconds"], errors);
    let selector = spec.child("selector");
    selector.require(errors, "");
    template::counts(&spec, &["replicas"], errors);
    let template = spec.child("template");
    if !template.exists() {
        return template.required(errors, "");
    }
    let metadata = template.child("metadata");
    let labels = metadata.child("labels");
    let missing = |(key, value): (&str, Ref<'_>)| labels.at(key).text() != Some(value.str());
    if selector.entries().any(missing) {
        labels.invalid(errors, "`selector` does not match template `labels`");
    }
    template::validate(&template, old.map(|old| old.path("spec.template")), errors);
    template::always(&template, "ReplicationController", errors);
}
