//! Operators, and the functions of the specification that are as basic (CEL specification, "Standard
//! definitions").

use std::cmp::Ordering;

use super::arithmetic::{add, divide, modulo, multiply, negate, subtract};
use super::indexing::{size, within};
use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::Value;
use crate::value::compare::{numbers, order};

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

/// Numbers in their order, or an error.
pub(super) fn ordered(one: &Value<'_>, other: &Value<'_>) -> Result<Ordering, Error> {
    numbers(one, other)
        .or_else(|| order(one, other))
        .flatten()
        .ok_or(Error::NoSuchOverload)
}
