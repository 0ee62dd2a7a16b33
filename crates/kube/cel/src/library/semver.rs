//! Versions (semver.org 2.0).

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use super::{Cost, Function, Opaque, cost::Size, function, no_overload};
use crate::Error;
use crate::value::Value;

/// A version. What follows `+` says nothing about which one is newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    before: Vec<Part>,
    build: String,
}

/// A part of what follows `-`: numbers are older than texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Text(String),
}

impl Semver {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("Version string empty".to_owned());
        }
        let (rest, build) = text.split_once('+').unwrap_or((text, ""));
        let (core, before) = rest
            .split_once('-')
            .map_or((rest, None), |(core, before)| (core, Some(before)));
        let parts: Vec<&str> = core.split('.').collect();
        let [major, minor, patch] = parts.as_slice() else {
            return Err("No Major.Minor.Patch elements found".to_owned());
        };
        let numbers = [
            number("major", major)?,
            number("minor", minor)?,
            number("patch", patch)?,
        ];
        let before = before.map_or(Ok(Vec::new()), |before| before.split('.').map(part).collect())?;
        if text.contains('+') && !build.split('.').all(is_identifier) {
            return Err(format!(
                "Invalid character(s) found in build meta data \"{build}\""
            ));
        }
        Ok(Self {
            numbers,
            before,
            build: build.to_owned(),
        })
    }

    fn precedence(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.before.is_empty(), other.before.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.before.cmp(&other.before),
            }
        })
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn number(what: &str, text: &str) -> Result<u64, String> {
    let name = format!("{}{}", what[..1].to_uppercase(), &what[1..]);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {what} number \"{text}\""));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!(
            "{name} number must not contain leading zeroes \"{text}\""
        ));
    }
    text.parse()
        .map_err(|_| format!("Invalid character(s) found in {what} number \"{text}\""))
}

fn part(text: &str) -> Result<Part, String> {
    if !is_identifier(text) {
        return Err(format!("Invalid character(s) found in prerelease \"{text}\""));
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Part::Text(text.to_owned()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!(
            "Numeric PreRelease version must not contain leading zeroes \"{text}\""
        ));
    }
    text.parse()
        .map(Part::Number)
        .map_err(|_| format!("Invalid character(s) found in prerelease \"{text}\""))
}

/// A version as people write it: `v1.2`, `01.2.3`.
fn normalized(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at(end);
    let mut parts: Vec<&str> = core.split('.').map(without_zeros).collect();
    while parts.len() < 3 {
        parts.push("0");
    }
    format!("{}{rest}", parts.join("."))
}

fn without_zeros(part: &str) -> &str {
    let trimmed = part.trim_start_matches('0');
    let kept = part.len() > 1 && !trimmed.starts_with(|c: char| c.is_ascii_digit());
    if kept && !part.is_empty() && trimmed.is_empty() {
        "0"
    } else if trimmed.is_empty() {
        part
    } else {
        trimmed
    }
}

impl fmt::Display for Semver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (index, part) in self.before.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match part {
                Part::Number(number) => write!(f, "{number}")?,
                Part::Text(text) => f.write_str(text)?,
            }
        }
        if self.build.is_empty() {
            Ok(())
        } else {
            write!(f, "+{}", self.build)
        }
    }
}

const PARSE: Cost = Cost::Text {
    times: 1,
    size: Size::Unknown,
    only_bytes: false,
};

const COMPARE: &[&str] = &[".kubernetes.Semver, kubernetes.Semver -> bool"];
const NUMBER: &[&str] = &[".kubernetes.Semver -> int"];

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "semver",
        &["string -> kubernetes.Semver", "string, bool -> kubernetes.Semver"],
        PARSE,
        |args| {
            let version = read("semver", args)?.map_err(Error::text)?;
            Ok(Value::Opaque(Opaque::Semver(Rc::new(version))))
        },
    ),
    function(
        "isSemver",
        &["string -> bool", "string, bool -> bool"],
        PARSE,
        |args| Ok(Value::Bool(read("isSemver", args)?.is_ok())),
    ),
    function("isGreaterThan", COMPARE, Cost::One, |args| {
        compare("isGreaterThan", args, |order| Value::Bool(order.is_gt()))
    }),
    function("isLessThan", COMPARE, Cost::One, |args| {
        compare("isLessThan", args, |order| Value::Bool(order.is_lt()))
    }),
    function(
        "compareTo",
        &[".kubernetes.Semver, kubernetes.Semver -> int"],
        Cost::One,
        |args| compare("compareTo", args, |order| Value::Int(order as i64)),
    ),
    function("major", NUMBER, Cost::One, |args| numbered("major", args, 0)),
    function("minor", NUMBER, Cost::One, |args| numbered("minor", args, 1)),
    function("patch", NUMBER, Cost::One, |args| numbered("patch", args, 2)),
];

/// A version from a text, brought into form first if that is asked for.
fn read(name: &str, args: &[Value<'_>]) -> Result<Result<Semver, String>, Error> {
    match args {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => Ok(Semver::parse(text)),
        [Value::String(text), Value::Bool(true)] => Ok(Semver::parse(&normalized(text))),
        args => Err(no_overload(name, args)),
    }
}

fn compare<'a>(name: &str, args: &[Value<'a>], tell: fn(Ordering) -> Value<'a>) -> Result<Value<'a>, Error> {
    match args {
        [
            Value::Opaque(Opaque::Semver(one)),
            Value::Opaque(Opaque::Semver(other)),
        ] => Ok(tell(one.precedence(other))),
        args => Err(no_overload(name, args)),
    }
}

fn numbered<'a>(name: &str, args: &[Value<'a>], at: usize) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Semver(version))] => {
            Ok(Value::Int(i64::try_from(version.numbers[at]).unwrap_or(i64::MAX)))
        }
        args => Err(no_overload(name, args)),
    }
}
