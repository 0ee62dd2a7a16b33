//! Regular expressions. Matching takes linear time, so no pattern is dangerous; a pattern's size is bounded when it is
//! compiled.

use regexp::Regexp;

use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::{Text, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "matches",
        &["string, string -> bool", ".string, string -> bool"],
        Cost::Matches,
        matches,
    ),
    function("find", &[".string, string -> string"], Cost::Find, find),
    function(
        "findAll",
        &[
            ".string, string -> list(string)",
            ".string, string, int -> list(string)",
        ],
        Cost::Find,
        find_all,
    ),
];

fn matches<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text), Value::String(pattern)] => {
            let pattern = Regexp::new(pattern).map_err(|error| Error::text(error.to_string()))?;
            Ok(Value::Bool(pattern.is_match(text)))
        }
        args => Err(no_overload("matches", args)),
    }
}

fn compile(pattern: &str) -> Result<Regexp, Error> {
    Regexp::new(pattern).map_err(|error| Error::text(format!("Illegal regex: {error}")))
}

fn find<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::String(text), Value::String(pattern)] = args else {
        return Err(no_overload("find", args));
    };
    let found = compile(pattern)?.find(text);
    Ok(found.map_or(Value::str(""), |found| part(text, found)))
}

/// A piece of a text, borrowed where the text is.
fn part<'a>(text: &Text<'a>, range: std::ops::Range<usize>) -> Value<'a> {
    match text {
        Text::Borrowed(text) => Value::str(&text[range]),
        Text::Shared(text) => Value::owned(&text[range]),
    }
}

fn find_all<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (text, pattern, count) = match args {
        [Value::String(text), Value::String(pattern)] => (text, pattern, -1),
        [Value::String(text), Value::String(pattern), Value::Int(count)] => (text, pattern, *count),
        args => return Err(no_overload("findAll", args)),
    };
    let pattern = compile(pattern)?;
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let found = pattern.find_all(text).take(most);
    Ok(Value::list(found.map(|found| part(text, found)).collect()))
}
