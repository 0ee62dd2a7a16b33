//! Whether a schema is structural (`apiserver/schema/{validation,complete}.go`): every value has one known type, and
//! `allOf`, `anyOf`, `oneOf` and `not` judge values without saying what they are.

use kinds::Place;
use schema::cursor::Ref;
use schema::field::{Error, Errors, Path};

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What is not structural about a schema, sorted.
pub fn errors(schema: &Place<'_, '_>) -> Errors {
    let mut errors = Errors::new();
    invariants(schema, Level::Root, &mut errors);
    let path = schema.path();
    complete(schema.value(), Some(schema.value()), &path, &path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn invariants(schema: &Place<'_, '_>, level: Level, errors: &mut Errors) {
    let ty = schema.at("type").str();
    let items = schema.child("items");
    match items.object() {
        Some(_) => invariants(&items, Level::Item, errors),
        None if ty == "array" => items.required(errors, "must be specified"),
        None => {}
    }
    let properties = schema.child("properties");
    for (_, property) in properties.each_entry() {
        invariants(&property, Level::Field, errors);
    }
    let additional = schema.child("additionalProperties");
    if additional.exists() && level == Level::Root {
        additional.forbidden(errors, "must not be used at the root");
    }
    if additional.object().is_some() {
        invariants(&additional, Level::Field, errors);
    }
    extensions(schema, errors);
    values(schema, pattern_of_int_or_string(schema.value()), errors);
    type_of(schema, level, errors);
    metadata(schema, level, errors);
}

fn flag(schema: &Place<'_, '_>, name: &str) -> bool {
    schema.at(name).bool()
}

const OPEN: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

fn extensions(schema: &Place<'_, '_>, errors: &mut Errors) {
    for name in [OPEN, EMBEDDED] {
        if flag(schema, INT_OR_STRING) && flag(schema, name) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            schema.child(name).invalid(errors, why);
        }
    }
}

fn type_of(schema: &Place<'_, '_>, level: Level, errors: &mut Errors) {
    let ty = schema.child("type");
    let embedded = flag(schema, EMBEDDED);
    if embedded && ty.str() != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        match ty.is_empty() {
            true => ty.required(errors, why),
            false => ty.invalid(errors, why),
        }
    } else if ty.is_empty() && !flag(schema, INT_OR_STRING) && !flag(schema, OPEN) {
        ty.required(
            errors,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    }
    let additional = schema.child("additionalProperties");
    if embedded && additional.exists() {
        additional.forbidden(
            errors,
            "must not be used if x-kubernetes-embedded-resource is set",
        );
    }
    if level == Level::Root && !ty.is_empty() && ty.str() != "object" {
        ty.invalid(errors, "must be object at the root");
    }
    if embedded && !flag(schema, OPEN) && schema.at("properties").is_empty() {
        schema.child("properties").required(
            errors,
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        );
    }
}

/// Type, version and metadata are what they are everywhere.
fn metadata(schema: &Place<'_, '_>, level: Level, errors: &mut Errors) {
    let checked = level == Level::Root || flag(schema, EMBEDDED);
    let properties = schema.child("properties");
    for name in ["kind", "apiVersion"] {
        let property = properties.key(name);
        if checked && property.exists() && property.at("type").str() != "string" {
            let ty = property.child("type");
            ty.invalid_value(errors, ty.str(), "must be string");
        }
    }
    let metadata = properties.key("metadata");
    if !metadata.exists() {
        return;
    }
    if checked && metadata.at("type").str() != "object" {
        let ty = metadata.child("type");
        ty.invalid_value(errors, ty.str(), "must be object");
    }
    if level == Level::Root && !says_names_only(metadata.value()) {
        metadata.forbidden(
            errors,
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        );
    }
}

fn says_names_only(metadata: Ref<'_>) -> bool {
    let mut names = metadata.at("properties").entries().map(|(name, _)| name);
    let only_names = names.all(|name| matches!(name, "name" | "generateName"));
    let types = metadata.types();
    let said = metadata.object().map(|object| {
        let fields = types.fields(object.ty);
        let names = object
            .fields()
            .iter()
            .filter_map(|(slot, _)| fields.get(usize::from(*slot)));
        names
            .map(|field| types.name(field.json))
            .all(|name| matches!(name, "type" | "default" | "properties"))
    });
    only_names && said == Some(true)
}

fn is_pair(any_of: Ref<'_>) -> bool {
    let only = |schema: Ref<'_>, ty: &str| {
        schema.at("type").str() == ty && schema.object().is_some_and(|object| object.fields().len() == 1)
    };
    let pair: Vec<Ref<'_>> = any_of.items().collect();
    matches!(pair[..], [integer, string] if only(integer, "integer") && only(string, "string"))
}

