//! Lists: Kubernetes' library, and cel-go's extension in version 3.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::rc::Rc;

use super::arithmetic::add;
use super::operators::ordered;
use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::{List, Value};

/// Overloads for each comparable type.
const SORTED: &[&str] = &[
    ".list(int) -> bool",
    ".list(uint) -> bool",
    ".list(double) -> bool",
    ".list(bool) -> bool",
    ".list(duration) -> bool",
    ".list(timestamp) -> bool",
    ".list(string) -> bool",
    ".list(bytes) -> bool",
];

const EXTREME: &[&str] = &[
    ".list(int) -> int",
    ".list(uint) -> uint",
    ".list(double) -> double",
    ".list(bool) -> bool",
    ".list(duration) -> duration",
    ".list(timestamp) -> timestamp",
    ".list(string) -> string",
    ".list(bytes) -> bytes",
];

const SEARCH: &[&str] = &[".list(A), A -> int"];

pub(super) const FUNCTIONS: &[Function] = &[
    function("isSorted", SORTED, Cost::Elements, is_sorted),
    function(
        "sum",
        &[
            ".list(int) -> int",
            ".list(uint) -> uint",
            ".list(double) -> double",
            ".list(duration) -> duration",
        ],
        Cost::Elements,
        sum,
    ),
    function("max", EXTREME, Cost::Elements, |args| {
        extreme("max", args, Ordering::is_gt)
    }),
    function("min", EXTREME, Cost::Elements, |args| {
        extreme("min", args, Ordering::is_lt)
    }),
    function("indexOf", SEARCH, Cost::Elements, |args| {
        search(args, |list, wanted| list.iter().position(|item| item == *wanted))
    }),
    function("lastIndexOf", SEARCH, Cost::Elements, |args| {
        search(args, |list, wanted| {
            let items: Vec<Value<'_>> = list.iter().collect();
            items.iter().rposition(|item| item == wanted)
        })
    }),
    function("slice", &[".list(A), int, int -> list(A)"], Cost::Slice, slice),
    function(
        "flatten",
        &[".list(list(A)) -> list(A)", ".list(dyn), int -> list(dyn)"],
        Cost::Flatten,
        flatten,
    ),
    function(
        "sort",
        &[
            ".list(int) -> list(int)",
            ".list(uint) -> list(uint)",
            ".list(double) -> list(double)",
            ".list(bool) -> list(bool)",
            ".list(duration) -> list(duration)",
            ".list(timestamp) -> list(timestamp)",
            ".list(string) -> list(string)",
            ".list(bytes) -> list(bytes)",
        ],
        Cost::SelfCompare(0),
        |args| sort_by_keys(&[args[0].clone(), args[0].clone()]),
    ),
    function(
        "@sortByAssociatedKeys",
        &[
            ".list(A), list(int) -> list(A)",
            ".list(A), list(uint) -> list(A)",
            ".list(A), list(double) -> list(A)",
            ".list(A), list(bool) -> list(A)",
            ".list(A), list(duration) -> list(A)",
            ".list(A), list(timestamp) -> list(A)",
            ".list(A), list(string) -> list(A)",
            ".list(A), list(bytes) -> list(A)",
        ],
        Cost::SelfCompare(1),
        sort_by_keys,
    ),
    function("lists.range", &["int -> list(int)"], Cost::Count, range),
    function("reverse", &[".list(A) -> list(A)"], Cost::Copy, reverse),
    function(
        "distinct",
        &[".list(A) -> list(A)"],
        Cost::SelfCompare(0),
        distinct,
    ),
    function("first", &[".list(A) -> optional(A)"], Cost::One, |args| {
        end("first", args, |_| 0)
    }),
    function("last", &[".list(A) -> optional(A)"], Cost::One, |args| {
        end("last", args, |length| length.saturating_sub(1))
    }),
];

fn is_sorted<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(no_overload("isSorted", args));
    };
    let items: Vec<Value<'a>> = list.iter().collect();
    for pair in items.windows(2) {
        if ordered(&pair[0], &pair[1])? == Ordering::Greater {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(no_overload("sum", args));
    };
    let mut items = list.iter();
    // Of nothing the sum is an integer: the list's type is gone by now.
    let first = items.next().unwrap_or(Value::Int(0));
    items.try_fold(first, |total, item| add(&[total, item]))
}

