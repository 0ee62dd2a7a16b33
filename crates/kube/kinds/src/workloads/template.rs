//! The pod template of a controller, and the rules that controllers share about it.

use schema::cursor::{Ref, get_mut, set};
use schema::field::{BadValue, Errors};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::pod::{self, Kept};
use crate::rules::selector;
use crate::rules::value::{annotations, label_selector, labels, non_negative};
use crate::{Context, Generation, PLAIN, Place, Strategy};

/// `PodTemplate`: the kind of its own.
pub(super) const STRATEGY: Strategy = Strategy {
    default: |types, object| pod::spec_defaults(types, object, "template.spec"),
    prepare_create: |context, object| dropped(context, object, None, "template"),
    prepare_update: |context, new, old| dropped(context, new, Some(old), "template"),
    validate_create: |_, object, errors| validate(&Place::root(object).child("template"), None, errors),
    validate_update: |_, new, old, errors| {
        validate(
            &Place::root(new).child("template"),
            Some(old.at("template")),
            errors,
        );
    },
    warn: |_, new, old| warnings(new, old, "template"),
    generation: Generation::Content,
    ..PLAIN
};

/// Defaults of `spec.template.spec`.
pub(super) fn defaults(types: &Types, object: &mut Struct) {
    pod::spec_defaults(types, object, "spec.template.spec");
}

/// Sets integers that are absent.
pub(super) fn set_integers(types: &Types, object: &mut Struct, integers: &[(&str, i64)]) {
    for (path, integer) in integers {
        schema::cursor::set_default(types, object, path, Value::Int(*integer));
    }
}

/// Copies the template's labels to where they are a default: a controller's selector or labels.
pub(super) fn lend_labels(types: &Types, object: &mut Struct, path: &str) {
    let there = !Ref::new(types, object).path(path).is_empty();
    let labels = get_mut(types, object, "spec.template.metadata.labels").map(|labels| labels.clone());
    if let (false, Some(labels)) = (there, labels) {
        set(types, object, path, labels);
    }
}

/// Takes out of the template at a path what belongs to features that are off, unless the old one has it.
pub(super) fn dropped(context: &Context<'_>, object: &mut Struct, old: Option<&Struct>, path: &str) {
    let types = context.types;
    let before = old.map(|old| Ref::new(types, old).path(path).at("spec"));
    if let Some(Value::Struct(spec)) = get_mut(types, object, &format!("{path}.spec")) {
        pod::drop_disabled(types, spec, before);
    }
}

/// A `PodTemplateSpec`, which may keep what was wrong with the old one. Upstream's paths of its metadata leave out
/// `metadata`.
pub(super) fn validate(template: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let kept = Kept::of(old);
    let (metadata, spec) = (template.holding(template.at("metadata")), template.child("spec"));
    labels(&metadata.child("labels"), errors);
    annotations(&metadata.child("annotations"), errors);
    pod::validate_annotations(&metadata, &spec, &kept, errors);
    pod::validate_spec(&spec, &kept, errors);
    pod::annotations_agree(metadata.value(), &spec, errors);
    if !spec.at("ephemeralContainers").is_empty() {
        let text = "ephemeral containers not allowed in pod template";
        spec.child("ephemeralContainers").forbidden(errors, text);
    }
}

/// Warnings about the template at a path of the object, at create and where it changes.
pub(super) fn warnings(object: Ref<'_>, old: Option<Ref<'_>>, path: &str) -> Vec<String> {
    let changed = old.is_none_or(|old| old.path(path) != object.path(path));
    let root = Place::root(object);
    match changed && object.path(path).exists() {
        true => pod::warnings(&root.child(path), true),
        false => Vec::new(),
    }
}

/// Pods that are run for ever.
pub(super) fn always(template: &Place<'_, '_>, kind: &str, errors: &mut Errors) {
    let spec = template.child("spec");
    if !matches!(spec.at("restartPolicy").str(), "" | "Always") {
        spec.child("restartPolicy").not_supported(errors, &["Always"]);
    }
    if spec.at("activeDeadlineSeconds").exists() {
        let text = format!("activeDeadlineSeconds in {kind} is not Supported");
        spec.child("activeDeadlineSeconds").forbidden(errors, text);
    }
}

/// The selector of a controller: there, not empty, and one that can be read. Whether it can, and so selects something or
/// nothing.
pub(super) fn selector(spec: &Place<'_, '_>, kind: &str, unreadable: &str, errors: &mut Errors) -> bool {
    let selector = spec.child("selector");
    if !selector.exists() {
        // Upstream takes none for one that selects nothing.
        selector.required(errors, "");
        return true;
    }
    let before = errors.len();
    label_selector(&selector, errors);
    let readable = errors.len() == before;
    if selector::selects_all(selector.value()) {
        selector.invalid(errors, format!("empty selector is invalid for {kind}"));
    }
    if !readable {
        selector.invalid(errors, unreadable);
    }
    readable
}

/// The template's labels match the selector, unless it selects all; none matches nothing.
pub(super) fn selected(spec: &Place<'_, '_>, errors: &mut Errors) {
    let selector = spec.at("selector");
    if !selector.exists() || !selector::selects_all(selector) {
        matches(spec, errors);
    }
}

/// The template's labels match the selector.
pub(super) fn matches(spec: &Place<'_, '_>, errors: &mut Errors) {
    let (selector, template) = (spec.at("selector"), spec.child("template"));
    let metadata = template.child("metadata");
    let labels = metadata.child("labels");
    if !selector.exists() || !selector::selects(selector, labels.value()) {
        let shown = BadValue::json(&labels.json());
        labels.invalid_value(errors, shown, "`selector` does not match template `labels`");
    }
}

/// Counts that may not be below zero.
pub(super) fn counts(spec: &Place<'_, '_>, names: &[&str], errors: &mut Errors) {
    names
        .iter()
        .for_each(|name| non_negative(&spec.child(name), errors));
}
