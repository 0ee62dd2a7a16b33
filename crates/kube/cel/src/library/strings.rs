//! Strings: the specification's, and cel-go's extension in version 2. Positions are in characters.

use super::cost::Size;
use super::{Cost, Function, format, function, no_overload};
use crate::Error;
use crate::value::{Value, characters};

const TEST: &[&str] = &[".string, string -> bool"];
const SEARCH: &[&str] = &[".string, string -> int", ".string, string, int -> int"];
const CHANGE: &[&str] = &[".string -> string"];

const TRAVERSED: Cost = Cost::Text {
    times: 1,
    size: Size::Same,
    only_bytes: false,
};

pub(super) const FUNCTIONS: &[Function] = &[
    function("contains", TEST, Cost::Contains, |args| {
        test("contains", args, |text, part| text.contains(part))
    }),
    function("startsWith", TEST, Cost::Affix, |args| {
        test("startsWith", args, |text, part| text.starts_with(part))
    }),
    function("endsWith", TEST, Cost::Affix, |args| {
        test("endsWith", args, |text, part| text.ends_with(part))
    }),
    function("charAt", &[".string, int -> string"], Cost::One, char_at),
    function("indexOf", SEARCH, Cost::Elements, index_of),
    function("lastIndexOf", SEARCH, Cost::Elements, last_index_of),
    function("lowerAscii", CHANGE, TRAVERSED, |args| {
        change("lowerAscii", args, |text| text.to_ascii_lowercase())
    }),
    function("upperAscii", CHANGE, TRAVERSED, |args| {
        change("upperAscii", args, |text| text.to_ascii_uppercase())
    }),
    function("trim", CHANGE, TRAVERSED, |args| {
        change("trim", args, |text| text.trim().to_owned())
    }),
    function(
        "replace",
        &[
            ".string, string, string -> string",
            ".string, string, string, int -> string",
        ],
        Cost::Replace,
        replace,
    ),
    function(
        "split",
        &[
            ".string, string -> list(string)",
            ".string, string, int -> list(string)",
        ],
        Cost::Split,
        split,
    ),
    function(
        "substring",
        &[".string, int -> string", ".string, int, int -> string"],
        TRAVERSED,
        substring,
    ),
    function(
        "format",
        &[".string, list(dyn) -> string"],
        Cost::Format,
        format::format,
    ),
    function("strings.quote", &["string -> string"], Cost::Quote, quote),
    function(
        "join",
        &[".list(string) -> string", ".list(string), string -> string"],
        Cost::Join,
        join,
    ),
];

fn test<'a>(name: &str, args: &[Value<'a>], is: fn(&str, &str) -> bool) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text), Value::String(part)] => Ok(Value::Bool(is(text, part))),
        args => Err(no_overload(name, args)),
    }
}

fn change<'a>(name: &str, args: &[Value<'a>], change: fn(&str) -> String) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text)] => Ok(Value::owned(change(text))),
        args => Err(no_overload(name, args)),
    }
}

fn out_of_range(index: i64) -> Error {
    Error::text(format!("index out of range: {index}"))
}

/// The byte at which a character begins; the end of the text is one too.
fn byte_at(text: &str, index: i64) -> Result<usize, Error> {
    let wanted = usize::try_from(index).map_err(|_| out_of_range(index))?;
    if text.is_ascii() {
        return (wanted <= text.len())
            .then_some(wanted)
            .ok_or_else(|| out_of_range(index));
    }
    let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.into_iter().nth(wanted).ok_or_else(|| out_of_range(index))
}

fn char_at<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::String(text), Value::Int(index)] = args else {
        return Err(no_overload("charAt", args));
    };
    let rest = &text[byte_at(text, *index)?..];
    Ok(Value::owned(
        rest.chars().next().map_or(String::new(), String::from),
    ))
}

/// A count of characters as a value.
fn position<'a>(text: &str) -> Value<'a> {
    Value::Int(i64::try_from(characters(text)).unwrap_or(i64::MAX))
}

