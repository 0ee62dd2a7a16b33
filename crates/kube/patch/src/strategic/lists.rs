//! Merging lists: of objects by their merge key, of scalars as sets.

use std::collections::{HashMap, HashSet};

use schema::tree::{Map, Value};

use super::order::{self, same_kind};
use super::places::mark;
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

/// Every scalar once. Their order is made anew after it.
fn distinct(mut items: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(mark(item)));
    items
}

/// Does what `$patch` in items says, and gives the original list and the items without it.
fn special_items(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Done<(Vec<Value>, Vec<Value>)> {
    let (mut plain, mut replace, mut deleted) = (Vec::new(), false, HashSet::new());
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
                deleted.insert(mark(&wanted.ok_or_else(|| no_key(&map, key))?));
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
    if !deleted.is_empty() {
        let known = |item: &Value| item.as_map().and_then(|item| item.get(key)).map(mark);
        original.retain(|item| known(item).is_none_or(|known| !deleted.contains(&known)));
    }
    Ok(if replace {
        (plain, Vec::new())
    } else {
        (original, plain)
    })
}

fn plain_items(mut original: Vec<Value>, patch: Vec<Value>, rules: Rules<'_>) -> Done<Vec<Value>> {
    let key = rules.merge_key;
    let mut places = HashMap::new();
    for (at, item) in original.iter().enumerate() {
        if let Some(known) = item.as_map().and_then(|item| item.get(key)) {
            places.entry(mark(known)).or_insert(at);
        }
    }
    for item in patch {
        let Value::Map(item) = item else { continue };
        let known = mark(item.get(key).ok_or_else(|| no_key(&item, key))?);
        let at = *places.entry(known).or_insert(original.len());
        let old = original
            .get_mut(at)
            .map(|old| std::mem::replace(old, Value::Null));
        match old {
            Some(Value::Map(old)) => original[at] = Value::Map(Box::new(merge_map(*old, *item, rules)?)),
            Some(other) => original[at] = other,
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
