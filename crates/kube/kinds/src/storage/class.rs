//! `StorageClass` and `VolumeAttributesClass`: how volumes are made, and what of them may change.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::{text, value};
use crate::{PLAIN, Place, Strategy};

/// Most parameters, and most bytes of them.
const MAX: (usize, usize) = (512, 256 << 10);

pub(super) const STORAGE: Strategy = Strategy {
    default,
    validate_create: |_, class, errors| validate(class, errors),
    validate_update: |_, class, old, errors| {
        validate(class, errors);
        let place = Place::root(class);
        for name in ["parameters", "provisioner"] {
            if class.at(name) != old.at(name) {
                place
                    .child(name)
                    .forbidden(errors, format!("updates to {name} are forbidden."));
            }
        }
        for name in ["reclaimPolicy", "volumeBindingMode"] {
            value::immutable(&place.child(name), old.at(name), errors);
        }
    },
    resets: &[],
    ..PLAIN
};

pub(super) const ATTRIBUTES: Strategy = Strategy {
    validate_create: |_, class, errors| {
        let place = Place::root(class);
        provisioner(&place.child("driverName"), errors);
        parameters(&place.child("parameters"), false, errors);
    },
    validate_update: |_, class, old, errors| {
        let place = Place::root(class);
        for name in ["driverName", "parameters"] {
            value::immutable(&place.child(name), old.at(name), errors);
        }
    },
    resets: &[],
    ..PLAIN
};

fn default(types: &Types, class: &mut Struct) {
    for (name, text) in [("reclaimPolicy", "Delete"), ("volumeBindingMode", "Immediate")] {
        cursor::set_default(types, class, name, Value::str(text));
    }
}

fn validate(class: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(class);
    provisioner(&place.child("provisioner"), errors);
    parameters(&place.child("parameters"), true, errors);
    let policy = place.child("reclaimPolicy");
    if !policy.is_empty() {
        value::one_of(&policy, errors, &["Delete", "Retain"]);
    }
    let mode = place.child("volumeBindingMode");
    match mode.exists() {
        true => value::one_of(&mode, errors, &["Immediate", "WaitForFirstConsumer"]),
        false => mode.required(errors, ""),
    }
}

fn provisioner(name: &Place<'_, '_>, errors: &mut Errors) {
    if name.require(errors, "") {
        name.all_invalid(errors, text::qualified_name(&name.str().to_lowercase()));
    }
}

fn parameters(parameters: &Place<'_, '_>, may_be_none: bool, errors: &mut Errors) {
    if parameters.len() > MAX.0 {
        return parameters.too_long(errors, MAX.0);
    }
    for (key, _) in parameters.entries().filter(|(key, _)| key.is_empty()) {
        parameters.invalid_value(errors, key, "field can not be empty.");
    }
    let size: usize = parameters
        .entries()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > MAX.1 {
        parameters.too_long(errors, MAX.1);
    }
    if size == 0 && !may_be_none {
        parameters.required(errors, "must contain at least one key/value pair");
    }
}
