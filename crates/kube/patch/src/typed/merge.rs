//! Laying an applied configuration over an object (structured-merge-diff `typed.Merge`). Both are plain
//! JSON. Nothing is removed; a field that both have is the configuration's.

use std::collections::BTreeMap;

use schema::row::Merge;
use schema::tree::{Map, Value};

use super::Malformed;
use super::place::{Atom, Place};
use super::side::{Side, identity};
use crate::fieldset::Element;

/// The object with the configuration laid over it.
pub(crate) fn merge(place: Place<'_>, live: Value, applied: &Value) -> Result<Value, Malformed> {
    match (place.atom(), live, applied) {
        (Atom::Members | Atom::Free, Value::Map(live), Value::Map(applied)) => members(place, *live, applied),
        (Atom::Members | Atom::Free, Value::Null, Value::Map(applied)) => {
            members(place, Map::default(), applied)
        }
        (Atom::Items(merge), Value::List(live), Value::List(applied)) => items(place, merge, live, applied),
        // Upstream keeps what is there where the configuration says null of a map or an associative list.
        (Atom::Members | Atom::Free, live @ Value::Map(_), Value::Null)
        | (Atom::Items(_), live @ Value::List(_), Value::Null) => Ok(live),
        _ => Ok(applied.clone()),
    }
}

fn members(place: Place<'_>, mut live: Map, applied: &Map) -> Result<Value, Malformed> {
    for (name, value) in applied.entries() {
        let merged = match (live.remove(name), place.member(name)) {
            (Some(old), Some(inner)) => merge(inner, old, value).map_err(|why| why.below(name))?,
            _ => value.clone(),
        };
        live.insert(name, merged);
    }
    Ok(Value::Map(Box::new(live)))
}

/// Items of both, in the order of the configuration where it has them, else in their old place.
fn items(place: Place<'_>, rule: &Merge, live: Vec<Value>, applied: &[Value]) -> Result<Value, Malformed> {
    let identities = |items: &[Value]| -> Result<Vec<Element<'static>>, Malformed> {
        let identify = |item| Ok(identity(place, rule, Side::of(item))?.into_owned());
        items.iter().map(identify).collect()
    };
    let (ours, theirs) = (identities(&live)?, identities(applied)?);
    let order = order(&ours, &theirs);
    let mut live: Vec<Option<Value>> = live.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(order.len());
    for step in order {
        let old = step.live.and_then(|at| live[at].take());
        out.push(match (old, step.applied) {
            (Some(old), Some(at)) => merge(place.inner(), old, &applied[at])?,
            (Some(old), None) => old,
            (None, Some(at)) => applied[at].clone(),
            (None, None) => continue,
        });
    }
    Ok(Value::List(out))
}

/// One item of the merged list: where it was in either list.
struct Step {
    live: Option<usize>,
    applied: Option<usize>,
}

/// The order of the merged list: both lists are walked at once; items that both have come where the
/// configuration has them, with the live items before them that only the object has.
fn order(live: &[Element<'_>], applied: &[Element<'_>]) -> Vec<Step> {
    let mut first: BTreeMap<&Element<'_>, (usize, usize)> = BTreeMap::new();
    for (at, element) in live.iter().enumerate() {
        first.entry(element).or_insert((at, 0)).1 += 1;
    }
    let wanted: BTreeMap<&Element<'_>, usize> = applied.iter().enumerate().map(|(at, e)| (e, at)).collect();
    let mut shared = applied
        .iter()
        .filter(|element| first.contains_key(element))
        .peekable();
    // What the object has twice is not merged: the configuration's item replaces all of them.
    let twin = |element: &Element<'_>| {
        first
            .get(element)
            .filter(|(_, count)| *count == 1)
            .map(|(at, _)| *at)
    };
    let (mut out, mut merged) = (Vec::new(), vec![false; applied.len()]);
    let (mut l, mut r) = (0, 0);
    while l < live.len() || r < applied.len() {
        if let (Some(one), Some(two)) = (live.get(l), applied.get(r)) {
            if one == two {
                merged[r] = true;
                out.push(Step {
                    live: twin(one),
                    applied: Some(r),
                });
                (l, r) = (l + 1, r + 1);
                shared.next();
                continue;
            }
            if wanted.contains_key(one) && shared.peek().is_some_and(|next| *next != one) {
                l += 1;
                continue;
            }
        }
        if let Some(one) = live.get(l) {
            match wanted.get(one) {
                None => {
                    out.push(Step {
                        live: Some(l),
                        applied: None,
                    });
                    l += 1;
                    continue;
                }
                Some(at) if merged[*at] => l += 1,
                Some(_) => {}
            }
        }
        if let Some(two) = applied.get(r) {
            merged[r] = true;
            out.push(Step {
                live: twin(two),
                applied: Some(r),
            });
            r += 1;
            shared.next_if(|next| *next == two);
        }
    }
    out
}
