//! What a claim asks for.

use schema::field::{BadValue, Error, Errors};

use super::claim::{MAX_ITEMS, bounded, class_name, distinct};
use super::taint;
use crate::Place;
use crate::rules::names::dns1123_label;
use crate::rules::table::Rule::RequiredText;

const MAX_CHOICES: usize = 8;
const MAX_TOLERATIONS: usize = 16;
/// The longest expression of a selector, in bytes.
const MAX_EXPRESSION: usize = 10 << 10;

/// `DeviceRequest`: one device, or the first that there is of several.
pub(super) fn validate(request: &Place<'_, '_>, errors: &mut Errors) {
    RequiredText(dns1123_label).check(&request.child("name"), errors);
    let (exactly, choices) = (request.child("exactly"), request.child("firstAvailable"));
    match (exactly.exists(), choices.is_empty()) {
        (false, true) => {
            request.required(errors, "exactly one of `exactly` or `firstAvailable` is required");
        }
        (true, false) => {
            let text =
                "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            errors.push(Error::invalid(&request.path(), BadValue::json("null"), text));
        }
        (true, true) => one(&exactly, errors),
        (false, false) => {
            bounded(&choices, MAX_CHOICES, errors);
            for choice in choices.each() {
                RequiredText(dns1123_label).check(&choice.child("name"), errors);
                one(&choice, errors);
            }
            distinct(&choices, |choice| choice.at("name").str(), errors);
        }
    }
}

fn one(request: &Place<'_, '_>, errors: &mut Errors) {
    class_name(&request.child("deviceClassName"), errors);
    selectors(&request.child("selectors"), errors);
    let (mode, count) = (request.child("allocationMode"), request.child("count"));
    match mode.str() {
        "All" if count.int() != 0 => {
            count.invalid(errors, "must not be specified when allocationMode is 'All'");
        }
        "ExactCount" if count.int() <= 0 => {
            count.invalid_value(errors, count.int(), "must be greater than zero");
        }
        "All" | "ExactCount" => {}
        _ => mode.not_supported(errors, &["All", "ExactCount"]),
    }
    let tolerations = request.child("tolerations");
    bounded(&tolerations, MAX_TOLERATIONS, errors);
    tolerations
        .each()
        .for_each(|each| taint::toleration(&each, errors));
}

/// Selectors of devices.
pub(super) fn selectors(selectors: &Place<'_, '_>, errors: &mut Errors) {
    bounded(selectors, MAX_ITEMS, errors);
    for selector in selectors.each() {
        let cel = selector.child("cel");
        if !cel.exists() {
            cel.required(errors, "");
            continue;
        }
        let expression = cel.child("expression");
        expression.require(errors, "");
        if expression.len() > MAX_EXPRESSION {
            expression.too_long(errors, MAX_EXPRESSION);
        }
    }
}
