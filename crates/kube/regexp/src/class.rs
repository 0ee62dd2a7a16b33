//! Classes of characters in brackets.

use std::fmt::Write;

use crate::escape::{Escape, NEARLY_ALL, escape};
use crate::reader::Reader;
use crate::{Error, Fault, HEAVIEST};

/// Classes that POSIX names within brackets; the engine knows them by the same names, and as ASCII only.
const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Writes a character so that the engine takes it for nothing else, within brackets or without.
pub(crate) fn literal(out: &mut String, character: char) {
    if character.is_alphanumeric() {
        out.push(character);
    } else {
        // Writing to a string does not fail.
        let _always = write!(out, r"\x{{{:X}}}", u32::from(character));
    }
}

/// Reads a class, whose opening bracket is next, and writes it. What it weighs.
pub(crate) fn class(reader: &mut Reader<'_>, out: &mut String) -> Result<u64, Error> {
    let start = reader.at();
    let mut weight = 1;
    reader.next();
    out.push('[');
    if reader.take("^") {
        out.push('^');
        weight = NEARLY_ALL;
    }
    let mut first = true;
    while first || !reader.rest().starts_with(']') {
        first = false;
        if reader.peek().is_none() {
            return Err(Error::new(Fault::MissingBracket, &reader.whole()[start..]));
        }
        weight += item(reader, start, out)?;
        if weight > HEAVIEST {
            return Err(reader.wrong(Fault::TooLarge, start));
        }
    }
    reader.next();
    out.push(']');
    Ok(weight)
}

/// One character, a range of them, or a class by name.
fn item(reader: &mut Reader<'_>, start: usize, out: &mut String) -> Result<u64, Error> {
    if reader.rest().starts_with("[:") && posix(reader, out)? {
        return Ok(NEARLY_ALL);
    }
    let begins = reader.at();
    let first = one(reader, start)?;
    let weight = first.weight();
    let low = match first {
        Escape::Class(class) => {
            out.push_str(&class);
            return Ok(weight);
        }
        Escape::Character(low) => low,
    };
    literal(out, low);
    let rest = reader.rest();
    if !rest.starts_with('-') || rest.starts_with("-]") {
        return Ok(weight);
    }
    reader.next();
    match one(reader, start)? {
        Escape::Character(high) if high >= low => {
            out.push('-');
            literal(out, high);
            Ok(NEARLY_ALL)
        }
        Escape::Character(_) => Err(reader.wrong(Fault::ClassRange, begins)),
        // No letter that names a class names a character.
        Escape::Class(_) => {
            let from = reader.since(begins).rfind('\\').unwrap_or_default();
            Err(reader.wrong(Fault::Escape, begins + from))
        }
    }
}

/// A character, or an escape.
fn one(reader: &mut Reader<'_>, start: usize) -> Result<Escape, Error> {
    if reader.rest().starts_with('\\') {
        return escape(reader);
    }
    let missing = || Error::new(Fault::MissingBracket, &reader.whole()[start..]);
    let plain = reader.peek().ok_or_else(missing)?;
    reader.next();
    Ok(Escape::Character(plain))
}

/// `[:alpha:]`, `[:^alpha:]`; what has no end is no name, but characters.
fn posix(reader: &mut Reader<'_>, out: &mut String) -> Result<bool, Error> {
    let Some(length) = reader.rest()[2..].find(":]") else {
        return Ok(false);
    };
    let begins = reader.at();
    let name = &reader.rest()[2..2 + length];
    reader.skip(length + 4);
    if !POSIX.contains(&name.trim_start_matches('^')) || name.starts_with("^^") {
        return Err(reader.wrong(Fault::ClassRange, begins));
    }
    out.push_str(reader.since(begins));
    Ok(true)
}
