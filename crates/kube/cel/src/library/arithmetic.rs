//! Arithmetic of numbers, durations and moments, and `+` of texts and lists. What does not fit is an error, never wrapped.

use super::no_overload;
use crate::Error;
use crate::value::{List, Value};

pub(super) fn negate<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(value)] => value.checked_neg().map(Value::Int).ok_or_else(int_overflow),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        args => Err(no_overload("-_", args)),
    }
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

pub(super) fn subtract<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
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

pub(super) fn multiply<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Double, Int, Uint};
    match args {
        [Int(one), Int(other)] => one.checked_mul(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => one.checked_mul(*other).map(Uint).ok_or_else(uint_overflow),
        [Double(one), Double(other)] => Ok(Double(one * other)),
        args => Err(no_overload("_*_", args)),
    }
}

pub(super) fn divide<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Double, Int, Uint};
    match args {
        [Int(_), Int(0)] | [Uint(_), Uint(0)] => Err(Error::text("division by zero")),
        [Int(one), Int(other)] => one.checked_div(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => Ok(Uint(one / other)),
        [Double(one), Double(other)] => Ok(Double(one / other)),
        args => Err(no_overload("_/_", args)),
    }
}

pub(super) fn modulo<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    use Value::{Int, Uint};
    match args {
        [Int(_), Int(0)] | [Uint(_), Uint(0)] => Err(Error::text("modulus by zero")),
        [Int(one), Int(other)] => one.checked_rem(*other).map(Int).ok_or_else(int_overflow),
        [Uint(one), Uint(other)] => Ok(Uint(one % other)),
        args => Err(no_overload("_%_", args)),
    }
}
