//! `NodeSelector`: which nodes something can be on.

use schema::field::Errors;

use super::names::dns1123_subdomain;
use super::text::{label_value, qualified_name};
use crate::Place;

/// A selector that must be met: it has terms, and their values could be labels' values unless an old object's could not.
pub fn required(selector: &Place<'_, '_>, strict: bool, errors: &mut Errors) {
    let terms = selector.child("nodeSelectorTerms");
    terms.require(errors, "must have at least one node selector term");
    terms.each().for_each(|each| term(&each, strict, errors));
}

/// What is wrong with the values of a selector's terms.
pub fn values(selector: &Place<'_, '_>, errors: &mut Errors) {
    for term in selector.at("nodeSelectorTerms").items() {
        let expressions = term.at("matchExpressions").items();
        let values = expressions.flat_map(|expression| expression.at("values").items());
        values.for_each(|value| selector.holding(value).check(errors, label_value));
    }
}

/// A term. What is only preferred may have values that no label can have.
pub fn term(term: &Place<'_, '_>, required: bool, errors: &mut Errors) {
    for expression in term.child("matchExpressions").each() {
        label_requirement(&expression, required, errors);
    }
    for field in term.child("matchFields").each() {
        field_requirement(&field, errors);
    }
}

fn label_requirement(expression: &Place<'_, '_>, required: bool, errors: &mut Errors) {
    let values = expression.child("values");
    match expression.at("operator").str() {
        "In" | "NotIn" => {
            values.require(errors, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => values.forbidden(
            errors,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        "Exists" | "DoesNotExist" => {}
        "Gt" | "Lt" if values.len() == 1 => {}
        "Gt" | "Lt" => {
            values.required(
                errors,
                "must be specified single value when `operator` is 'Lt' or 'Gt'",
            );
        }
        _ => not_an_operator(expression, errors),
    }
    expression.child("key").check(errors, qualified_name);
    if required {
        values.each().for_each(|value| value.check(errors, label_value));
    }
}

fn not_an_operator(expression: &Place<'_, '_>, errors: &mut Errors) {
    let operator = expression.child("operator");
    operator.invalid(errors, "not a valid selector operator");
}

/// A node's name is the only field there is.
fn field_requirement(field: &Place<'_, '_>, errors: &mut Errors) {
    let (key, values) = (field.child("key"), field.child("values"));
    match field.at("operator").str() {
        "In" | "NotIn" if values.len() == 1 => {}
        "In" | "NotIn" => values.required(
            errors,
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
        _ => not_an_operator(field, errors),
    }
    match key.str() {
        "metadata.name" => values
            .each()
            .for_each(|value| value.check(errors, dns1123_subdomain)),
        _ => key.invalid(errors, "not a valid field selector key"),
    }
}
