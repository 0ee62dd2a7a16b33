//! What an update may change of a pod: upstream's `ValidatePodUpdate`.

use schema::cursor::{Ref, each_mut, get_mut, remove, set};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::Struct;

use super::spec;
use crate::Place;

const TEXT: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
                    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                    existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                    previously negative)";

pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let place = root.child("spec");
    spec::validate(&place, errors);
    let (Some(after), Some(before)) = (place.object(), old.at("spec").object()) else {
        return;
    };
    tolerations(&place, old.at("spec"), errors);
    let types = new.types();
    if closed(types, after, before) != closed(types, before, before) {
        place.forbidden(errors, TEXT);
    }
}

/// Tolerations are only added.
fn tolerations(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let new = spec.child("tolerations");
    let kept = |toleration: Ref<'_>| new.items().any(|one| one == toleration);
    if !old.at("tolerations").items().all(kept) {
        new.forbidden(
            errors,
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
}

/// The spec without what an update may change.
fn closed(types: &Types, spec: &Struct, old: &Struct) -> Struct {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        each_mut(types, &mut spec, list, |container| {
            remove(types, container, "image");
        });
    }
    for name in ["activeDeadlineSeconds", "tolerations"] {
        remove(types, &mut spec, name);
    }
    let grace = "terminationGracePeriodSeconds";
    let before = Ref::new(types, old).at(grace).int();
    if before < 0 && Ref::new(types, &spec).at(grace).int() == 1 && get_mut(types, &mut spec, grace).is_some()
    {
        set(types, &mut spec, grace, schema::tree::Value::Int(before));
    }
    spec
}
