//! `$patch` and `$retainKeys`, and what is left of a patch that has nothing to merge with.

use schema::tree::{Map, Value};

use super::{DELETE_PREFIX, DIRECTIVE, Done, ORDER_PREFIX, RETAIN_KEYS};
use crate::Error;

/// `$patch` in an object: its other members replace the object, or the object is emptied.
pub(super) fn whole(directive: &Value, patch: Map) -> Done<Map> {
    match directive.as_str() {
        Some("replace") => Ok(patch),
        Some("delete") => Ok(Map::default()),
        _ => Err(unknown(directive, &patch)),
    }
}

pub(super) fn unknown(directive: &Value, patch: &Map) -> Error {
    let mut shown = patch.clone();
    shown.insert(DIRECTIVE, directive.clone());
    let directive = super::order::go_text(directive);
    Error::Unfit(format!(
        "unknown patch type: {directive} in map: {}",
        super::order::go_map(&shown)
    ))
}

/// `$retainKeys`: members of the object that are not listed go; members of the patch have to be listed.
pub(super) fn retain_keys(original: &mut Map, patch: &mut Map) -> Done {
    let Some(listed) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let bad = || Error::Form("invalid patch format of retainKeys".to_owned());
    let Value::List(listed) = listed else {
        return Err(bad());
    };
    let is_listed = |key: &str| listed.iter().any(|listed| listed.as_str() == Some(key));
    let is_free = |key: &str, value: &Value| {
        *value == Value::Null || key.starts_with(DELETE_PREFIX) || key.starts_with(ORDER_PREFIX)
    };
    if !patch
        .entries()
        .iter()
        .all(|(key, value)| is_free(key, value) || is_listed(key))
    {
        return Err(bad());
    }
    original.retain(|key, _| is_listed(key));
    Ok(())
}

/// The value without members that are `null`: there is nothing for them to remove.
pub(super) fn without_nulls(mut value: Value) -> Value {
    match &mut value {
        Value::Map(map) => map.retain(|_, inner| {
            let keep = *inner != Value::Null;
            *inner = without_nulls(std::mem::replace(inner, Value::Null));
            keep
        }),
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| *item = without_nulls(std::mem::replace(item, Value::Null))),
        _ => {}
    }
    value
}

/// The value without objects that have a directive; nothing if it has one itself.
pub(super) fn strip(value: Value) -> Option<Value> {
    match value {
        Value::Map(map) if map.get(DIRECTIVE).is_some() => None,
        Value::Map(map) => {
            let inner = map.into_entries().into_iter();
            let kept = inner.filter_map(|(key, value)| Some((key, strip(value)?)));
            Some(Value::Map(Box::new(Map::from_entries(kept.collect()))))
        }
        Value::List(items) => Some(Value::List(items.into_iter().filter_map(strip).collect())),
        other => Some(other),
    }
}
