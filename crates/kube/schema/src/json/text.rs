//! JSON text as Go's `encoding/json` prints it: strings, numbers, compact raw values.

use super::reader::{Reader, SyntaxError};
use super::swar;
use crate::tree::Raw;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a quoted string. Like Go, escapes `<`, `>` and `&` (JSON inside HTML) and the two
/// Unicode line separators.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let (mut done, mut at) = (0, swar::printable(bytes));
    while let Some(byte) = bytes.get(at) {
        if let Some(width) = special(bytes, at, *byte) {
            out.extend_from_slice(&bytes[done..at]);
            escape(out, &bytes[at..at + width]);
            done = at + width;
        }
        at = done.max(at + 1);
        at += swar::printable(&bytes[at..]);
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// How many bytes from `at` on are one character that must be escaped.
fn special(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    match byte {
        0..0x20 | b'"' | b'\\' => Some(1),
        _ => html(bytes, at, byte),
    }
}

fn html(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    match byte {
        b'<' | b'>' | b'&' => Some(1),
        0xe2 if matches!(bytes.get(at..at + 3), Some([_, 0x80, 0xa8 | 0xa9])) => Some(3),
        _ => None,
    }
}

fn escape(out: &mut Vec<u8>, c: &[u8]) {
    match c {
        [b'"'] => out.extend_from_slice(b"\\\""),
        [b'\\'] => out.extend_from_slice(b"\\\\"),
        [b'\n'] => out.extend_from_slice(b"\\n"),
        [b'\r'] => out.extend_from_slice(b"\\r"),
        [b'\t'] => out.extend_from_slice(b"\\t"),
        [8] => out.extend_from_slice(b"\\b"),
        [12] => out.extend_from_slice(b"\\f"),
        [byte] => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        separator => {
            out.extend_from_slice(b"\\u202");
            out.push(HEX[usize::from(separator[2] & 15)]);
        }
    }
}

/// Appends an integer.
pub fn int(out: &mut Vec<u8>, int: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = int.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if int < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a finite float in Go's form: the shortest digits that read back, with an exponent below
/// 1e-6 and from 1e21. (No decoder makes one that is not finite.)
pub fn float(out: &mut Vec<u8>, float: f64) {
    let abs = float.abs();
    let text = if abs != 0.0 && !(1e-6..1e21).contains(&abs) {
        let text = format!("{float:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        }
    } else {
        format!("{float}")
    };
    out.extend_from_slice(text.as_bytes());
}

/// Checks that the text is one JSON value and brings it into the form Go prints raw values in.
pub(crate) fn raw(text: &[u8]) -> Result<Raw, SyntaxError> {
    let mut reader = Reader::new(text);
    let raw = read_raw(&mut reader)?;
    reader.end()?;
    Ok(raw)
}

/// The next value as raw text.
pub(crate) fn read_raw(reader: &mut Reader<'_>) -> Result<Raw, SyntaxError> {
    reader.space();
    let start = reader.offset();
    reader.skip()?;
    let compact = compact(reader.since(start));
    Ok(Raw(match String::from_utf8(compact) {
        Ok(text) => text.into(),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into(),
    }))
}

/// Drops white space outside strings and escapes what [`string`] escapes beyond JSON's own rules.
fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_string, mut at) = (false, 0);
    while let Some(&byte) = json.get(at) {
        let mut width = 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' if !in_string => {}
            b'\\' => {
                out.extend_from_slice(&json[at..at + 2]);
                width = 2;
            }
            _ => {
                in_string ^= byte == b'"';
                match html(json, at, byte) {
                    Some(special) => {
                        width = special;
                        escape(&mut out, &json[at..at + special]);
                    }
                    None => out.push(byte),
                }
            }
        }
        at += width;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_print_as_in_go() {
        for (value, text) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.5e-7, "-2.5e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000001, "0.000001"),
        ] {
            assert_eq!(printed(|out| float(out, value)), text);
        }
        assert_eq!(printed(|out| int(out, i64::MIN)), i64::MIN.to_string());
    }

    #[test]
    fn strings_escape_as_in_go() {
        let text = "a<b>&\"\\\n\u{1}\u{7f}\u{2028}é";
        assert_eq!(
            printed(|out| string(out, text)),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001\u{7f}\\u2028é\""
        );
    }

    #[test]
    fn raw_values_are_compacted_not_reordered() {
        let raw = raw(b" { \"b\" : [ 1 , 2.50 ], \"a<\": \" x \\\" \" } ").unwrap();
        assert_eq!(raw.as_str(), r#"{"b":[1,2.50],"a\u003c":" x \" "}"#);
    }

    #[test]
    fn raw_values_nest_as_deep_as_upstream_allows() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(raw(nested(10_000).as_bytes()).is_ok());
        assert_eq!(raw(nested(10_001).as_bytes()), Err(SyntaxError::Depth));
    }

    #[test]
    fn syntax_errors_read_as_in_go() {
        for (text, message) in [
            ("", "unexpected end of JSON input"),
            ("{\"a\"", "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            (
                "{a",
                "invalid character 'a' looking for beginning of object key string",
            ),
            ("{\"a\" 1", "invalid character '1' after object key"),
            ("{\"a\":1 2", "invalid character '2' after object key:value pair"),
            ("[1 2", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            ("1 2", "invalid character '2' after top-level value"),
            ("01", "invalid character '1' after top-level value"),
            ("-", "unexpected end of JSON input"),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            ("tru3", "invalid character '3' in literal true (expecting 'e')"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            (
                "\"\\u12g4\"",
                "invalid character 'g' in \\u hexadecimal character escape",
            ),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
        ] {
            assert_eq!(raw(text.as_bytes()).unwrap_err().to_string(), message, "{text:?}");
        }
    }
}
