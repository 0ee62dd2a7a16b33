//! What a configuration may not change in parts, because the rows take it for one value.

use schema::tree::Value;

use super::place::{Atom, Place};

/// The paths of all lists, maps and objects of a configuration that are one value (`.spec.nodeSelector`): laid over an
/// object, they would take the place of all that stood there.
pub(crate) fn atomics(place: Place<'_>, applied: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(place, applied, "", &mut found);
    found
}

fn walk(place: Place<'_>, value: &Value, path: &str, found: &mut Vec<String>) {
    let whole = place.atom() == Atom::Whole;
    match value {
        Value::Map(map) if !place.is_list() => {
            found.extend(whole.then(|| path.to_owned()));
            for (name, value) in map.entries() {
                if let Some(inner) = place.member(name).filter(|_| place.names(name)) {
                    walk(inner, value, &format!("{path}.{name}"), found);
                }
            }
        }
        Value::List(items) if place.is_list() => {
            found.extend(whole.then(|| path.to_owned()));
            for (index, item) in items.iter().enumerate() {
                walk(place.inner(), item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}
