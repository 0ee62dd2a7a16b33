//! `PersistentVolumeClaim`: `ValidatePersistentVolumeClaim`, `…Update`, `…StatusUpdate`.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{access_modes, known_modes, positive};
use crate::rules::quantity::Quantity;
use crate::rules::{names, value};
use crate::{Context, PLAIN, Place, SelectableField, Strategy};

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, claim| {
        cursor::set(context.types, claim, "status.phase", Value::str("Pending"));
        sources(context.types, claim);
    },
    prepare_update: |context, claim, _| sources(context.types, claim),
    validate_create: |_, claim, errors| validate(claim, errors),
    validate_update: |context, claim, old, errors| {
        validate(claim, errors);
        update(context, claim, old, errors);
    },
    validate_status: |_, claim, _, errors| status(claim, errors),
    fields: &[SelectableField {
        name: "name",
        path: "metadata.name",
        absent: "",
    }],
    ..PLAIN
};

fn default(types: &Types, claim: &mut Struct) {
    if Ref::new(types, claim).path("status.phase").is_empty() {
        cursor::set(types, claim, "status.phase", Value::str("Pending"));
    }
    cursor::set_default(types, claim, "spec.volumeMode", Value::str("Filesystem"));
}

/// `dataSource` and `dataSourceRef` say the same in two ways: each is made from the other.
fn sources(types: &Types, claim: &mut Struct) {
    let spec = Ref::new(types, claim).at("spec");
    let (source, reference) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    let (from, to) = match (source.exists(), reference.exists()) {
        (true, false) => (source, "spec.dataSourceRef"),
        (false, true) if reference.at("namespace").is_empty() => (reference, "spec.dataSource"),
        _ => return,
    };
    let members = ["apiGroup", "kind", "name"].map(|name| (name, from.at(name).value().cloned()));
    for (name, value) in members {
        if let Some(value) = value {
            cursor::set(types, claim, &format!("{to}.{name}"), value);
        }
    }
}

fn validate(claim: Ref<'_>, errors: &mut Errors) {
    spec(&Place::root(claim).child("spec"), errors);
}

/// The spec of a claim, or of a template of claims.
pub(crate) fn spec(spec: &Place<'_, '_>, errors: &mut Errors) {
    let modes = spec.child("accessModes");
    access_modes(&modes, "at least 1 access mode is required", errors);
    value::label_selector(&spec.child("selector"), errors);
    known_modes(&modes, errors);
    let size = spec.value().path("resources.requests.storage");
    let storage = spec.named("resources", size);
    let storage = storage.key("storage").holding(size);
    if !size.exists() {
        storage.required(errors, "");
    } else {
        positive(&storage, errors);
    }
    class_name(&spec.child("storageClassName"), errors);
    value::optional_one_of(&spec.child("volumeMode"), errors, &["Block", "Filesystem"]);
    for name in ["dataSource", "dataSourceRef"] {
        source(&spec.child(name), errors);
    }
    class_name(&spec.child("volumeAttributesClassName"), errors);
}

/// Warnings about the spec of a claim, if there is one.
pub(crate) fn warnings(spec: &Place<'_, '_>) -> Vec<String> {
    let mut found = Vec::new();
    for list in ["requests", "limits"] {
        let amounts = spec.child("resources");
        let amount = amounts.child(list);
        let amount = amount.key("storage");
        if amount.exists() && !Quantity::of(amount.value()).is_whole() {
            let text = format!(
                "fractional byte value {:?} is invalid, must be an integer",
                amount.str()
            );
            found.push(format!("{}: {text}", amount.path()));
        }
    }
    found
}

fn class_name(name: &Place<'_, '_>, errors: &mut Errors) {
    if !name.is_empty() {
        name.check(errors, names::dns1123_subdomain);
    }
}

fn source(source: &Place<'_, '_>, errors: &mut Errors) {
    if !source.exists() {
        return;
    }
    source.child("name").require(errors, "");
    source.child("kind").require(errors, "");
    let (group, kind) = (source.child("apiGroup"), source.at("kind").str());
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        source.invalid_value(errors, kind, detail);
    }
    if !group.is_empty() {
        group.check(errors, names::dns1123_subdomain);
    }
    let namespace = source.child("namespace");
    if !namespace.is_empty() {
        namespace.check(errors, names::dns1123_label);
    }
}

/// Only the size, and the class of a bound claim's attributes, may change; the volume and the class may be set
/// once.
fn update(context: &Context<'_>, claim: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(claim);
    beta_class(&place, old, errors);
    if !same_but_for_growth(context.types, claim, old) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        place.child("spec").forbidden(errors, detail);
    }
    shrinks(&place, old, errors);
    let mode = place.named("volumeMode", claim.path("spec.volumeMode"));
    value::immutable(&mode, old.path("spec.volumeMode"), errors);
    let attributes = old.path("spec.volumeAttributesClassName");
    let now = place.child("spec.volumeAttributesClassName");
    match (attributes.exists(), now.text()) {
        (true, None) => now.forbidden(errors, "update from non-nil value to nil is forbidden"),
        (true, Some("")) if attributes.str() != "" => {
            now.forbidden(
                errors,
                "update from non-nil value to an empty string is forbidden",
            );
        }
        _ => {}
    }
}

fn beta_class(claim: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let annotation = |object: Ref<'_>| {
        object
            .path("metadata.annotations")
            .at(BETA_CLASS)
            .str()
            .to_owned()
    };
    let (new, old) = (annotation(claim.value()), annotation(old));
    if new != old {
        let metadata = claim.child("metadata");
        let annotations = metadata.child("annotations");
        annotations
            .named(BETA_CLASS, claim.value())
            .invalid_value(errors, new.as_str(), value::IMMUTABLE);
    }
}

fn same_but_for_growth(types: &Types, claim: Ref<'_>, old: Ref<'_>) -> bool {
    let (Some(new), Some(was)) = (claim.object(), old.object()) else {
        return true;
    };
    let (mut new, mut was) = (new.clone(), was.clone());
    let unset = |path: &str| old.path(path).is_empty();
    let bound = claim.path("status.phase").str() == "Bound";
    let free = [
        ("spec.volumeName", unset("spec.volumeName")),
        (
            "spec.storageClassName",
            !old.path("spec.storageClassName").exists() && claim.path("spec.storageClassName").exists(),
        ),
        ("spec.volumeAttributesClassName", bound),
        ("spec.resources.requests", bound),
    ];
    for (path, _) in free.into_iter().filter(|(_, free)| *free) {
        cursor::remove(types, &mut new, path);
        cursor::remove(types, &mut was, path);
    }
    Ref::new(types, &new).at("spec").json() == Ref::new(types, &was).at("spec").json()
}

/// A failed growth may be taken back, down to what there is.
fn shrinks(claim: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let size = |object: Ref<'_>, path: &str| Quantity::of(object.path(path));
    let now = size(claim.value(), "spec.resources.requests.storage");
    if now < size(old, "spec.resources.requests.storage") && now <= size(old, "status.capacity.storage") {
        let place = claim.child("spec.resources.requests.storage");
        place.forbidden(errors, "field can not be less than status.capacity");
    }
}

fn status(claim: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(claim);
    for (_, size) in place.child("status.capacity").each_entry() {
        if Quantity::of(size.value()).is_negative() {
            size.invalid(errors, "must be a valid resource quantity");
        }
    }
}
