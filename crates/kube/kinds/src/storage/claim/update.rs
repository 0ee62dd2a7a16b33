//! What an update may change of a claim: upstream's `ValidatePersistentVolumeClaimUpdate`.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::tree::{Struct, Value};

use super::BETA_CLASS;
use crate::Place;
use crate::internal::difference;
use crate::rules::quantity::Quantity;
use crate::rules::value;

const CLASS: &str = "storageClassName";
const ATTRIBUTES: &str = "volumeAttributesClassName";

/// Only the size, and the class of a bound claim's attributes, may change; the volume and the class may be set once.
pub(super) fn validate(claim: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(claim);
    let spec = place.child("spec");
    if !class_moves(claim, old) {
        beta_class(&place, old, errors);
    }
    if let Some((new, was)) = comparable(claim, old) {
        let (new, was) = (Ref::new(claim.types(), &new), Ref::new(claim.types(), &was));
        if new != was {
            spec.forbidden(errors, format!("{IMMUTABLE}\n{}", difference(was, new)));
        }
    }
    shrinks(&place, old, errors);
    let mode = place.named("volumeMode", claim.path("spec.volumeMode"));
    value::immutable(&mode, old.path("spec.volumeMode"), errors);
    attributes(&spec.child(ATTRIBUTES), old, errors);
}

const IMMUTABLE: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for \
                         bound claims";

/// A class that volumes were given is not taken away.
fn attributes(class: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    const GIVEN: &str = "is forbidden when status.currentVolumeAttributesClassName is not nil";
    let given = old.path("status.currentVolumeAttributesClassName").exists();
    if !given || class.value() == old.path("spec.volumeAttributesClassName") {
        return;
    }
    match class.text() {
        None => class.forbidden(errors, format!("update to nil {GIVEN}")),
        Some("") => class.forbidden(errors, format!("update to empty string {GIVEN}")),
        Some(_) => {}
    }
}

fn annotation(object: Ref<'_>) -> Ref<'_> {
    object.path("metadata.annotations").at(BETA_CLASS)
}

/// Whether the class moves from the annotation to its member.
fn class_moves(claim: Ref<'_>, old: Ref<'_>) -> bool {
    let (was, now) = (annotation(old), annotation(claim));
    let class = claim.at("spec").at(CLASS);
    was.exists()
        && !old.at("spec").at(CLASS).exists()
        && class.exists()
        && class.str() == was.str()
        && (!now.exists() || now == was)
}

/// Whether a claim without a class is given one.
fn class_is_given(claim: Ref<'_>, old: Ref<'_>) -> bool {
    let (class, was) = (claim.at("spec").at(CLASS), annotation(old));
    class.exists() && !old.at("spec").at(CLASS).exists() && (!was.exists() || class.str() == was.str())
}

fn beta_class(claim: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let (new, was) = (annotation(claim.value()).str(), annotation(old).str());
    if new != was {
        let metadata = claim.child("metadata");
        let annotations = metadata.child("annotations");
        annotations
            .named(BETA_CLASS, claim.value())
            .invalid_value(errors, new, value::IMMUTABLE);
    }
}

/// Both specs, alike in what may differ.
fn comparable(claim: Ref<'_>, old: Ref<'_>) -> Option<(Struct, Struct)> {
    let types = claim.types();
    let (mut new, mut was) = (
        claim.at("spec").object()?.clone(),
        old.at("spec").object()?.clone(),
    );
    if old.path("spec.volumeName").is_empty()
        && let Some(name) = claim.path("spec.volumeName").cloned()
    {
        cursor::set(types, &mut was, "volumeName", name);
    }
    if class_moves(claim, old) || class_is_given(claim, old) {
        cursor::remove(types, &mut new, CLASS);
    }
    if claim.path("status.phase").str() != "Bound" {
        return Some((new, was));
    }
    let size = old.path("spec.resources.requests.storage").cloned();
    if let Some(Value::Map(requests)) = cursor::get_mut(types, &mut new, "resources.requests") {
        let entry = size.unwrap_or_else(|| Value::str("0"));
        requests.insert("storage", entry);
    }
    match old.at("spec").at(ATTRIBUTES).cloned() {
        Some(class) => cursor::set(types, &mut new, ATTRIBUTES, class),
        None => drop(cursor::remove(types, &mut new, ATTRIBUTES)),
    }
    Some((new, was))
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