/// The two ways to say that a value is an integer or a string: which of `anyOf` and `allOf[0].anyOf` it is.
fn pattern_of_int_or_string(schema: Ref<'_>) -> (bool, bool) {
    let first = schema.at("allOf").items().next();
    (
        is_pair(schema.at("anyOf")),
        first.is_some_and(|first| is_pair(first.at("anyOf"))),
    )
}

fn values(schema: &Place<'_, '_>, (skip_any, skip_first): (bool, bool), errors: &mut Errors) {
    for name in ["anyOf", "allOf", "oneOf"] {
        let list = schema.child(name);
        if name == "anyOf" && skip_any {
            continue;
        }
        for (at, each) in list.each().enumerate() {
            nested(&each, skip_first && name == "allOf" && at == 0, errors);
        }
    }
    let not = schema.child("not");
    if not.exists() {
        nested(&not, false, errors);
    }
    let pattern = schema.child("pattern");
    if let Err(why) = regexp::weight(pattern.str()) {
        let text = format!("must be a valid regular expression, but isn't: {why}");
        pattern.invalid(errors, text);
    }
}

/// What only the structure may say.
const FORBIDDEN: &[(&str, &str)] = &[
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (OPEN, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

fn nested(schema: &Place<'_, '_>, skip_any: bool, errors: &mut Errors) {
    values(schema, (skip_any, false), errors);
    let items = schema.child("items");
    if items.object().is_some() {
        nested(&items, false, errors);
    }
    let properties = schema.child("properties");
    for (_, property) in properties.each_entry() {
        nested(&property, false, errors);
    }
    for (name, why) in FORBIDDEN {
        let place = schema.child(name);
        if place.exists() && !place.is_empty() {
            place.forbidden(errors, *why);
        }
    }
    let metadata = properties.key("metadata");
    if metadata.exists() {
        metadata.forbidden(errors, "must not be specified in a nested context");
    }
}

/// Whatever a value validation speaks of has a structure.
fn complete(value: Ref<'_>, schema: Option<Ref<'_>>, at: &Path, said_at: &Path, errors: &mut Errors) {
    let Some(schema) = schema.filter(|schema| schema.object().is_some()) else {
        errors.push(Error::required(at, format!("because it is defined in {said_at}")));
        return;
    };
    let mut below = |nested: Ref<'_>, said_at: Path| {
        complete(nested, Some(schema), at, &said_at, errors);
        if nested.at("items").object().is_some() {
            let said_at = said_at.child("items");
            complete(
                nested.at("items"),
                Some(schema.at("items")),
                &at.child("items"),
                &said_at,
                errors,
            );
        }
        for (name, property) in nested.at("properties").entries() {
            let said_at = said_at.child("properties").key(name);
            let own = schema.at("properties").at(name);
            complete(
                property,
                Some(own),
                &at.child("properties").key(name),
                &said_at,
                errors,
            );
        }
    };
    if value.at("not").exists() {
        below(value.at("not"), said_at.child("not"));
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, each) in value.at(name).items().enumerate() {
            below(each, said_at.child(name).index(index));
        }
    }
}
