//! Conversions between types (CEL specification, "Type conversions"): exact, or an error.

use super::{Cost, Function, cost::Size, function, no_overload, type_name};
use crate::Error;
use crate::value::time::{SECOND, Timestamp, duration_text, parse_duration, parse_timestamp};
use crate::value::{Value, double};

pub(super) const FUNCTIONS: &[Function] = &[
    function("bool", &["bool -> bool", "string -> bool"], Cost::One, to_bool),
    function(
        "bytes",
        &["bytes -> bytes", "string -> bytes"],
        Cost::Bytes,
        to_bytes,
    ),
    function(
        "double",
        &[
            "double -> double",
            "int -> double",
            "string -> double",
            "uint -> double",
        ],
        Cost::One,
        to_double,
    ),
    function(
        "duration",
        &["duration -> duration", "int -> duration", "string -> duration"],
        Cost::One,
        to_duration,
    ),
    function(
        "int",
        &[
            "int -> int",
            "double -> int",
            "duration -> int",
            "string -> int",
            "timestamp -> int",
            "uint -> int",
        ],
        Cost::One,
        to_int,
    ),
    function(
        "uint",
        &["uint -> uint", "double -> uint", "int -> uint", "string -> uint"],
        Cost::One,
        to_uint,
    ),
    function(
        "string",
        &[
            "string -> string",
            "bool -> string",
            "bytes -> string",
            "double -> string",
            "duration -> string",
            "int -> string",
            "timestamp -> string",
            "uint -> string",
            "net.IP -> string",
            "net.CIDR -> string",
        ],
        Cost::Text {
            times: 1,
            size: Size::Unknown,
            only_bytes: true,
        },
        to_string,
    ),
    function(
        "timestamp",
        &[
            "timestamp -> timestamp",
            "int -> timestamp",
            "string -> timestamp",
        ],
        Cost::One,
        to_timestamp,
    ),
];

/// No conversion between these types; upstream words it by their names.
fn bad(value: &Value<'_>, to: &str) -> Error {
    Error::text(format!(
        "type conversion error from '{}' to '{to}'",
        type_name(value)
    ))
}

fn to_bool<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        Value::Bool(value) => Ok(Value::Bool(*value)),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(bad(&args[0], "bool")),
        },
        _ => Err(no_overload("bool", args)),
    }
}

fn to_bytes<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        Value::Bytes(_) => Ok(args[0].clone()),
        Value::String(text) => Ok(Value::blob(text.as_bytes())),
        _ => Err(no_overload("bytes", args)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what is asked for"
)]
fn to_double<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        Value::Double(value) => Ok(Value::Double(*value)),
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::String(text) => match text.parse() {
            Ok(value) => Ok(Value::Double(value)),
            Err(_) => Err(bad(&args[0], "double")),
        },
        _ => Err(no_overload("double", args)),
    }
}

fn to_duration<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        Value::Duration(nanos) | Value::Int(nanos) => Ok(Value::Duration(*nanos)),
        Value::String(text) => match parse_duration(text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => Err(bad(&args[0], "google.protobuf.Duration")),
        },
        _ => Err(no_overload("duration", args)),
    }
}

fn to_int<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let overflow = || Error::text("integer overflow");
    match &args[0] {
        Value::Int(value) | Value::Duration(value) => Ok(Value::Int(*value)),
        Value::Uint(value) => i64::try_from(*value).map(Value::Int).map_err(|_| overflow()),
        // The bounds are the doubles next to those of integers, as upstream has it.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the bounds it is an integer"
        )]
        Value::Double(value) if *value > -TWO_63 && *value < TWO_63 => Ok(Value::Int(*value as i64)),
        Value::Double(_) => Err(overflow()),
        Value::Timestamp(moment) => Ok(Value::Int(moment.seconds())),
        Value::String(text) => match text.parse() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) => Err(bad(&args[0], "int")),
        },
        _ => Err(no_overload("int", args)),
    }
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

fn to_uint<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let overflow = || Error::text("unsigned integer overflow");
    match &args[0] {
        Value::Uint(value) => Ok(Value::Uint(*value)),
        Value::Int(value) => u64::try_from(*value).map(Value::Uint).map_err(|_| overflow()),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the bounds it is an integer"
        )]
        Value::Double(value) if *value >= 0.0 && *value < TWO_64 => Ok(Value::Uint(*value as u64)),
        Value::Double(_) => Err(overflow()),
        Value::String(text) => match text.parse() {
            Ok(value) => Ok(Value::Uint(value)),
            Err(_) => Err(bad(&args[0], "uint")),
        },
        _ => Err(no_overload("uint", args)),
    }
}

fn to_string<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let text = match &args[0] {
        Value::String(_) => return Ok(args[0].clone()),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double(*value),
        Value::Duration(nanos) => duration_text(*nanos),
        Value::Timestamp(moment) => moment.to_string(),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Err(Error::text("invalid UTF-8 in bytes, cannot convert to string")),
        },
        Value::Opaque(opaque) => match opaque.text() {
            Some(text) => text,
            None => return Err(no_overload("string", args)),
        },
        _ => return Err(no_overload("string", args)),
    };
    Ok(Value::owned(text))
}

fn to_timestamp<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match &args[0] {
        Value::Timestamp(moment) => Ok(Value::Timestamp(*moment)),
        Value::Int(seconds) => Timestamp::from_seconds(*seconds).map(Value::Timestamp),
        Value::String(text) => match parse_timestamp(text) {
            Some(moment) => Ok(Value::Timestamp(moment)),
            None => Err(bad(&args[0], "google.protobuf.Timestamp")),
        },
        _ => Err(no_overload("timestamp", args)),
    }
}

/// How many whole seconds a length of time has.
pub(super) fn seconds(nanos: i64) -> i64 {
    nanos / SECOND
}
