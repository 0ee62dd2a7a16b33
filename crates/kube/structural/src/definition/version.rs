//! One version: name, deprecation, subresources, printer columns, selectable fields.

use std::collections::BTreeSet;

use kinds::Place;
use kinds::rules::names::dns1035_label;
use schema::cursor::Ref;
use schema::field::{Error, Errors};

use super::layout::{COLUMNS, FIELDS, SCHEMA, SUBRESOURCES};
use super::schema as schemas;

pub(super) fn validate(spec: &Place<'_, '_>, version: &Place<'_, '_>, errors: &mut Errors) {
    let name = version.child("name");
    let wrong = dns1035_label(name.str());
    if !wrong.is_empty() {
        name.invalid_value(errors, name.str(), wrong.join(","));
    }
    deprecation(version, errors);
    let own = |part: super::layout::Part| part.of_version(spec.value(), version);
    let status = version.value().path("subresources.status").exists();
    schemas::validate(&own(SCHEMA), status, errors);
    subresources(&own(SUBRESOURCES), errors);
    columns(&own(COLUMNS), errors);
    selectable(
        &own(FIELDS),
        version.value().path("schema.openAPIV3Schema"),
        errors,
    );
}

const MAX_WARNING: usize = 256;

fn deprecation(version: &Place<'_, '_>, errors: &mut Errors) {
    let warning = version.child("deprecationWarning");
    let Some(text) = warning.text() else { return };
    if !version.at("deprecated").bool() {
        return warning.invalid(errors, "can only be set for deprecated versions");
    }
    if text.len() > MAX_WARNING {
        warning.invalid(errors, "must be <= 256 characters long");
    }
    if text.is_empty() {
        warning.invalid_value(errors, "", "must not be an empty string");
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
        warning.invalid(
            errors,
            format!(
                "must only contain printable UTF-8 characters; non-printable character found at index {at}"
            ),
        );
    }
}

/// Where the number of replicas is, and below which member it must be.
const REPLICAS: [(&str, &str, &str); 2] = [
    ("specReplicasPath", ".spec.", "should be a json path under .spec"),
    (
        "statusReplicasPath",
        ".status.",
        "should be a json path under .status",
    ),
];

pub(super) fn subresources(subresources: &Place<'_, '_>, errors: &mut Errors) {
    let scale = subresources.value().at("scale");
    if !scale.exists() {
        return;
    }
    for (name, below, why) in REPLICAS {
        let full = format!("scale.{name}");
        let path = subresources.named(&full, scale.at(name));
        if path.require(errors, "") && simple(&path, errors) && !path.str().starts_with(below) {
            path.invalid(errors, why);
        }
    }
    let selector = subresources.named("scale.labelSelectorPath", scale.at("labelSelectorPath"));
    let known = [".spec.", ".status."];
    if !selector.is_empty()
        && simple(&selector, errors)
        && !known.iter().any(|below| selector.str().starts_with(below))
    {
        selector.invalid(errors, "should be a json path under either .spec or .status");
    }
}

/// Upstream looks at no more than the first character.
fn simple(path: &Place<'_, '_>, errors: &mut Errors) -> bool {
    let right = path.str().starts_with('.');
    if !right {
        path.invalid(errors, "must be a simple json path starting with .");
    }
    right
}

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = [
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];

pub(super) fn columns(columns: &Place<'_, '_>, errors: &mut Errors) {
    for column in columns.each() {
        column.child("name").require(errors, "");
        let one_of = |names: &[&str]| format!("must be one of {}", names.join(","));
        let ty = column.child("type");
        if ty.require(errors, &one_of(&COLUMN_TYPES)) && !COLUMN_TYPES.contains(&ty.str()) {
            ty.invalid(errors, one_of(&COLUMN_TYPES));
        }
        let format = column.child("format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format.str()) {
            format.invalid(errors, one_of(&COLUMN_FORMATS));
        }
        let path = column.named("JSONPath", column.at("jsonPath"));
        if path.require(errors, "") {
            simple(&path, errors);
        }
    }
}

const MAX_SELECTABLE: usize = 8;

pub(super) fn selectable(fields: &Place<'_, '_>, schema: Ref<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for field in fields.each() {
        let path = field.child("jsonPath");
        if !path.require(errors, "") {
            continue;
        }
        let (steps, found) = match follow(path.str(), schema) {
            Ok(found) => found,
            Err(why) => {
                path.invalid(errors, format!("is an invalid path: {why}"));
                continue;
            }
        };
        if steps.first() == Some(&"metadata") {
            path.invalid(errors, "must not point to fields in metadata");
        }
        if !["string", "boolean", "integer"].contains(&found.at("type").str()) {
            path.invalid(
                errors,
                "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                 formats are allowed.",
            );
        }
        if !seen.insert(steps.join(".")) {
            path.duplicate(errors);
        }
    }
    if seen.len() > MAX_SELECTABLE {
        errors.push(Error::too_many(&fields.path(), seen.len(), MAX_SELECTABLE));
    }
}

/// The schema at the end of a path of properties (upstream's `cel.ValidFieldPath` without brackets).
fn follow<'p, 's>(path: &'p str, schema: Ref<'s>) -> Result<(Vec<&'p str>, Ref<'s>), String> {
    if path.contains('[') {
        return Err("array notation is not allowed".to_owned());
    }
    let Some(rest) = path.strip_prefix('.') else {
        return Err(format!("expected [ or . but got: {path}"));
    };
    let steps: Vec<&str> = rest.split('.').collect();
    let mut at = schema;
    for step in &steps {
        let values = at.at("additionalProperties");
        let next = match at.at("properties").exists() {
            true => at.at("properties").at(step),
            false => values,
        };
        at = Some(next)
            .filter(|next| next.object().is_some())
            .ok_or("does not refer to a valid field")?;
    }
    Ok((steps, at))
}
