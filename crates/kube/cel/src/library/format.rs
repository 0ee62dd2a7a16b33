//! `'…%s…'.format([…])`: cel-go's clauses.

use super::{no_overload, type_name};
use crate::Error;
use crate::value::{List, Map, Value, double};

/// Digits after the point where a clause names none.
const PRECISION: usize = 6;

/// The most digits that a clause may ask for.
const MOST_DIGITS: usize = 1_000;

pub(super) fn format<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::String(text), Value::List(list)] = args else {
        return Err(no_overload("format", args));
    };
    let mut out = String::new();
    let mut used = 0;
    let mut rest: &str = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (clause, after) = Clause::parse(rest)?;
        let value = argument(list, used)?;
        used += 1;
        clause.write(&mut out, &value)?;
        rest = after;
    }
    out.push_str(rest);
    Ok(Value::owned(out))
}

fn argument<'a>(list: &List<'a>, index: usize) -> Result<Value<'a>, Error> {
    list.get(index)
        .ok_or_else(|| Error::text(format!("index {index} out of range")))
}

/// `%.3f` without the sign.
struct Clause {
    precision: Option<usize>,
    verb: char,
}

impl Clause {
    fn parse(text: &str) -> Result<(Self, &str), Error> {
        let wrong = |what: &str| Error::text(format!("could not parse formatting clause: {what}"));
        let (precision, rest) = match text.strip_prefix('.') {
            None => (None, text),
            Some(digits) => {
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                let precision = digits[..end]
                    .parse()
                    .ok()
                    .filter(|digits| *digits <= MOST_DIGITS)
                    .ok_or_else(|| wrong("error while parsing precision: expected integer"))?;
                (Some(precision), &digits[end..])
            }
        };
        let verb = rest
            .chars()
            .next()
            .ok_or_else(|| wrong("unexpected end of string"))?;
        if !"sdfebxXo".contains(verb) {
            return Err(wrong(&format!("unrecognized formatting clause \"{verb}\"")));
        }
        Ok((Self { precision, verb }, &rest[verb.len_utf8()..]))
    }

    fn write(&self, out: &mut String, value: &Value<'_>) -> Result<(), Error> {
        let digits = self.precision.unwrap_or(PRECISION);
        let text = match (self.verb, value) {
            ('s', value) => plain(value)?,
            ('d', Value::Int(value)) => value.to_string(),
            ('d', Value::Uint(value)) => value.to_string(),
            ('f', Value::Double(value)) if value.is_finite() => format!("{value:.digits$}"),
            ('e', Value::Double(value)) if value.is_finite() => scientific(*value, digits),
            ('f' | 'e', Value::Double(value)) => infinite(*value).to_owned(),
            ('b', Value::Bool(value)) => u8::from(*value).to_string(),
            ('b' | 'o' | 'x' | 'X', Value::Int(value)) => {
                let sign = if *value < 0 { "-" } else { "" };
                format!("{sign}{}", self.radix(value.unsigned_abs()))
            }
            ('b' | 'o' | 'x' | 'X', Value::Uint(value)) => self.radix(*value),
            ('x' | 'X', Value::String(text)) => self.hex(text.as_bytes()),
            ('x' | 'X', Value::Bytes(bytes)) => self.hex(bytes),
            (verb, value) => return Err(refused(verb, value)),
        };
        out.push_str(&text);
        Ok(())
    }

    fn radix(&self, value: u64) -> String {
        match self.verb {
            'b' => format!("{value:b}"),
            'o' => format!("{value:o}"),
            'X' => format!("{value:X}"),
            _ => format!("{value:x}"),
        }
    }

    fn hex(&self, bytes: &[u8]) -> String {
        let digits = |byte: &u8| {
            if self.verb == 'X' {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        };
        bytes.iter().map(digits).collect()
    }
}

/// What each clause takes, in upstream's words.
fn refused(verb: char, value: &Value<'_>) -> Error {
    let (what, takes) = match verb {
        's' => (
            "string",
            "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps",
        ),
        'd' => ("decimal", "integers"),
        'f' => ("fixed-point", "doubles"),
        'e' => ("scientific", "doubles"),
        'b' => ("binary", "integers and bools"),
        'o' => ("octal", "integers"),
        _ => ("hex", "integers, byte buffers, and strings"),
    };
    let clause = match what {
        "fixed-point" | "scientific" => format!("{what} clause can only be used on {takes}"),
        "decimal" => format!("{what} clause can only be used on {takes}"),
        _ => format!("only {takes} can be formatted as {what}"),
    };
    Error::text(format!(
        "error during formatting: {clause}, was given {}",
        type_name(value)
    ))
}

fn infinite(value: f64) -> &'static str {
    match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "\u{221e}",
        _ => "-\u{221e}",
    }
}

fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or_default();
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

fn plain(value: &Value<'_>) -> Result<String, Error> {
    Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double(*value),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Duration(_) | Value::Timestamp(_) => crate::value::json(value).trim_matches('"').to_owned(),
        Value::Type(ty) => ty.to_string(),
        Value::List(list) => listed(list)?,
        Value::Map(map) => mapped(map)?,
        other => return Err(refused('s', other)),
    })
}

/// A value inside a list or map: as one would write it.
fn nested(value: &Value<'_>) -> Result<String, Error> {
    Ok(match value {
        Value::String(text) => schema::json::go_quote(text),
        Value::Bytes(bytes) => format!("b{}", schema::json::go_quote(&String::from_utf8_lossy(bytes))),
        Value::Double(value) if value.is_finite() => format!("{value:.PRECISION$}"),
        Value::Double(value) => schema::json::go_quote(infinite(*value)),
        Value::Duration(_) => format!("duration({})", crate::value::json(value)),
        Value::Timestamp(_) => format!("timestamp({})", crate::value::json(value)),
        other => plain(other)?,
    })
}

fn listed(list: &List<'_>) -> Result<String, Error> {
    let items: Result<Vec<String>, Error> = list.iter().map(|item| nested(&item)).collect();
    Ok(format!("[{}]", items?.join(", ")))
}

fn mapped(map: &Map<'_>) -> Result<String, Error> {
    let entry = |(key, value): (Value<'_>, Value<'_>)| Ok(format!("{}:{}", nested(&key)?, nested(&value)?));
    let mut entries: Vec<String> = map.entries().map(entry).collect::<Result<_, Error>>()?;
    entries.sort_unstable();
    Ok(format!("{{{}}}", entries.join(", ")))
}
