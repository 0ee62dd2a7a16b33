//! Optional values.

use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::Value;

const UNWRAP: &str = "list(optional(A)) -> list(A)";

/// `or`, `orValue`, `.?` and `[?]` are nodes of the program; their rows give them types.
pub(super) const FUNCTIONS: &[Function] = &[
    function("optional.of", &["A -> optional(A)"], Cost::One, |args| {
        Ok(Value::some(args[0].clone()))
    }),
    function(
        "optional.ofNonZeroValue",
        &["A -> optional(A)"],
        Cost::One,
        |args| {
            Ok(if args[0].is_zero() {
                Value::Optional(None)
            } else {
                Value::some(args[0].clone())
            })
        },
    ),
    function("optional.none", &["-> optional(A)"], Cost::One, |_| {
        Ok(Value::Optional(None))
    }),
    function("optional.unwrap", &[UNWRAP], Cost::One, unwrap),
    function("unwrapOpt", &[".list(optional(A)) -> list(A)"], Cost::One, unwrap),
    function("value", &[".optional(A) -> A"], Cost::One, value),
    function("hasValue", &[".optional(A) -> bool"], Cost::One, has_value),
    function(
        "or",
        &[".optional(A), optional(A) -> optional(A)"],
        Cost::One,
        node,
    ),
    function("orValue", &[".optional(A), A -> A"], Cost::One, node),
    function(
        "_[?_]",
        &[
            "list(A), int -> optional(A)",
            "optional(list(A)), int -> optional(A)",
            "map(A, B), A -> optional(B)",
            "optional(map(A, B)), A -> optional(B)",
        ],
        Cost::One,
        node,
    ),
];

/// What nodes of the program do themselves.
fn node<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Err(no_overload("_", args))
}

fn value<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Optional(Some(value))] => Ok(value.as_ref().clone()),
        [Value::Optional(None)] => Err(Error::text("optional.none() dereference")),
        args => Err(no_overload("value", args)),
    }
}

fn has_value<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Optional(value)] => Ok(Value::Bool(value.is_some())),
        args => Err(no_overload("hasValue", args)),
    }
}

fn unwrap<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(no_overload("optional.unwrap", args));
    };
    let mut out = Vec::new();
    for item in list.iter() {
        match item {
            Value::Optional(Some(value)) => out.push(value.as_ref().clone()),
            Value::Optional(None) => {}
            other => return Err(no_overload("optional.unwrap", &[other])),
        }
    }
    Ok(Value::list(out))
}
