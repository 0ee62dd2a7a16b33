//! Looking into lists and maps: by place, by key, whether something is in them, how large they are.

use super::no_overload;
use crate::Error;
use crate::value::{Map, Value};

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

pub(super) fn within<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [item, Value::List(list)] => Ok(Value::Bool(list.iter().any(|other| other == *item))),
        [key, Value::Map(map)] => Ok(Value::Bool(map.get(key).is_some())),
        args => Err(no_overload("@in", args)),
    }
}

pub(super) fn size<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        value @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)) => {
            Ok(Value::Int(i64::try_from(value.size()).unwrap_or(i64::MAX)))
        }
        _ => Err(no_overload("size", args)),
    }
}
