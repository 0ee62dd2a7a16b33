//! What a backslash begins: characters by number or letter, and classes of characters.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::reader::Reader;
use crate::{Error, Fault};

/// What an escape stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// One character.
    Character(char),
    /// A class, as the engine writes it within brackets.
    Class(String),
}

/// What a class of Unicode weighs: there are some hundred ranges in it.
const UNICODE: u64 = 500;

/// What a class weighs that leaves out some of ASCII.
pub(crate) const NEARLY_ALL: u64 = 12;

impl Escape {
    /// See [`crate::HEAVIEST`].
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Character(_) => 1,
            Self::Class(class) if class.starts_with('\\') && class.contains('{') => UNICODE,
            Self::Class(class) if class.starts_with('[') => NEARLY_ALL,
            Self::Class(_) => 2,
        }
    }
}

/// Classes that Perl names by a letter; they know ASCII only, and a vertical tab is no white space.
const PERL: &[(char, &str)] = &[
    ('d', "0-9"),
    ('D', "[^0-9]"),
    ('s', r"\t\n\x0C\r\x20"),
    ('S', r"[^\t\n\x0C\r\x20]"),
    ('w', "0-9A-Za-z_"),
    ('W', "[^0-9A-Za-z_]"),
];

/// Control characters that have a letter.
const CONTROLS: &[(char, char)] = &[
    ('a', '\u{7}'),
    ('f', '\u{c}'),
    ('n', '\n'),
    ('r', '\r'),
    ('t', '\t'),
    ('v', '\u{b}'),
];

/// Reads an escape, whose backslash is next.
pub(crate) fn escape(reader: &mut Reader<'_>) -> Result<Escape, Error> {
    let start = reader.at();
    reader.next();
    let Some(letter) = reader.next() else {
        return Err(Error::new(Fault::TrailingBackslash, ""));
    };
    if let Some((_, class)) = PERL.iter().find(|(name, _)| *name == letter) {
        return Ok(Escape::Class((*class).to_owned()));
    }
    if let Some((_, control)) = CONTROLS.iter().find(|(name, _)| *name == letter) {
        return Ok(Escape::Character(*control));
    }
    let wrong = |reader: &Reader<'_>| reader.wrong(Fault::Escape, start);
    match letter {
        'p' | 'P' => unicode(reader, start, letter == 'P').map(Escape::Class),
        'x' => hexadecimal(reader)
            .map(Escape::Character)
            .ok_or_else(|| wrong(reader)),
        '1'..='7' if !reader.peek().is_some_and(is_octal) => Err(wrong(reader)),
        '0'..='7' => Ok(Escape::Character(octal(reader, letter))),
        letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Ok(Escape::Character(letter)),
        _ => Err(wrong(reader)),
    }
}

const fn is_octal(digit: char) -> bool {
    matches!(digit, '0'..='7')
}

/// Up to three digits.
fn octal(reader: &mut Reader<'_>, first: char) -> char {
    let mut number = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = reader.peek().and_then(|digit| digit.to_digit(8)) else {
            break;
        };
        number = number * 8 + digit;
        reader.next();
    }
    char::from_u32(number).unwrap_or_default()
}

/// `\x7F` or `\x{10FFFF}`
fn hexadecimal(reader: &mut Reader<'_>) -> Option<char> {
    if !reader.take("{") {
        let digits = [reader.next()?.to_digit(16)?, reader.next()?.to_digit(16)?];
        return char::from_u32(digits[0] * 16 + digits[1]);
    }
    let mut number: Option<u32> = None;
    loop {
        match reader.next()? {
            '}' => return char::from_u32(number?),
            digit => {
                let digit = digit.to_digit(16)?;
                number = Some(number.unwrap_or_default().checked_mul(16)?.checked_add(digit)?);
            }
        }
    }
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}`: a category or a script.
fn unicode(reader: &mut Reader<'_>, start: usize, negated: bool) -> Result<String, Error> {
    let name = match reader.next() {
        Some('{') => {
            let Some(length) = reader.rest().find('}') else {
                return Err(Error::new(Fault::ClassRange, &reader.whole()[start..]));
            };
            let name = &reader.rest()[..length];
            reader.skip(length + 1);
            name.to_owned()
        }
        Some(letter) => letter.to_string(),
        None => return Err(reader.wrong(Fault::ClassRange, start)),
    };
    let (name, inverse) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let letter = if negated == inverse { 'p' } else { 'P' };
    // The engine knows the names; of what it could be told besides them, Go knows nothing.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let folded = folded.to_ascii_lowercase();
    if folded.is_empty() || !name.chars().all(plain) || !is_known(&folded) {
        return Err(reader.wrong(Fault::ClassRange, start));
    }
    Ok(format!(r"\{letter}{{{folded}}}"))
}

/// Whether the engine knows a class of Unicode by a name. Asking it is dear, so it is asked once for each: there are few
/// hundred.
fn is_known(name: &str) -> bool {
    static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(name) {
        return true;
    }
    let is_known = regex::Regex::new(&format!(r"\p{{{name}}}")).is_ok();
    if is_known {
        known.insert(name.to_owned());
    }
    is_known
}
