//! Operators, and the functions of the specification that are as basic (CEL specification, "Standard
//! definitions").

use std::cmp::Ordering;

use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::compare::{numbers, order};
use crate::value::{List, Map, Value};

const COMPARABLE: &[&str] = &[
    "bool, bool -> bool",
    "int, int -> bool",
    "int, double -> bool",
    "int, uint -> bool",
    "uint, uint -> bool",
    "uint, double -> bool",
    "uint, int -> bool",
    "double, double -> bool",
    "double, int -> bool",
    "double, uint -> bool",
    "string, string -> bool",
    "bytes, bytes -> bool",
    "timestamp, timestamp -> bool",
    "duration, duration -> bool",
];

const NUMERIC: &[&str] = &[
    "double, double -> double",
    "int, int -> int",
    "uint, uint -> uint",
];

/// `&&`, `||`, `?:`, the loop's condition and optional chains are nodes of the program: they do not evaluate
/// all of their operands. Their rows give them types.
pub(super) const FUNCTIONS: &[Function] = &[
    function("_&&_", &["bool, bool -> bool"], Cost::Free, node),
    function("_||_", &["bool, bool -> bool"], Cost::Free, node),
    function("_?_:_", &["bool, A, A -> A"], Cost::Free, node),
    function("@not_strictly_false", &["bool -> bool"], Cost::One, node),
    function("!_", &["bool -> bool"], Cost::One, not),
    function("-_", &["int -> int", "double -> double"], Cost::One, negate),
    function("_==_", &["A, A -> bool"], Cost::Equality, equal),
    function("_!=_", &["A, A -> bool"], Cost::Equality, unequal),
    function("_<_", COMPARABLE, Cost::Order, |args| {
        compare("_<_", args, Ordering::is_lt)
    }),
    function("_<=_", COMPARABLE, Cost::Order, |args| {
        compare("_<=_", args, Ordering::is_le)
    }),
    function("_>_", COMPARABLE, Cost::Order, |args| {
        compare("_>_", args, Ordering::is_gt)
    }),
    function("_>=_", COMPARABLE, Cost::Order, |args| {
        compare("_>=_", args, Ordering::is_ge)
    }),
    function(
        "_+_",
        &[
            "bytes, bytes -> bytes",
            "double, double -> double",
            "duration, duration -> duration",
            "duration, timestamp -> timestamp",
            "timestamp, duration -> timestamp",
            "int, int -> int",
            "list(A), list(A) -> list(A)",
            "string, string -> string",
            "uint, uint -> uint",
        ],
        Cost::Concatenation,
        add,
    ),
    function(
        "_-_",
        &[
            "double, double -> double",
            "duration, duration -> duration",
            "int, int -> int",
            "timestamp, duration -> timestamp",
            "timestamp, timestamp -> duration",
            "uint, uint -> uint",
        ],
        Cost::One,
        subtract,
    ),
    function("_*_", NUMERIC, Cost::One, multiply),
    function("_/_", NUMERIC, Cost::One, divide),
    function(
        "_%_",
        &["int, int -> int", "uint, uint -> uint"],
        Cost::One,
        modulo,
    ),
    function(
        "_[_]",
        &[
            "list(A), int -> A",
            "map(A, B), A -> B",
            "optional(list(A)), int -> optional(A)",
            "optional(map(A, B)), A -> optional(B)",
        ],
        Cost::One,
        node,
    ),
    function(
        "@in",
        &["A, list(A) -> bool", "A, map(A, B) -> bool"],
        Cost::In,
        within,
    ),
    function(
        "size",
        &[
            "bytes -> int",
            ".bytes -> int",
            "list(A) -> int",
            ".list(A) -> int",
            "map(A, B) -> int",
            ".map(A, B) -> int",
            "string -> int",
            ".string -> int",
        ],
        Cost::One,
        size,
    ),
    function("type", &["A -> type(A)"], Cost::One, |args| {
        Ok(Value::Type(args[0].ty()))
    }),
    function("dyn", &["A -> dyn"], Cost::One, |args| Ok(args[0].clone())),
    function(
        "cel.@mapInsert",
        &[
            "map(A, B), A, B -> map(A, B)",
            "map(A, B), map(A, B) -> map(A, B)",
        ],
        Cost::One,
        node,
    ),
];

