//! Merging lists: of objects by their merge key, of scalars as sets.

use schema::tree::{Map, Value};

use super::order::{self, same_kind};
use super::{DIRECTIVE, Done, Rules, directives, merge_map};
use crate::Error;

/// Merges a list into another, and puts the result in order.
pub(super) fn merge(original: Vec<Value>, patch: Vec<Value>, rules: Rules<'_>) -> Done<Vec<Value>> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !same_kind(&original, &patch)? {
        let (old, new) = (original.clone(), patch.clone());
        let merged = distinct([original, patch].concat());
        return order::normal(merged, &new, &old, "");
    }
    if rules.merge_key.is_empty() {
        return Err(Error::Unfit(
            "cannot merge lists without merge key for struct".to_owned(),
        ));
    }
    let (original, patch) = special_items(original, patch, rules.merge_key)?;
    let (old, new) = (original.clone(), patch.clone());
    let merged = plain_items(original, patch, rules)?;
    order::normal(merged, &new, &old, rules.merge_key)
}

/// Every scalar once: a later twin goes, and the last one takes its place, as in upstream.
fn distinct(mut items: Vec<Value>) -> Vec<Value> {
    let mut at = 0;
    while at < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items[at] == items[other] {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
    items
}

/// Does what `$patch` in items says, and gives the original list and the items without it.
fn special_items(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Done<(Vec<Value>, Vec<Value>)> {
    let (mut plain, mut replace) = (Vec::new(), false);
    for item in patch {
        let Value::Map(mut map) = item else { continue };
        let Some(directive) = map.remove(DIRECTIVE) else {
            plain.push(Value::Map(map));
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let wanted = map.get(key).cloned();
                map.insert(DIRECTIVE, directive);
                let wanted = wanted.ok_or_else(|| no_key(&map, key))?;
                original.retain(|item| item.as_map().and_then(|item| item.get(key)) != Some(&wanted));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(Error::Unfit(
                    "merging lists cannot yet be specified in the patch".to_owned(),
                ));
            }
            _ => return Err(directives::unknown(&directive, &map)),
        }
    }
    Ok(if replace {
        (plain, Vec::new())
    } else {
        (original, plain)
    })
}

fn plain_items(mut original: Vec<Value>, patch: Vec<Value>, rules: Rules<'_>) -> Done<Vec<Value>> {
    for item in patch {
        let Value::Map(item) = item else { continue };
        let wanted = item
            .get(rules.merge_key)
            .ok_or_else(|| no_key(&item, rules.merge_key))?;
        let same = |old: &Value| old.as_map().and_then(|old| old.get(rules.merge_key)) == Some(wanted);
        match original.iter().position(same) {
            Some(at) => {
                if let Value::Map(old) = std::mem::replace(&mut original[at], Value::Null) {
                    original[at] = Value::Map(Box::new(merge_map(*old, *item, rules)?));
                }
            }
            None => original.push(Value::Map(item)),
        }
    }
    Ok(original)
}

pub(super) fn no_key(map: &Map, key: &str) -> Error {
    Error::Unfit(format!(
        "map: {} does not contain declared merge key: {key}",
        order::go_map(map)
    ))
}
