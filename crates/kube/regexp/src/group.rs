//! What a parenthesis begins: groups, names and flags. What a group has matched, nobody asks here, so none is kept.

use std::collections::BTreeSet;

use crate::reader::Reader;
use crate::{Error, Fault};

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A group, to be closed.
    Group,
    /// Flags for what follows in the group around them.
    Flags,
}

/// Reads what a parenthesis begins, which is next, and writes it.
pub(crate) fn open<'e>(
    reader: &mut Reader<'e>,
    names: &mut BTreeSet<&'e str>,
    out: &mut String,
) -> Result<Opened, Error> {
    let start = reader.at();
    reader.next();
    if !reader.take("?") {
        out.push_str("(?:");
        return Ok(Opened::Group);
    }
    if reader.take("P<") || reader.take("<") {
        name(reader, start, names)?;
        out.push_str("(?:");
        return Ok(Opened::Group);
    }
    flags(reader, start, out)
}

/// `(?P<name>`, up to its end.
fn name<'e>(reader: &mut Reader<'e>, start: usize, names: &mut BTreeSet<&'e str>) -> Result<(), Error> {
    let Some(length) = reader.rest().find('>') else {
        return Err(Error::new(Fault::NamedCapture, &reader.whole()[start..]));
    };
    let name = &reader.rest()[..length];
    reader.skip(length + 1);
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if name.is_empty() || !name.chars().all(word) {
        return Err(reader.wrong(Fault::NamedCapture, start));
    }
    if !names.insert(name) {
        return Err(Error::new(Fault::NamedCapture, name));
    }
    Ok(())
}

/// `(?i)`, `(?s-m:`
fn flags(reader: &mut Reader<'_>, start: usize, out: &mut String) -> Result<Opened, Error> {
    let (mut flags, mut negated, mut told) = (String::new(), false, false);
    loop {
        match reader.next() {
            Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                // The engine takes each flag once on either side; the last word on one counts.
                flags.retain(|known| known != flag);
                flags.push(flag);
                told = true;
            }
            Some('-') if !negated => {
                negated = true;
                told = false;
                flags.push('-');
            }
            Some(end @ (':' | ')')) if told || !negated => {
                return Ok(write(&flags, end, out));
            }
            _ => return Err(reader.wrong(Fault::PerlOperator, start)),
        }
    }
}

fn write(flags: &str, end: char, out: &mut String) -> Opened {
    let opened = if end == ':' { Opened::Group } else { Opened::Flags };
    if opened == Opened::Group || !flags.is_empty() {
        out.push_str("(?");
        out.push_str(flags);
        out.push(end);
    }
    opened
}
