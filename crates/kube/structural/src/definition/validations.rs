//! `x-kubernetes-validations`: what surrounds a rule in CEL. The rules themselves are `cel`'s to judge.

use kinds::Place;
use schema::field::Errors;

const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// Checks the rules of one schema.
pub(super) fn validate(schema: &Place<'_, '_>, errors: &mut Errors) {
    let rules = schema.child("x-kubernetes-validations");
    rules.each().for_each(|rule| texts(&rule, errors));
}

fn has_newlines(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

fn texts(rule: &Place<'_, '_>, errors: &mut Errors) {
    let expression = rule.child("rule");
    let message = rule.child("message");
    let trimmed = message.str().trim();
    if expression.str().trim().is_empty() {
        expression.required(errors, "rule is not specified");
    } else if !message.is_empty() && trimmed.is_empty() {
        message.invalid(errors, "must be non-empty if specified");
    } else if has_newlines(trimmed) {
        message.invalid(errors, "must not contain line breaks");
    } else if has_newlines(expression.str().trim()) && trimmed.is_empty() {
        message.required(errors, "message must be specified if rule contains line breaks");
    }
    let told = rule.child("messageExpression");
    if !told.is_empty() && told.str().trim().is_empty() {
        told.required(errors, "messageExpression must be non-empty if specified");
    }
    let reason = rule.child("reason");
    if reason.exists() && !REASONS.contains(&reason.str()) {
        reason.not_supported(errors, &REASONS);
    }
    let path = rule.child("fieldPath");
    if !path.is_empty() && path.str().trim().is_empty() {
        path.invalid(errors, "must be non-empty if specified");
    }
    if has_newlines(path.str()) {
        path.invalid(errors, "must not contain line breaks");
    }
}