/// What nodes of the program do themselves.
fn node<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Err(no_overload("_", args))
}

fn not<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        args => Err(no_overload("!_", args)),
    }
}

fn negate<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(value)] => value.checked_neg().map(Value::Int).ok_or_else(int_overflow),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        args => Err(no_overload("-_", args)),
    }
}

fn equal<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Ok(Value::Bool(args[0] == args[1]))
}

fn unequal<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Ok(Value::Bool(args[0] != args[1]))
}

fn compare<'a>(name: &str, args: &[Value<'a>], wanted: fn(Ordering) -> bool) -> Result<Value<'a>, Error> {
    let order = order(&args[0], &args[1]).ok_or_else(|| no_overload(name, args))?;
    let order = order.ok_or_else(|| Error::text("NaN values cannot be ordered"))?;
    Ok(Value::Bool(wanted(order)))
}

pub(super) fn int_overflow() -> Error {
    Error::text("integer overflow")
}

fn uint_overflow() -> Error {
    Error::text("unsigned integer overflow")
}

fn duration_overflow() -> Error {
    Error::text("duration overflow")
}

pub(super) fn add<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Bytes, Double, Duration, Int, List, String, Timestamp, Uint};
    match args {
        [Int(one), Int(other)] => one.checked_add(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => one.checked_add(*other).map(Uint).ok_or_else(uint_overflow),
        [Double(one), Double(other)] => Ok(Double(one + other)),
        [String(one), String(other)] => Ok(Value::owned([&**one, &**other].concat())),
        [Bytes(one), Bytes(other)] => Ok(Value::blob([&**one, &**other].concat())),
        [Duration(one), Duration(other)] => one
            .checked_add(*other)
            .map(Duration)
            .ok_or_else(duration_overflow),
        [Duration(nanos), Timestamp(moment)] | [Timestamp(moment), Duration(nanos)] => {
            moment.plus(*nanos).map(Timestamp)
        }
        [List(one), List(other)] => Ok(concatenate(one, other)),
        args => Err(no_overload("_+_", args)),
    }
}

/// Lists one after the other. What is declared to be a set or a map stays one: the second list's items are
/// added, or take the place of their like.
fn concatenate<'a>(one: &List<'a>, other: &List<'a>) -> Value<'a> {
    use crate::types::ListKind;
    use crate::value::compare::identity;
    let keys: Option<&[Box<str>]> = match one.kind() {
        Some(ListKind::Map(keys)) => Some(keys),
        Some(ListKind::Set) => Some(&[]),
        _ => None,
    };
    let mut items: Vec<Value<'a>> = one.iter().collect();
    let Some(keys) = keys else {
        items.extend(other.iter());
        return Value::list(items);
    };
    let key = |item: &Value<'a>| {
        if keys.is_empty() {
            crate::value::json(item)
        } else {
            identity(item, keys)
        }
    };
    let mut places: std::collections::HashMap<String, usize> = items
        .iter()
        .enumerate()
        .map(|(at, item)| (key(item), at))
        .collect();
    for item in other.iter() {
        let next = items.len();
        match *places.entry(key(&item)).or_insert(next) {
            at if at < next => items[at] = item,
            _ => items.push(item),
        }
    }
    Value::list(items)
}

fn subtract<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Double, Duration, Int, Timestamp, Uint};
    match args {
        [Int(one), Int(other)] => one.checked_sub(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => one.checked_sub(*other).map(Uint).ok_or_else(uint_overflow),
        [Double(one), Double(other)] => Ok(Double(one - other)),
        [Duration(one), Duration(other)] => one
            .checked_sub(*other)
            .map(Duration)
            .ok_or_else(duration_overflow),
        [Timestamp(moment), Duration(nanos)] => moment.minus(*nanos).map(Timestamp),
        [Timestamp(one), Timestamp(other)] => one.since(*other).map(Duration),
        args => Err(no_overload("_-_", args)),
    }
}

