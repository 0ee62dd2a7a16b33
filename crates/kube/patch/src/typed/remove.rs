//! Taking fields out of an object (structured-merge-diff `typed.RemoveItems`). Objects are plain JSON here.

use schema::row::Merge;
use schema::tree::{Map, Value};

use super::place::{Atom, Place};
use super::side::{Side, identity};
use crate::fieldset::{Element, FieldSet};

/// What is left of a value without some of its fields; nothing if nothing is.
pub(crate) fn remove(place: Place<'_>, value: Value, fields: &FieldSet<'_>) -> Option<Value> {
    match (place.atom(), value) {
        (Atom::Whole, Value::Map(_) | Value::List(_)) | (Atom::Free, Value::List(_)) => None,
        (Atom::Members | Atom::Free, Value::Map(map)) => members(place, *map, fields),
        (Atom::Items(merge), Value::List(list)) => items(place, merge, list, fields),
        (_, other) => Some(other),
    }
}

fn members(place: Place<'_>, map: Map, fields: &FieldSet<'_>) -> Option<Value> {
    let mut kept = Vec::new();
    for (name, value) in map.into_entries() {
        let left = match fields.below(&Element::Field((&*name).into())) {
            Some(node) if node.member => continue,
            Some(node) => match place.member(&name) {
                Some(inner) => remove(inner, value, &node.children).unwrap_or(Value::Null),
                None => value,
            },
            None => value,
        };
        kept.push((name, left));
    }
    (!kept.is_empty()).then(|| Value::Map(Box::new(Map::from_entries(kept))))
}

fn items(place: Place<'_>, merge: &Merge, list: Vec<Value>, fields: &FieldSet<'_>) -> Option<Value> {
    let mut kept = Vec::new();
    for item in list {
        let found = identity(place, merge, Side::of(&item))
            .ok()
            .and_then(|element| fields.below(&element));
        match found {
            Some(node) if node.member => {}
            Some(node) => kept.push(remove(place.inner(), item, &node.children).unwrap_or(Value::Null)),
            None => kept.push(item),
        }
    }
    (!kept.is_empty()).then_some(Value::List(kept))
}

/// The set together with the members that have rows and lead to its fields: removing the last field of an
/// object removes the object, but not a map (structured-merge-diff `EnsureNamedFieldsAreMembers`).
pub(crate) fn with_named<'a>(place: Place<'_>, set: &FieldSet<'a>) -> FieldSet<'a> {
    let mut out = FieldSet::default();
    for node in set.nodes() {
        let (named, inner) = match &node.element {
            Element::Field(name) => (place.names(name), place.member(name)),
            Element::Key(_) => (false, Some(place.inner())),
            _ => (false, None),
        };
        let children = match inner {
            Some(inner) => with_named(inner, &node.children),
            None => node.children.clone(),
        };
        let member = node.member || (named && !children.is_empty());
        out.push(node.element.clone(), member, children);
    }
    out
}
