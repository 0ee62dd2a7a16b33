//! An update of a claim's status: upstream's `ValidatePersistentVolumeClaimStatusUpdate`.

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use crate::Place;
use crate::rules::quantity::{self, Quantity};
use crate::rules::text::qualified_name;

/// Where a growth stands.
const STATES: &[&str] = &[
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

pub(super) fn validate(claim: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(claim);
    let spec = place.named("Spec", claim.at("spec"));
    spec.child("accessModes").require(errors, "");
    for (_, size) in place.child("status.capacity").each_entry() {
        basic(&size, errors);
    }
    let states = place.child("status.allocatedResourceStatuses");
    for (name, state) in states.entries() {
        resource_name(&states, name, errors);
        if !STATES.contains(&state.str()) {
            errors.push(Error::not_supported(&states.path(), name, STATES));
        }
    }
    let amounts = place.child("status.allocatedResources");
    for (name, amount) in amounts.each_entry() {
        if resource_name(&amounts, name, errors) && basic(&amount, errors) {
            quantity::resource_quantity(&amount, "storage", errors);
        }
    }
}

/// Whether it is an amount.
fn basic(size: &Place<'_, '_>, errors: &mut Errors) -> bool {
    let right = !Quantity::of(size.value()).is_negative();
    if !right {
        size.invalid(errors, "must be a valid resource quantity");
    }
    right
}

/// Whether this names storage, or something of somebody else's.
fn resource_name(map: &Place<'_, '_>, name: &str, errors: &mut Errors) -> bool {
    let wrong = qualified_name(name);
    for text in &wrong {
        map.invalid_value(errors, name, text.as_str());
    }
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    if wrong.is_empty() && native && name != "storage" {
        errors.push(Error::not_supported(&map.path(), name, &["storage"]));
        return false;
    }
    wrong.is_empty()
}