fn multiply<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Double, Int, Uint};
    match args {
        [Int(one), Int(other)] => one.checked_mul(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => one.checked_mul(*other).map(Uint).ok_or_else(uint_overflow),
        [Double(one), Double(other)] => Ok(Double(one * other)),
        args => Err(no_overload("_*_", args)),
    }
}

fn divide<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Double, Int, Uint};
    match args {
        [Int(_), Int(0)] | [Uint(_), Uint(0)] => Err(Error::text("division by zero")),
        [Int(one), Int(other)] => one.checked_div(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => Ok(Uint(one / other)),
        [Double(one), Double(other)] => Ok(Double(one / other)),
        args => Err(no_overload("_/_", args)),
    }
}

fn modulo<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Int, Uint};
    match args {
        [Int(_), Int(0)] | [Uint(_), Uint(0)] => Err(Error::text("modulus by zero")),
        [Int(one), Int(other)] => one.checked_rem(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => Ok(Uint(one % other)),
        args => Err(no_overload("_%_", args)),
    }
}

/// The place in a list that a number means.
fn place(index: &Value<'_>) -> Result<i64, Error> {
    let whole = |index: &Value<'_>| match index {
        Value::Int(index) => Some(*index),
        Value::Uint(index) => i64::try_from(*index).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "only a whole number is taken")]
        Value::Double(index) if index.fract() == 0.0 && index.abs() < 9e15 => Some(*index as i64),
        _ => None,
    };
    whole(index).ok_or_else(|| match index {
        Value::Uint(_) | Value::Double(_) => Error::text(format!(
            "unsupported index value {} in list",
            crate::value::json(index)
        )),
        other => Error::text(format!(
            "unsupported index type '{}' in list",
            super::type_name(other)
        )),
    })
}

/// `operand[index]`
pub(crate) fn index<'a>(operand: &Value<'a>, index: &Value<'a>) -> Result<Value<'a>, Error> {
    match operand {
        Value::List(list) => {
            let at = place(index)?;
            list.at(at).ok_or(Error::OutOfBounds(at))
        }
        Value::Map(map) => entry(map, index),
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(_)) => optional_index(operand, index),
        _ => Err(Error::NoSuchOverload),
    }
}

fn entry<'a>(map: &Map<'a>, key: &Value<'a>) -> Result<Value<'a>, Error> {
    map.get(key)
        .ok_or_else(|| Error::NoSuchKey(crate::value::key_text(key)))
}

/// `operand[?index]`: the same as an optional.
pub(crate) fn optional_index<'a>(operand: &Value<'a>, at: &Value<'a>) -> Result<Value<'a>, Error> {
    match operand {
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(operand)) => optional_index(operand, at),
        operand => match index(operand, at) {
            Ok(value) => Ok(Value::some(value)),
            Err(Error::NoSuchKey(_) | Error::OutOfBounds(_)) => Ok(Value::Optional(None)),
            Err(error) => Err(error),
        },
    }
}

fn within<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [item, Value::List(list)] => Ok(Value::Bool(list.iter().any(|other| other == *item))),
        [key, Value::Map(map)] => Ok(Value::Bool(map.get(key).is_some())),
        args => Err(no_overload("@in", args)),
    }
}

fn size<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        value @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)) => {
            Ok(Value::Int(i64::try_from(value.size()).unwrap_or(i64::MAX)))
        }
        _ => Err(no_overload("size", args)),
    }
}

/// Numbers in their order, or an error.
pub(super) fn ordered(one: &Value<'_>, other: &Value<'_>) -> Result<Ordering, Error> {
    numbers(one, other)
        .or_else(|| order(one, other))
        .flatten()
        .ok_or(Error::NoSuchOverload)
}
