//! Functions: each is one row with its signatures, what it costs, and what it does.
//!
//! Upstream keeps declarations, bindings, cost estimates and cost trackers in four places; a function that is
//! missing in one of them is a bug that shows late. Here the row is the function.

mod arithmetic;
mod authz;
mod convert;
mod cost;
mod dates;
mod format;
mod formats;
mod indexing;
mod lists;
mod network;
mod opaque;
mod operators;
mod optionals;
mod quantity;
mod regex;
mod semver;
mod sets;
mod signature;
mod strings;
mod url;

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD};

pub(crate) use authz::TYPES as AUTHORIZER_TYPES;
pub use authz::{Asked, Authorizer, Verdict};
pub(crate) use cost::{Argument, Cost, Range};
pub(crate) use indexing::{index, optional_index};
pub use opaque::Opaque;
pub(crate) use regex::{search, wrong as wrong_pattern};
pub(crate) use signature::Signature;

use crate::Error;
use crate::value::Value;

/// What a function gives for its arguments; of a method, the first is what it was called on.
pub(crate) type Eval = for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, Error>;

/// One function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// Its overloads; those of methods begin with a dot.
    overloads: &'static [&'static str],
    pub(crate) cost: Cost,
    pub(crate) eval: Eval,
}

/// A function with its overloads read.
pub(crate) struct Declared {
    pub(crate) function: &'static Function,
    pub(crate) signatures: Vec<Signature>,
}

const fn function(
    name: &'static str,
    overloads: &'static [&'static str],
    cost: Cost,
    eval: Eval,
) -> Function {
    Function {
        name,
        overloads,
        cost,
        eval,
    }
}

/// Every library that Kubernetes v1.36 gives expressions.
const LIBRARIES: &[&[Function]] = &[
    operators::FUNCTIONS,
    convert::FUNCTIONS,
    strings::FUNCTIONS,
    dates::FUNCTIONS,
    lists::FUNCTIONS,
    optionals::FUNCTIONS,
    regex::FUNCTIONS,
    sets::FUNCTIONS,
    network::FUNCTIONS,
    quantity::FUNCTIONS,
    semver::FUNCTIONS,
    url::FUNCTIONS,
    formats::FUNCTIONS,
    authz::FUNCTIONS,
    PATCH,
];

/// What helps to write JSON patches.
const PATCH: &[Function] = &[function(
    "jsonpatch.escapeKey",
    &["string -> string"],
    Cost::Text {
        times: 1,
        size: cost::Size::Same,
        only_bytes: false,
    },
    |args| match args {
        [Value::String(key)] => Ok(Value::owned(key.replace('~', "~0").replace('/', "~1"))),
        args => Err(no_overload("jsonpatch.escapeKey", args)),
    },
)];

/// Functions by name. What two libraries call the same is one function with the overloads of both.
static DECLARED: LazyLock<HashMap<&'static str, Vec<Declared>>> = LazyLock::new(|| {
    let mut declared: HashMap<&'static str, Vec<Declared>> = HashMap::new();
    for function in LIBRARIES.iter().copied().flatten() {
        let signatures = function.overloads.iter().copied().map(Signature::parse).collect();
        declared
            .entry(function.name)
            .or_default()
            .push(Declared { function, signatures });
    }
    declared
});

/// The functions of a name.
pub(crate) fn named(name: &str) -> Option<&'static [Declared]> {
    DECLARED.get(name).map(Vec::as_slice)
}

/// No overload fits these values.
pub(crate) fn no_overload(name: &str, args: &[Value<'_>]) -> Error {
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Error::NoSuchOverload;
    }
    let types: Vec<String> = args.iter().map(|arg| type_name(arg)).collect();
    Error::NoSuchFunction(format!("{name}({})", types.join(", ")))
}

/// The name of a value's type without its parameters.
pub(crate) fn type_name(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null_type".to_owned(),
        Value::List(_) => "list".to_owned(),
        Value::Optional(_) => "optional_type".to_owned(),
        Value::Type(_) => "type".to_owned(),
        Value::Duration(_) => "google.protobuf.Duration".to_owned(),
        Value::Timestamp(_) => "google.protobuf.Timestamp".to_owned(),
        Value::Map(map) => map.object_name().unwrap_or("map").to_owned(),
        other => other.ty().to_string(),
    }
}

/// Text from base64, padded or not.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, NO_PAD);
    STANDARD.decode(text).or_else(|_| LENIENT.decode(text)).ok()
}

/// Bytes as base64.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
