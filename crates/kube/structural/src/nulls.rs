//! `null` where the schema does not allow it: it is taken out of maps, and gives way to a default
//! (`schema/defaulting/{prunenulls,algorithm}.go`). Members with rows are the decoder's work.

use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::node::{Additional, Node};

/// Whether the schema has maps or lists in which a `null` is not a value.
pub fn may_hold(node: &Node) -> bool {
    node.any(&|node| match (&node.additional, &node.items) {
        (Additional::Of(values), _) => !values.nullable,
        (_, Some(items)) => items.default.is_some(),
        _ => false,
    })
}

/// Takes out and replaces them.
pub fn settle(types: &Types, node: &Node, object: &mut Struct) {
    let rows = types.fields(object.ty);
    for (slot, field) in rows.iter().enumerate() {
        if let (Some(value), Some(node)) = (object.get_mut(slot), node.member(types.name(field.json))) {
            settle_value(types, node, value);
        }
    }
}

fn settle_value(types: &Types, node: &Node, value: &mut Value) {
    match value {
        Value::Struct(object) => settle(types, node, object),
        Value::List(items) => {
            if let Some(node) = &node.items {
                items.iter_mut().for_each(|item| replace(types, node, item));
            }
        }
        Value::Map(map) => map.retain(|name, value| match node.member(name) {
            Some(node) => {
                replace(types, node, value);
                *value != Value::Null || node.nullable
            }
            None => true,
        }),
        _ => {}
    }
}

fn replace(types: &Types, node: &Node, value: &mut Value) {
    match (&*value, &node.default) {
        (Value::Null, Some((default, _))) if !node.nullable => *value = default.clone(),
        _ => settle_value(types, node, value),
    }
}
