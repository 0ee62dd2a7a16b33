//! Whether an applied configuration is of its type, in structured-merge-diff's words.

use schema::json::encode_untyped;
use schema::row::{Kind, Merge};
use schema::tree::Value;

use super::Malformed;
use super::place::{Atom, Place};
use super::side::{Side, identity};
use crate::fieldset::Element;

/// Whether an applied configuration is of its type: every member has a row, every value its form, and no
/// item of a list stands twice.
///
/// # Errors
/// All that is wrong, one a line where it is several.
pub(crate) fn validate(place: Place<'_>, value: &Value) -> Result<(), Malformed> {
    let mut errors = Vec::new();
    check(place, value, "", &mut errors);
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(Malformed::new(one)),
        several => Err(Malformed::new(&format!("errors:\n  {}", several.join("\n  ")))),
    }
}

fn check(place: Place<'_>, value: &Value, path: &str, errors: &mut Vec<String>) {
    let mut wrong = |what: String| {
        let at = if path.is_empty() { "" } else { ": " };
        errors.push(format!("{path}{at}{what}"));
    };
    match (place.atom(), value) {
        (Atom::Free, _) | (_, Value::Null) => {}
        (Atom::Scalar(kind), value) => {
            if let Some(wanted) = unfit(kind, value) {
                wrong(format!("expected {wanted}, got {}", go(value)));
            }
        }
        (Atom::Items(merge), Value::List(list)) => items(place, merge, list, path, errors),
        (Atom::Whole, Value::List(list)) if place.is_list() => {
            for (index, item) in list.iter().enumerate() {
                check(place.inner(), item, &format!("{path}[{index}]"), errors);
            }
        }
        (Atom::Members | Atom::Whole, Value::Map(map)) if !place.is_list() => {
            for (name, value) in map.entries() {
                let path = format!("{path}.{name}");
                match place.member(name) {
                    Some(inner) => check(inner, value, &path, errors),
                    None => errors.push(format!("{path}: field not declared in schema")),
                }
            }
        }
        _ => {
            let wanted = if place.is_list() { "list" } else { "map" };
            wrong(format!("expected {wanted}, got {}", go(value)));
        }
    }
}

fn items(place: Place<'_>, merge: &Merge, list: &[Value], path: &str, errors: &mut Vec<String>) {
    let mut seen: Vec<Element<'_>> = Vec::new();
    for (index, item) in list.iter().enumerate() {
        match identity(place, merge, Side::of(item)) {
            Ok(element) => {
                if seen.contains(&element) {
                    errors.push(format!("{path}: duplicate entries for key {element}"));
                }
                check(place.inner(), item, &format!("{path}{element}"), errors);
                seen.push(element);
            }
            Err(why) => {
                errors.push(format!("{path}: element {index}: {why}"));
                return;
            }
        }
    }
}

/// What a scalar place wants, where the value is not that.
fn unfit(kind: Kind, value: &Value) -> Option<&'static str> {
    let scalar = matches!(
        value,
        Value::Str(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)
    );
    let (fits, wanted) = match kind {
        Kind::Bool => (matches!(value, Value::Bool(_)), "boolean"),
        Kind::Int32 | Kind::Int64 | Kind::Float64 => (
            matches!(value, Value::Int(_) | Value::Float(_)),
            "numeric (int or float)",
        ),
        Kind::String | Kind::Bytes | Kind::Duration => (matches!(value, Value::Str(_)), "string"),
        _ => (scalar, "any scalar"),
    };
    (!fits).then_some(wanted)
}

/// A value as Go's `%v` shows upstream's wrapper of it.
fn go(value: &Value) -> String {
    let mut json = Vec::new();
    encode_untyped(value, &mut json);
    format!(
        "&value.valueUnstructured{{Value:{}}}",
        String::from_utf8_lossy(&json)
    )
}