fn extreme<'a>(name: &str, args: &[Value<'a>], better: fn(Ordering) -> bool) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(no_overload(name, args));
    };
    let mut items = list.iter();
    let empty = || Error::text(format!("{name} called on empty list"));
    let mut best = items.next().ok_or_else(empty)?;
    for item in items {
        if better(ordered(&item, &best)?) {
            best = item;
        }
    }
    Ok(best)
}

fn search<'a>(
    args: &[Value<'a>],
    find: fn(&List<'a>, &Value<'a>) -> Option<usize>,
) -> Result<Value<'a>, Error> {
    match args {
        [Value::List(list), wanted] => Ok(Value::Int(
            find(list, wanted).map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX)),
        )),
        args => Err(no_overload("indexOf", args)),
    }
}

fn slice<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = args else {
        return Err(no_overload("slice", args));
    };
    let wrong = |why: String| Error::text(format!("cannot slice({start}, {end}), {why}"));
    let (Ok(from), Ok(to)) = (usize::try_from(*start), usize::try_from(*end)) else {
        return Err(wrong("negative indexes not supported".to_owned()));
    };
    if from > to {
        return Err(wrong(
            "start index must be less than or equal to end index".to_owned(),
        ));
    }
    if list.len() < to {
        return Err(wrong(format!("list is length {}", list.len())));
    }
    Ok(Value::list((from..to).filter_map(|at| list.get(at)).collect()))
}

fn flatten<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (list, depth) = match args {
        [Value::List(list)] => (list, 1),
        [Value::List(list), Value::Int(depth)] => (list, *depth),
        args => return Err(no_overload("flatten", args)),
    };
    if depth < 0 {
        return Err(Error::text("level must be non-negative"));
    }
    let mut out = Vec::new();
    flatten_into(&mut out, list, depth);
    Ok(Value::list(out))
}

/// Values are no deeper than trees and expressions are, so this ends.
fn flatten_into<'a>(out: &mut Vec<Value<'a>>, list: &List<'a>, depth: i64) {
    for item in list.iter() {
        match &item {
            Value::List(inner) if depth > 0 => flatten_into(out, inner, depth - 1),
            _ => out.push(item),
        }
    }
}

fn sort_by_keys<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list), Value::List(keys)] = args else {
        return Err(no_overload("sort", args));
    };
    if list.len() != keys.len() {
        return Err(Error::text(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} \
             and {} elements respectively",
            list.len(),
            keys.len()
        )));
    }
    let mut pairs: Vec<(Value<'a>, Value<'a>)> = keys.iter().zip(list.iter()).collect();
    if let Some((first, _)) = pairs.first() {
        let one_type = pairs.iter().all(|(key, _)| key.ty().same_sort(&first.ty()));
        if !one_type {
            return Err(Error::text("list elements must have the same type"));
        }
        ordered(first, first).map_err(|_| Error::text("list elements must be comparable"))?;
    }
    pairs.sort_by(|(one, _), (other, _)| ordered(one, other).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

fn range<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        // The cost is spent before the list is made, so it is not longer than a call may cost.
        [Value::Int(count)] => Ok(Value::list((0..*count).map(Value::Int).collect())),
        args => Err(no_overload("lists.range", args)),
    }
}

fn reverse<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(no_overload("reverse", args));
    };
    let mut items: Vec<Value<'a>> = list.iter().collect();
    items.reverse();
    Ok(Value::list(items))
}

/// Items are told apart by their JSON first, so that long lists are not compared each with each.
fn distinct<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(no_overload("distinct", args));
    };
    let mut seen = HashSet::new();
    let mut items: Vec<Value<'a>> = Vec::new();
    for item in list.iter() {
        let number = matches!(item, Value::Int(_) | Value::Uint(_) | Value::Double(_));
        let kind = if number {
            0
        } else {
            1 + u8::from(matches!(item, Value::String(_)))
        };
        if seen.insert((kind, crate::value::json(&item))) {
            items.push(item);
        }
    }
    Ok(Value::list(items))
}

fn end<'a>(name: &str, args: &[Value<'a>], at: fn(usize) -> usize) -> Result<Value<'a>, Error> {
    match args {
        [Value::List(list)] => Ok(Value::Optional(list.get(at(list.len())).map(Rc::new))),
        args => Err(no_overload(name, args)),
    }
}
