//! Lists that are sets or maps: no item, no key may stand twice (`schema/listtype/validation.go`).

use std::collections::BTreeMap;

use schema::field::{BadValue, Error, Errors, Path};
use schema::row::Types;
use schema::tree::Value;

use crate::node::{Additional, ListType, Node};
use crate::view::View;

/// Checks every list below a value; nothing is walked where the schema has no such list.
pub fn unique(types: &Types, node: &Node, value: View<'_>, at: &Path, errors: &mut Errors) {
    match value {
        View::List(items) => list(types, node, items, at, errors),
        _ if value.is_object() => {
            let mut inside: Vec<(&Node, &str, View<'_>, bool)> = Vec::new();
            value.each(types, |name, member| {
                match (node.property(name), &node.additional) {
                    (Some(node), _) => inside.push((node, name, member, true)),
                    (None, Additional::Of(node)) => inside.push((node, name, member, false)),
                    _ => {}
                }
            });
            for (node, name, member, property) in inside {
                if matches!(member, View::List(_)) || member.is_object() {
                    let at = if property { at.child(name) } else { at.key(name) };
                    unique(types, node, member, &at, errors);
                }
            }
        }
        _ => {}
    }
}

fn list(types: &Types, node: &Node, items: &[Value], at: &Path, errors: &mut Errors) {
    match node.list {
        ListType::Set => {
            let texts = items.iter().map(|item| View::from(item).json(types));
            for index in repeated(texts) {
                let bad = View::from(&items[index]).bad(types);
                errors.push(Error::duplicate(&at.index(index), bad));
            }
        }
        ListType::Map => map(types, node, items, at, errors),
        ListType::Atomic => {}
    }
    for (index, item) in items.iter().enumerate() {
        if let Some(node) = &node.items {
            unique(types, node, item.into(), &at.index(index), errors);
        }
    }
}

fn map(types: &Types, node: &Node, items: &[Value], at: &Path, errors: &mut Errors) {
    for (index, item) in items.iter().enumerate() {
        let item = View::from(item);
        if !item.is_object() && !matches!(item, View::Null) {
            let why = "must be an object for an array of list-type map";
            return errors.push(Error::invalid(&at.index(index), item.bad(types), why));
        }
    }
    let keys: Vec<String> = items.iter().map(|item| key(types, node, item.into())).collect();
    for index in repeated(keys.iter().cloned()) {
        errors.push(Error::duplicate(&at.index(index), BadValue::json(&keys[index])));
    }
}

/// An item's keys as one JSON object, sorted.
fn key(types: &Types, node: &Node, item: View<'_>) -> String {
    let mut names: Vec<&str> = node.keys.iter().map(|name| &**name).collect();
    names.sort_unstable();
    let present = names
        .into_iter()
        .filter_map(|name| Some((name, item.member(types, name)?)));
    let members: Vec<String> = present
        .map(|(name, value)| format!("{}:{}", View::Text(name).json(types), value.json(types)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Where a text stands for the second time.
fn repeated(texts: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut again = Vec::new();
    for (index, text) in texts.enumerate() {
        let times = seen.entry(text).or_default();
        *times += 1;
        if *times == 2 {
            again.push(index);
        }
    }
    again
}
