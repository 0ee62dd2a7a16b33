//! `IPAddress`: who has an address of the Services' ranges (KEP-1880).

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::{ip, names, value};
use crate::{PLAIN, Place, SelectableField, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, address, errors| parent(address, errors),
    validate_update: |_, address, old, errors| {
        let place = Place::root(address);
        value::immutable(
            &place.child("spec").child("parentRef"),
            old.path("spec.parentRef"),
            errors,
        );
    },
    name: |name, _| ip::wrong_name(name).into_iter().collect(),
    fields: &[
        SelectableField::text("spec.parentRef.group"),
        SelectableField::text("spec.parentRef.resource"),
        SelectableField::text("spec.parentRef.namespace"),
        SelectableField::text("spec.parentRef.name"),
    ],
    resets: &[],
    ..PLAIN
};

fn parent(address: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(address);
    let spec = place.child("spec");
    let parent = spec.child("parentRef");
    if !parent.exists() {
        return parent.required(errors, "");
    }
    let group = parent.child("group");
    if !group.is_empty() {
        group.check(errors, names::dns1123_subdomain);
    }
    for name in ["resource", "name"].map(|name| parent.child(name)) {
        if name.require(errors, "") {
            name.check(errors, names::path_segment);
        }
    }
    parent.child("namespace").check(errors, names::path_segment);
}
