//! Taints of devices and what tolerates them.

use schema::field::Errors;

use crate::Place;
use crate::rules::table::Rule::RequiredText;
use crate::rules::text::{label_value, qualified_name};
use crate::rules::value::one_of;

/// What a taint does.
const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

/// `DeviceTaint`
pub(super) fn taint(taint: &Place<'_, '_>, errors: &mut Errors) {
    RequiredText(qualified_name).check(&taint.child("key"), errors);
    taint.child("value").check(errors, label_value);
    let effect = taint.child("effect");
    if effect.require(errors, "") {
        one_of(&effect, errors, EFFECTS);
    }
}

/// `DeviceToleration`
pub(super) fn toleration(toleration: &Place<'_, '_>, errors: &mut Errors) {
    let (key, operator, value) = (
        toleration.child("key"),
        toleration.child("operator"),
        toleration.child("value"),
    );
    if !key.is_empty() {
        key.check(errors, qualified_name);
    }
    match operator.str() {
        "Exists" if !value.is_empty() => {
            value.invalid(errors, "must be empty for operator `Exists`");
        }
        "Exists" => {}
        "Equal" if key.is_empty() => operator.invalid(errors, "must be `Exists` when `key` is empty"),
        "Equal" => value.check(errors, label_value),
        "" => operator.required(errors, ""),
        _ => operator.not_supported(errors, &["Equal", "Exists"]),
    }
    let effect = toleration.child("effect");
    if !effect.is_empty() {
        one_of(&effect, errors, EFFECTS);
    }
}
