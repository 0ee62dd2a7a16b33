//! Rules for values: numbers, sets of words, labels, what may not change.

use schema::cursor::Ref;
use schema::field::Errors;

use super::text;
use crate::Place;

/// What upstream says of a field that an update may not change.
pub const IMMUTABLE: &str = "field is immutable";

/// One of these words, of something that is there.
pub fn one_of(place: &Place<'_, '_>, errors: &mut Errors, words: &[&str]) {
    if !words.contains(&place.str()) {
        place.not_supported(errors, words);
    }
}

/// One of these words, if there is one.
pub fn optional_one_of(place: &Place<'_, '_>, errors: &mut Errors, words: &[&str]) {
    if place.exists() {
        one_of(place, errors, words);
    }
}

/// One of these words, and there must be one.
pub fn required_one_of(place: &Place<'_, '_>, errors: &mut Errors, words: &[&str]) {
    if place.require(errors, "") {
        one_of(place, errors, words);
    }
}

/// A number between these, both included.
pub fn in_range(place: &Place<'_, '_>, errors: &mut Errors, low: i64, high: i64) {
    if !(low..=high).contains(&place.int()) {
        place.invalid_value(errors, place.int(), text::between(low, high));
    }
}

/// A port's number.
pub fn port_number(place: &Place<'_, '_>, errors: &mut Errors) {
    in_range(place, errors, 1, 65_535);
}

/// A port's number or name (`IntOrString`).
pub fn port(place: &Place<'_, '_>, errors: &mut Errors) {
    match place.text() {
        Some(_) => place.check(errors, text::port_name),
        None => port_number(place, errors),
    }
}

/// A number that is not below zero.
pub fn non_negative(place: &Place<'_, '_>, errors: &mut Errors) {
    if place.int() < 0 {
        place.invalid(errors, "must be greater than or equal to 0");
    }
}

/// What may not change.
pub fn immutable(place: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    if place.value() != old {
        place.invalid(errors, IMMUTABLE);
    }
}

/// Labels, or a selector by equality. An error names the map, not the key.
pub fn labels(place: &Place<'_, '_>, errors: &mut Errors) {
    for (key, value) in place.entries() {
        text::qualified_name(key)
            .into_iter()
            .for_each(|text| place.invalid_value(errors, key, text));
        text::label_value(value.str())
            .into_iter()
            .for_each(|text| place.invalid_value(errors, value.str(), text));
    }
}

/// All annotations of an object together, in bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Annotations: their keys are labels' keys, whatever their case, and together they are bounded.
pub fn annotations(place: &Place<'_, '_>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in place.entries() {
        size += key.len() + value.str().len();
        text::qualified_name(&key.to_lowercase())
            .into_iter()
            .for_each(|text| place.invalid_value(errors, key, text));
    }
    if size > MAX_ANNOTATIONS {
        place.too_long(errors, MAX_ANNOTATIONS);
    }
}

/// A `LabelSelector`.
pub fn label_selector(place: &Place<'_, '_>, errors: &mut Errors) {
    label_selector_of(place, true, errors);
}

/// The same; the values in its expressions could be labels' values if it is `strict`.
pub fn label_selector_of(place: &Place<'_, '_>, strict: bool, errors: &mut Errors) {
    labels(&place.child("matchLabels"), errors);
    for expression in place.child("matchExpressions").each() {
        let values = expression.child("values");
        match expression.at("operator").str() {
            "In" | "NotIn" => {
                values.require(errors, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                values.forbidden(
                    errors,
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "Exists" | "DoesNotExist" => {}
            _ => expression
                .child("operator")
                .invalid(errors, "not a valid selector operator"),
        }
        expression.child("key").check(errors, text::qualified_name);
        if strict {
            values
                .each()
                .for_each(|value| value.check(errors, text::label_value));
        }
    }
}
