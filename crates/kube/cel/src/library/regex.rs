//! Regular expressions. Matching takes linear time, so no pattern is dangerous; a pattern's weight is bounded, and one that
//! is no literal costs by it.

use regexp::Regexp;

use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::{Text, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "matches",
        &["string, string -> bool", ".string, string -> bool"],
        Cost::Matches,
        node,
    ),
    function("find", &[".string, string -> string"], Cost::Find, node),
    function(
        "findAll",
        &[
            ".string, string -> list(string)",
            ".string, string, int -> list(string)",
        ],
        Cost::Find,
        node,
    ),
];

/// What these functions do, the evaluator does by [`search`], because it keeps what is compiled.
fn node<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Err(no_overload("_", args))
}

/// What is wrong with a pattern, as one of these functions tells it.
pub(crate) fn wrong(function: &str, error: &regexp::Error) -> Error {
    match function {
        "matches" => Error::text(error.to_string()),
        _ => Error::text(format!("Illegal regex: {error}")),
    }
}

/// Carries out one of these functions with its pattern, the second argument, compiled.
///
/// # Errors
/// Arguments of other types.
pub(crate) fn search<'a>(function: &str, pattern: &Regexp, args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (text, most) = match args {
        [Value::String(text), _] => (text, usize::MAX),
        [Value::String(text), _, Value::Int(count)] => (text, usize::try_from(*count).unwrap_or(usize::MAX)),
        args => return Err(no_overload(function, args)),
    };
    Ok(match function {
        "matches" => Value::Bool(pattern.is_match(text)),
        "find" => pattern
            .find(text)
            .map_or(Value::str(""), |found| part(text, found)),
        _ => Value::list(
            pattern
                .find_all(text)
                .take(most)
                .map(|found| part(text, found))
                .collect(),
        ),
    })
}

/// A piece of a text, borrowed where the text is.
fn part<'a>(text: &Text<'a>, range: std::ops::Range<usize>) -> Value<'a> {
    match text {
        Text::Borrowed(text) => Value::str(&text[range]),
        Text::Shared(text) => Value::owned(&text[range]),
    }
}