fn index_of<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (text, part, offset) = match args {
        [Value::String(text), Value::String(part)] => (text, part, 0),
        [Value::String(text), Value::String(part), Value::Int(offset)] => (text, part, *offset),
        args => return Err(no_overload("indexOf", args)),
    };
    if part.is_empty() {
        return Ok(Value::Int(offset));
    }
    if offset < 0 {
        return Err(out_of_range(offset));
    }
    let found = byte_at(text, offset)
        .ok()
        .and_then(|from| Some(from + text[from..].find(&**part)?));
    Ok(found.map_or(Value::Int(-1), |at| position(&text[..at])))
}

fn last_index_of<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (text, part, offset) = match args {
        [Value::String(text), Value::String(part)] => (text, part, None),
        [Value::String(text), Value::String(part), Value::Int(offset)] => (text, part, Some(*offset)),
        args => return Err(no_overload("lastIndexOf", args)),
    };
    if part.is_empty() {
        return Ok(offset.map_or_else(|| position(text), Value::Int));
    }
    let end = match offset {
        None => text.len(),
        Some(offset) if offset < 0 => return Err(out_of_range(offset)),
        // What is found begins at the offset or before it.
        Some(offset) => match byte_at(text, offset) {
            Ok(from) if from < text.len() => (from + part.len()).min(text.len()),
            _ => return Ok(Value::Int(-1)),
        },
    };
    let end = (end..=text.len())
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(end);
    Ok(text[..end]
        .rfind(&**part)
        .map_or(Value::Int(-1), |at| position(&text[..at])))
}

fn replace<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text), Value::String(old), Value::String(new)] => {
            Ok(Value::owned(text.replace(&**old, new)))
        }
        [
            Value::String(text),
            Value::String(old),
            Value::String(new),
            Value::Int(count),
        ] => Ok(Value::owned(match usize::try_from(*count) {
            Ok(count) => text.replacen(&**old, new, count),
            Err(_) => text.replace(&**old, new),
        })),
        args => Err(no_overload("replace", args)),
    }
}

fn split<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (text, separator, count) = match args {
        [Value::String(text), Value::String(separator)] => (text, separator, -1),
        [Value::String(text), Value::String(separator), Value::Int(count)] => (text, separator, *count),
        args => return Err(no_overload("split", args)),
    };
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let parts: Vec<Value<'_>> = match limit {
        0 => Vec::new(),
        limit if separator.is_empty() => letters(text, limit),
        limit => text.splitn(limit, &**separator).map(Value::owned).collect(),
    };
    Ok(Value::list(parts))
}

/// The text letter by letter; the last of so many parts is all the rest.
fn letters<'a>(text: &str, limit: usize) -> Vec<Value<'a>> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).take(limit).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| Value::owned(&text[*start..end]))
        .collect()
}

fn substring<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text), Value::Int(start)] => Ok(Value::owned(&text[byte_at(text, *start)?..])),
        [Value::String(_), Value::Int(start), Value::Int(end)] if start > end => Err(Error::text(format!(
            "invalid substring range. start: {start}, end: {end}"
        ))),
        [Value::String(text), Value::Int(start), Value::Int(end)] => {
            Ok(Value::owned(&text[byte_at(text, *start)?..byte_at(text, *end)?]))
        }
        args => Err(no_overload("substring", args)),
    }
}

/// Characters that are escaped in a quoted text.
const ESCAPES: &[(char, &str)] = &[
    ('\u{7}', "\\a"),
    ('\u{8}', "\\b"),
    ('\u{c}', "\\f"),
    ('\n', "\\n"),
    ('\r', "\\r"),
    ('\t', "\\t"),
    ('\u{b}', "\\v"),
    ('\\', "\\\\"),
    ('"', "\\\""),
];

fn quote<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::String(text)] = args else {
        return Err(no_overload("strings.quote", args));
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match ESCAPES.iter().find(|(escaped, _)| *escaped == letter) {
            Some((_, escape)) => out.push_str(escape),
            None => out.push(letter),
        }
    }
    out.push('"');
    Ok(Value::owned(out))
}

fn join<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (list, separator) = match args {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, &**separator),
        args => return Err(no_overload("join", args)),
    };
    let mut out = String::new();
    for (index, item) in list.iter().enumerate() {
        let Value::String(text) = &item else {
            return Err(Error::text(format!(
                "join: invalid input: {}",
                crate::value::json(&item)
            )));
        };
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    Ok(Value::owned(out))
}
