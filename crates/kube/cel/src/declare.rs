//! Declarations from structural schemas (`apiserver/pkg/cel/common`, "SchemaDeclType").
//!
//! What has no schema is not exposed: unknown fields, arrays and maps of such. Sizes that the schema does not bound
//! are bounded by what fits a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::BUILTIN;
use schema::cursor::Ref;
use schema::row::TypesRef;
use schema::tree;

use crate::escape::escape;
use crate::types::{Decl, DeclForm, Fields, ListKind, Object, Type, row_object};

/// The largest request, in bytes.
const LARGEST_REQUEST: u64 = 3 << 20;

/// What is declared of the resource itself besides its schema.
const METADATA: [&str; 2] = ["name", "generateName"];

/// A definition's schema as the type of `self`; nothing if it is not exposed. `root` is the resource itself or one
/// embedded in it, whose type, version and name are always known.
pub(crate) fn declare(schema: Ref<'_>, root: bool) -> Option<Decl> {
    at(schema, root, "selfType")
}

/// A custom resource as policies are checked against it: besides what its schema says, all of its metadata is known.
pub fn custom_resource(schema: Ref<'_>) -> Option<Decl> {
    let mut decl = declare(schema, true)?;
    let metadata = BUILTIN.find("meta/v1", "ObjectMeta");
    if let (DeclForm::Object(object), Some(metadata)) = (&mut decl.form, metadata)
        && let Fields::Listed(fields) = &mut Arc::make_mut(object).fields
    {
        let metadata = row_object(TypesRef::Static(&BUILTIN), metadata);
        fields.insert("metadata".into(), Arc::new(Decl::object(metadata)));
    }
    Some(decl)
}

fn at(schema: Ref<'_>, root: bool, name: &str) -> Option<Decl> {
    if schema.at("x-kubernetes-int-or-string").bool() {
        let max = schema
            .at("maxLength")
            .integer()
            .map_or(LARGEST_REQUEST - 2, of_length);
        return Some(Decl::of(Type::Dyn).at_most(max).at_least_bytes(1));
    }
    match schema.at("type").str() {
        "array" => array(schema, name),
        "object" => match schema.at("additionalProperties").object() {
            Some(_) => map(schema, name),
            None => Some(object(schema, root, name)),
        },
        "string" => Some(string(schema)),
        "boolean" => Some(Decl::of(Type::Bool).at_least_bytes(4)),
        "number" => Some(Decl::of(Type::Double).at_least_bytes(1)),
        "integer" => Some(Decl::of(Type::Int).at_least_bytes(1)),
        _ => None,
    }
}

fn embedded(schema: Ref<'_>) -> bool {
    schema.at("x-kubernetes-embedded-resource").bool()
}

fn positive(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// The bytes of so many characters.
fn of_length(characters: i64) -> u64 {
    positive(characters).saturating_mul(4)
}

fn array(schema: Ref<'_>, name: &str) -> Option<Decl> {
    let items = schema.at("items");
    let items = at(items, embedded(items), &format!("{name}.@items"))?;
    let fit = (LARGEST_REQUEST - 2) / (items.min_bytes + 1);
    let max = schema.at("maxItems").integer().map_or(fit, positive);
    let list = match schema.at("x-kubernetes-list-type").str() {
        "set" => ListKind::Set,
        "map" => ListKind::Map(
            schema
                .at("x-kubernetes-list-map-keys")
                .strings()
                .map(Box::from)
                .collect(),
        ),
        _ => ListKind::Atomic,
    };
    Some(Decl {
        list,
        ..Decl::list(items).at_most(max)
    })
}

fn map(schema: Ref<'_>, name: &str) -> Option<Decl> {
    let values = schema.at("additionalProperties");
    let values = at(values, embedded(values), &format!("{name}.@values"))?;
    let fit = (LARGEST_REQUEST - 2) / (values.min_bytes + 6);
    let max = schema.at("maxProperties").integer().map_or(fit, positive);
    Some(Decl::map(values).at_most(max))
}

fn object(schema: Ref<'_>, root: bool, name: &str) -> Decl {
    let required: Vec<&str> = schema.at("required").strings().collect();
    let mut fields = BTreeMap::new();
    let mut bytes = 2;
    for (property, of) in schema.at("properties").entries() {
        let Some(decl) = at(of, embedded(of), &format!("{name}.{property}")) else {
            continue;
        };
        if required.contains(&property) && !of.at("default").exists() {
            bytes += property.len() as u64 + decl.min_bytes + 4;
        }
        if let Some(escaped) = escape(property) {
            fields.insert(escaped.into(), Arc::new(decl));
        }
    }
    if root {
        with_metadata(&mut fields, name);
    }
    let object = Object {
        name: name.into(),
        fields: Fields::Listed(fields),
    };
    Decl::object(Arc::new(object)).at_least_bytes(bytes)
}

/// Type, version and names are known, whatever the schema says of them.
fn with_metadata(fields: &mut BTreeMap<Box<str>, Arc<Decl>>, name: &str) {
    let string = || Arc::new(Decl::of(Type::String).at_most(LARGEST_REQUEST - 2));
    for field in ["apiVersion", "kind"] {
        fields.insert(field.into(), string());
    }
    let metadata = METADATA.map(|field| (field.into(), string()));
    let object = Object {
        name: format!("{name}.metadata").into(),
        fields: Fields::Listed(metadata.into()),
    };
    fields.insert("metadata".into(), Arc::new(Decl::object(Arc::new(object))));
}

fn string(schema: Ref<'_>) -> Decl {
    let max = schema.at("maxLength").integer();
    let any = LARGEST_REQUEST - 2;
    match schema.at("format").str() {
        "byte" => Decl::of(Type::Bytes).at_most(max.map_or(any, positive)),
        "duration" => Decl::of(Type::Duration).at_most(32).at_least_bytes(3),
        "date" => Decl::of(Type::Timestamp).at_most(12).at_least_bytes(12),
        "date-time" => Decl::of(Type::Timestamp).at_most(32).at_least_bytes(21),
        _ => {
            let longest = || longest_of(schema.at("enum")).unwrap_or(any);
            Decl::of(Type::String).at_most(max.map_or_else(longest, of_length))
        }
    }
}

/// The length of the longest text of an enumeration, if there is one.
fn longest_of(values: Ref<'_>) -> Option<u64> {
    let length = |value: Ref<'_>| match value.value() {
        Some(tree::Value::Raw(raw)) => match schema::json::parse(raw.as_str().as_bytes()) {
            Ok(tree::Value::Str(text)) => text.len() as u64,
            _ => 0,
        },
        Some(tree::Value::Str(text)) => text.len() as u64,
        _ => 0,
    };
    values.items().map(length).max()
}
