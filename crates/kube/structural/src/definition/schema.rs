//! A version's schema as OpenAPI: what it must not say, list types, rules (upstream's
//! `ValidateCustomResourceDefinitionOpenAPISchema`).

use kinds::Place;
use schema::cursor::Ref;
use schema::field::Errors;

use super::{defaults, structure, topology, validations};
use crate::node::Node;

/// Where in the schema we are.
#[derive(Clone, Debug, Default)]
struct Scope {
    /// Whether this is the object itself.
    root: bool,
    /// Whether this is about type, version or metadata of an object or an embedded one.
    meta: bool,
    /// Why there may be no defaults; empty if there may.
    no_defaults: String,
}

impl Scope {
    fn inner(&self) -> Self {
        Self {
            root: false,
            ..self.clone()
        }
    }
}

const META: [&str; 3] = ["metadata", "kind", "apiVersion"];

/// What may stand beside `properties` in the schema of an object whose status has a path of its own: nothing that
/// would judge the object as a whole.
const AT_ROOT: &[(&str, &str)] = &[
    ("Description", "description"),
    ("Type", "type"),
    ("Format", "format"),
    ("Title", "title"),
    ("Maximum", "maximum"),
    ("ExclusiveMaximum", "exclusiveMaximum"),
    ("Minimum", "minimum"),
    ("ExclusiveMinimum", "exclusiveMinimum"),
    ("MaxLength", "maxLength"),
    ("MinLength", "minLength"),
    ("Pattern", "pattern"),
    ("MaxItems", "maxItems"),
    ("MinItems", "minItems"),
    ("UniqueItems", "uniqueItems"),
    ("MultipleOf", "multipleOf"),
    ("Required", "required"),
    ("Items", "items"),
    ("Properties", "properties"),
    ("ExternalDocs", "externalDocs"),
    ("Example", "example"),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields"),
    ("XValidations", "x-kubernetes-validations"),
];

/// Checks what stands in `schema` of a version, or `validation` of all.
pub(super) fn validate(validation: &Place<'_, '_>, has_status: bool, errors: &mut Errors) {
    let schema = validation.child("openAPIV3Schema");
    if !schema.exists() {
        return;
    }
    let before = errors.len();
    if has_status {
        root_with_status(validation, &schema, errors);
    }
    if schema.at("nullable").bool() {
        let nullable = validation.named("openAPIV3Schema.nullable", schema.at("nullable"));
        nullable.forbidden(errors, "nullable cannot be true at the root");
    }
    // What has no structural form is told by the rules below.
    let wrong = if unsupported(schema.value()) {
        Errors::new()
    } else {
        structure::errors(&schema)
    };
    if wrong.is_empty() && !unsupported(schema.value()) {
        let node = Node::parse(schema.value());
        defaults::validate(&schema, &node, errors);
    }
    errors.extend(wrong);
    let scope = Scope {
        root: true,
        ..Scope::default()
    };
    rules(&schema, &scope, errors);
    if errors.len() == before && schema.at("$schema").exists() {
        schema.invalid_value(errors, "", "OpenAPIV3Schema 'schema' is not supported");
    }
    // Of a schema that is wrong the rules cannot be read as they are meant.
    if errors.len() == before {
        cel::rules::check(schema.value(), &schema.path(), errors);
    }
}

fn root_with_status(validation: &Place<'_, '_>, schema: &Place<'_, '_>, errors: &mut Errors) {
    let ty = validation.named("openAPIV3Schema.type", schema.at("type"));
    if !ty.is_empty() && ty.str() != "object" {
        let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return ty.invalid(errors, why);
    }
    let allowed = |name: &str| AT_ROOT.iter().any(|(_, known)| *known == name);
    let types = schema.types();
    let mut said = schema.object().into_iter().flat_map(|object| {
        let fields = types.fields(object.ty);
        let names = object
            .fields()
            .iter()
            .filter_map(|(slot, _)| fields.get(usize::from(*slot)));
        names.map(|field| types.name(field.json)).collect::<Vec<_>>()
    });
    if said.any(|name| !allowed(name)) {
        let names: Vec<&str> = AT_ROOT.iter().map(|(name, _)| *name).collect();
        let why = format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            names.join(" ")
        );
        schema.invalid(errors, why);
    }
}

