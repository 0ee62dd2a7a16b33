//! Defaults must be what they stand for: without unknown members, and right by the schema
//! (`apiserver/schema/defaulting/validation.go`).

use kinds::Place;
use schema::BUILTIN;
use schema::field::{BadValue, Error, Errors};
use schema::tree::Value;

use crate::embedded::embedded;
use crate::node::{Additional, Node};
use crate::validate::validate as against;
use crate::view::View;

const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Checks every default below a schema.
pub(super) fn validate(schema: &Place<'_, '_>, node: &Node, errors: &mut Errors) {
    // Defaults in maps are refused elsewhere, and not looked at.
    if let Some((default, text)) = &node.default {
        judge(schema, node, default, text, errors);
    }
    if let Some(items) = &node.items {
        validate(&schema.child("items"), items, errors);
    }
    let properties = schema.child("properties");
    for (name, node) in &node.properties {
        validate(&properties.key(name), node, errors);
    }
}

fn judge(schema: &Place<'_, '_>, node: &Node, default: &Value, text: &str, errors: &mut Errors) {
    let path = schema.path().child("default");
    if has_unknown(node, default) {
        let why = "must not have unknown fields";
        errors.push(Error::invalid(&path, bad(default, text), why));
    }
    let before = errors.len();
    // A default is JSON without rows: any table will do.
    embedded(&BUILTIN, node, View::from(default), &path, errors);
    if errors.len() == before {
        against(
            &BUILTIN,
            node,
            View::from(default),
            None,
            &path.to_string(),
            errors,
        );
    }
}

fn bad(default: &Value, text: &str) -> BadValue {
    match default.as_str() {
        Some(text) => text.into(),
        None => BadValue::json(text),
    }
}

/// Whether pruning would take something away.
fn has_unknown(node: &Node, value: &Value) -> bool {
    match value {
        Value::Map(map) => map.entries().iter().any(|(name, value)| {
            let meta = node.embedded && META.contains(&&**name);
            match (node.property(name), &node.additional) {
                _ if meta => false,
                (Some(node), _) => has_unknown(node, value),
                (None, Additional::Of(node)) => has_unknown(node, value),
                (None, Additional::Anything) => false,
                _ => !node.open,
            }
        }),
        Value::List(items) => {
            let inner = node.items.as_deref();
            items
                .iter()
                .any(|item| inner.is_some_and(|node| has_unknown(node, item)))
        }
        _ => false,
    }
}
