//! Regular expressions: RE2's syntax, as far as `regex-lite` has it (no classes of Unicode). Matching takes
//! linear time, so no pattern is dangerous; a pattern's size is bounded when it is compiled.

use regex_lite::{Regex, RegexBuilder};

use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::{Text, Value};

/// The largest compiled pattern, in bytes.
const LARGEST: usize = 1 << 20;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let compiled = RegexBuilder::new(text).size_limit(LARGEST).build();
        compiled
            .map(Self)
            .map_err(|error| format!("error parsing regexp: {error}"))
    }

    /// Whether the text has the pattern in it.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

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
            let pattern = Pattern::new(pattern).map_err(Error::text)?;
            Ok(Value::Bool(pattern.is_match(text)))
        }
        args => Err(no_overload("matches", args)),
    }
}

fn compile(pattern: &str) -> Result<Pattern, Error> {
    Pattern::new(pattern).map_err(|error| Error::text(format!("Illegal regex: {error}")))
}

fn find<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::String(text), Value::String(pattern)] = args else {
        return Err(no_overload("find", args));
    };
    let pattern = compile(pattern)?;
    Ok(pattern
        .0
        .find(text)
        .map_or(Value::str(""), |found| part(text, found.range())))
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
    let found = pattern.0.find_iter(text).take(most);
    Ok(Value::list(
        found.map(|found| part(text, found.range())).collect(),
    ))
}
