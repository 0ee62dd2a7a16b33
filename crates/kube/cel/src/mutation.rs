//! The objects that mutating admission policies make: `Object{spec: Object.spec{…}}` and `JSONPatch{…}`.

use std::sync::Arc;

use crate::types::{Decl, Fields, Object, Type};
use crate::value::Value;

/// The fields of an operation of a JSON patch.
const PATCH: &[(&str, Type)] = &[
    ("op", Type::String),
    ("path", Type::String),
    ("from", Type::String),
    ("value", Type::Dyn),
];

/// The type of this name, which is one of them.
pub(crate) fn object_type(name: &str) -> Arc<Object> {
    if name == "JSONPatch" {
        let fields = PATCH.iter().map(|(name, ty)| (*name, Decl::of(ty.clone())));
        return Object::listed(name, fields);
    }
    Arc::new(Object {
        name: name.into(),
        fields: Fields::Any,
    })
}

/// Whether the types of what an expression made are named after where they stand: below `Object.spec`, the member
/// `template` is an `Object.spec.template`. Lists and maps in between have no names.
///
/// # Errors
/// Each name that is another, one a line, in upstream's words.
pub fn check_type_names(made: &Value<'_>) -> Result<(), String> {
    let Value::Map(map) = made else {
        return Ok(());
    };
    let Some(name) = map.object_name() else {
        return Ok(());
    };
    let mut wrong = Vec::new();
    names_below(made, name, &mut wrong);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

fn names_below(value: &Value<'_>, path: &str, wrong: &mut Vec<String>) {
    match value {
        Value::List(list) => list.iter().for_each(|item| names_below(&item, path, wrong)),
        Value::Map(map) => {
            let name = map.object_name();
            if let Some(name) = name.filter(|name| *name != path) {
                wrong.push(format!(
                    "unexpected type name {name:?}, expected {path:?}, which matches field name path from root Object type"
                ));
            }
            for (member, value) in map.entries() {
                match (name, &member) {
                    (Some(_), Value::String(member)) => {
                        names_below(&value, &format!("{path}.{}", &**member), wrong);
                    }
                    _ => names_below(&value, path, wrong),
                }
            }
        }
        _ => {}
    }
}