/// What upstream's structural schemas have no place for.
fn unsupported(schema: Ref<'_>) -> bool {
    const NAMES: [&str; 6] = [
        "id",
        "$ref",
        "patternProperties",
        "dependencies",
        "additionalItems",
        "definitions",
    ];
    let mut found = false;
    super::warnings::each(schema, &mut |schema| {
        found |=
            NAMES.iter().any(|name| schema.at(name).exists()) || schema.at("items").items().next().is_some();
    });
    found
}

/// Members that are not supported, and what is said of them.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("id", "id is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("$ref", "$ref is not supported"),
];

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

fn standard(schema: &Place<'_, '_>, scope: &Scope, errors: &mut Errors) {
    let ty = schema.child("type");
    if !ty.is_empty() && !TYPES.contains(&ty.str()) {
        ty.not_supported(errors, &TYPES);
    }
    let default = schema.child("default");
    if default.exists() && !scope.no_defaults.is_empty() {
        default.forbidden(errors, format!("must not be set {}", scope.no_defaults));
    }
    for (name, why) in UNSUPPORTED {
        let place = schema.child(name);
        if place.exists() {
            place.forbidden(errors, *why);
        }
    }
    if ty.str() == "null" {
        ty.forbidden(
            errors,
            "type cannot be set to null, use nullable as an alternative",
        );
    }
    let items = schema.child("items");
    if items.items().next().is_some() {
        items.forbidden(errors, "items must be a schema object and not an array");
    }
    let embedded = schema.child("x-kubernetes-embedded-resource");
    if scope.meta && embedded.bool() {
        embedded.forbidden(errors, "must not be used inside of resource meta");
    }
}

fn rules(schema: &Place<'_, '_>, scope: &Scope, errors: &mut Errors) {
    if schema.object().is_none() {
        return;
    }
    standard(schema, scope, errors);
    let unique = schema.child("uniqueItems");
    if unique.bool() {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        unique.forbidden(errors, why);
    }
    members(schema, scope, errors);
    let inner = scope.inner();
    rules(&schema.child("not"), &inner, errors);
    for name in ["allOf", "oneOf", "anyOf"] {
        let list = schema.child(name);
        list.each().for_each(|each| rules(&each, &inner, errors));
    }
    rules(&schema.child("items"), &inner, errors);
    let open = schema.child("x-kubernetes-preserve-unknown-fields");
    if open.boolean() == Some(false) {
        open.invalid(errors, "must be true or undefined");
    }
    topology::validate(schema, errors);
    validations::validate(schema, errors);
}

fn members(schema: &Place<'_, '_>, scope: &Scope, errors: &mut Errors) {
    let properties = schema.child("properties");
    let additional = schema.child("additionalProperties");
    if additional.exists() {
        let anything = additional.boolean() == Some(true);
        if !properties.is_empty() && !anything {
            additional.forbidden(errors, "additionalProperties and properties are mutual exclusive");
        }
        let mut inner = scope.inner();
        if scope.meta {
            inner.no_defaults = "inside additionalProperties applying to object metadata".to_owned();
        }
        rules(&additional, &inner, errors);
    }
    let embedded = schema.at("x-kubernetes-embedded-resource").bool();
    for (name, property) in properties.each_entry() {
        let mut inner = scope.inner();
        if (scope.root || embedded) && META.contains(&name) {
            inner.meta = true;
            if scope.root {
                inner.no_defaults = format!("in top-level {name}");
            }
        }
        rules(&property, &inner, errors);
    }
}
