//! The order of merged lists: `$setElementOrder`, and what holds without it.

use schema::tree::{Map, Value};

use super::lists::no_key;
use super::places::Places;
use super::{DIRECTIVE, Done, ORDER_PREFIX, Rules, directives, lists};
use crate::Error;

/// Does every `$setElementOrder/x` of the patch, and takes them and the lists they order out of it.
pub(super) fn set_element_orders(original: &mut Map, patch: &mut Map, rules: Rules<'_>) -> Done {
    let ordered = patch.entries().iter().map(|(key, _)| key.clone());
    let ordered: Vec<Box<str>> = ordered.filter(|key| key.starts_with(ORDER_PREFIX)).collect();
    for key in ordered {
        let wanted = list(patch.remove(&key))?.unwrap_or_default();
        let name = key[ORDER_PREFIX.len()..]
            .strip_prefix('/')
            .ok_or_else(bad_order)?;
        set_order(original, patch, name, wanted, rules)?;
    }
    Ok(())
}

fn bad_order() -> Error {
    Error::Form("invalid patch format of setElementOrder list".to_owned())
}

fn set_order(original: &mut Map, patch: &mut Map, name: &str, wanted: Vec<Value>, rules: Rules<'_>) -> Done {
    let (old, new) = (
        list(original.get(name).cloned())?,
        list(patch.get(name).cloned())?,
    );
    let below = rules.member(name)?;
    if let Some(new) = &new {
        check(new, &wanted, below.merge_key)?;
    }
    let before = old.clone().unwrap_or_default();
    let merged = match (old, new) {
        (None, None) => return Ok(()),
        (Some(old), None) => old,
        (None, Some(new)) => new.into_iter().filter_map(directives::strip).collect(),
        (Some(old), Some(new)) if below.merges() => lists::merge(old, new, below)?,
        (Some(_), Some(new)) => new,
    };
    patch.remove(name);
    original.insert(
        name,
        Value::List(normal(merged, &wanted, &before, below.merge_key)?),
    );
    Ok(())
}

fn list(value: Option<Value>) -> Done<Option<Vec<Value>>> {
    match value {
        None => Ok(None),
        Some(Value::List(items)) => Ok(Some(items)),
        Some(other) => Err(Error::Unfit(format!(
            "expected a []interface {{}}, but received a {}",
            go_type(&other)
        ))),
    }
}

/// The patch's items come in the order that the patch itself sets.
fn check(patch: &[Value], wanted: &[Value], key: &str) -> Done {
    if patch.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    let plain = patch
        .iter()
        .filter(|item| item.as_map().is_none_or(|item| item.get(DIRECTIVE).is_none()));
    let mut wanted_left = wanted.iter();
    for item in plain {
        let item = identity(item, key)?;
        let found = loop {
            match wanted_left.next() {
                None => break false,
                Some(next) if identity(next, key)? == item => break true,
                Some(_) => {}
            }
        };
        if !found {
            let (patch, wanted) = (go_list(patch), go_list(wanted));
            let text =
                format!("The order in patch list:\n{patch}\n doesn't match {ORDER_PREFIX} list:\n{wanted}\n");
            return Err(Error::Unfit(text));
        }
    }
    Ok(())
}

/// What an item is known by: its merge key, or itself.
pub(super) fn identity<'a>(item: &'a Value, key: &str) -> Done<&'a Value> {
    if key.is_empty() {
        return Ok(item);
    }
    match item {
        Value::Map(map) => map.get(key).ok_or_else(|| no_key(map, key)),
        other => Err(Error::Unfit(format!(
            "expected a map[string]interface {{}}, but received a {}",
            go_type(other)
        ))),
    }
}

/// Puts a merged list in order: items that the patch names in its order, the others in that of the server,
/// and where both are known to the server, the server's order decides between the two.
pub(super) fn normal(merged: Vec<Value>, wanted: &[Value], server: &[Value], key: &str) -> Done<Vec<Value>> {
    let (wanted, server) = (Places::of(wanted, key), Places::of(server, key));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        match wanted.find(&item)? {
            Some(at) => named.push((at, server.find(&item)?, item)),
            None => others.push((server.find(&item)?, item)),
        }
    }
    named.sort_by_key(|(at, ..)| *at);
    others.sort_by_key(|(at, _)| at.unwrap_or(usize::MAX));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut out = Vec::new();
    while let (Some((_, right, _)), Some((left, _))) = (named.peek(), others.peek()) {
        let other_first = left.is_some_and(|left| right.is_some_and(|right| left < right));
        if other_first {
            out.extend(others.next().map(|(_, item)| item));
        } else {
            out.extend(named.next().map(|(.., item)| item));
        }
    }
    out.extend(named.map(|(.., item)| item));
    out.extend(others.map(|(_, item)| item));
    Ok(out)
}

/// Whether the items are objects.
///
/// # Errors
/// Lists of lists, and lists of several types.
pub(super) fn same_kind(original: &[Value], patch: &[Value]) -> Done<bool> {
    let mut kinds = original.iter().chain(patch).map(go_type);
    let first = kinds.next().unwrap_or("map[string]interface {}");
    if first == "[]interface {}" {
        return Err(Error::Unprocessable("lists of lists are not supported"));
    }
    if kinds.any(|kind| kind != first) {
        let lists = format!("[{} {}]", go_list(original), go_list(patch));
        return Err(Error::Unfit(format!(
            "list element types are not identical: {lists}"
        )));
    }
    Ok(first == "map[string]interface {}")
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Map(_) | Value::Struct(_) => "map[string]interface {}",
        Value::List(_) => "[]interface {}",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::Null => "%!s(<nil>)",
        _ => "string",
    }
}

/// The word of Go's JSON errors.
pub(super) fn go_type_word(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "array",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "number",
        _ => "string",
    }
}

/// A value as Go's `%v` prints it.
pub(super) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Str(text) => text.to_string(),
        Value::Map(map) => go_map(map),
        Value::List(items) => go_list(items),
        other => {
            let mut json = Vec::new();
            schema::json::encode_untyped(other, &mut json);
            String::from_utf8_lossy(&json).into_owned()
        }
    }
}

/// `map[a:1 b:[x y]]`
pub(super) fn go_map(map: &Map) -> String {
    let entries: Vec<String> = map
        .entries()
        .iter()
        .map(|(key, value)| format!("{key}:{}", go_text(value)))
        .collect();
    format!("map[{}]", entries.join(" "))
}

fn go_list(items: &[Value]) -> String {
    format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" "))
}
