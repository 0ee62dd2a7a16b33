//! What literals say: numbers, and strings with their escapes undone.

use super::ast::Literal;

/// A literal that has the right shape and no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("invalid int literal")]
    Int,
    #[error("invalid uint literal")]
    Uint,
    #[error("invalid double literal")]
    Double,
    #[error("invalid unicode code point")]
    CodePoint,
}

pub(super) fn int(text: &str, negative: bool) -> Result<Literal, Bad> {
    let magnitude = magnitude(text).ok_or(Bad::Int)?;
    let value = if negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    };
    value.map(Literal::Int).ok_or(Bad::Int)
}

pub(super) fn uint(text: &str) -> Result<Literal, Bad> {
    let digits = &text[..text.len() - 1];
    magnitude(digits).map(Literal::Uint).ok_or(Bad::Uint)
}

fn magnitude(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn double(text: &str, negative: bool) -> Result<Literal, Bad> {
    let value: f64 = text.parse().map_err(|_| Bad::Double)?;
    if value.is_infinite() {
        return Err(Bad::Double);
    }
    Ok(Literal::Double(if negative { -value } else { value }))
}

pub(super) fn string(token: &str) -> Result<Literal, Bad> {
    let (raw, text) = strip(token);
    let mut out = String::with_capacity(text.len());
    each(text, raw, |piece| {
        let code = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                return Ok(());
            }
            Piece::Byte(byte) => u32::from(byte),
            Piece::Code(code) => code,
        };
        out.push(char::from_u32(code).ok_or(Bad::CodePoint)?);
        Ok(())
    })?;
    Ok(Literal::String(out.into()))
}

pub(super) fn bytes(token: &str) -> Result<Literal, Bad> {
    let (raw, text) = strip(&token[1..]);
    let mut out = Vec::with_capacity(text.len());
    each(text, raw, |piece| {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Byte(byte) => out.push(byte),
            Piece::Code(code) => {
                let code = char::from_u32(code).ok_or(Bad::CodePoint)?;
                out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(())
    })?;
    Ok(Literal::Bytes(out.into()))
}

/// Whether a string is raw, and what is between its quotes.
fn strip(token: &str) -> (bool, &str) {
    let text = token.trim_start_matches(['r', 'R']);
    let raw = text.len() < token.len();
    let triple = text.len() >= 6 && (text.starts_with("\"\"\"") || text.starts_with("'''"));
    let quotes = if triple { 3 } else { 1 };
    (raw, &text[quotes..text.len() - quotes])
}

enum Piece<'a> {
    Text(&'a str),
    /// `\xff` and `\377`: a byte of bytes, a character of a string.
    Byte(u8),
    Code(u32),
}

/// Hands out a string's pieces; line ends become `\n`. The lexer has seen that escapes are well-formed.
fn each(text: &str, raw: bool, mut take: impl FnMut(Piece<'_>) -> Result<(), Bad>) -> Result<(), Bad> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = text.as_str();
    while !raw && let Some(at) = rest.find('\\') {
        take(Piece::Text(&rest[..at]))?;
        let (piece, length) = escape(&rest[at + 1..]);
        take(piece)?;
        rest = &rest[at + 1 + length..];
    }
    take(Piece::Text(rest))
}

/// What follows a backslash, and how long it is.
fn escape(text: &str) -> (Piece<'_>, usize) {
    let code =
        |range: std::ops::Range<usize>, radix| u32::from_str_radix(&text[range], radix).unwrap_or(u32::MAX);
    let byte = |code: u32| Piece::Byte(u8::try_from(code).unwrap_or(u8::MAX));
    match text.as_bytes()[0] {
        b'a' => (Piece::Text("\u{7}"), 1),
        b'b' => (Piece::Text("\u{8}"), 1),
        b'f' => (Piece::Text("\u{c}"), 1),
        b'n' => (Piece::Text("\n"), 1),
        b'r' => (Piece::Text("\r"), 1),
        b't' => (Piece::Text("\t"), 1),
        b'v' => (Piece::Text("\u{b}"), 1),
        b'x' | b'X' => (byte(code(1..3, 16)), 3),
        b'u' => (Piece::Code(code(1..5, 16)), 5),
        b'U' => (Piece::Code(code(1..9, 16)), 9),
        b'0'..=b'3' => (byte(code(0..3, 8)), 3),
        _ => (Piece::Text(&text[..1]), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let cases = [
            (r#""a\n\t\"""#, "a\n\t\""),
            (r#"'\x41\102\u00e9\U0001F600'"#, "AB\u{e9}\u{1f600}"),
            (r#"r'\n'"#, "\\n"),
            ("'''a\r\nb'''", "a\nb"),
            ("''", ""),
        ];
        for (token, wanted) in cases {
            assert_eq!(string(token), Ok(Literal::String(wanted.into())), "{token}");
        }
        assert_eq!(
            bytes(r#"b'\xff\377a'"#),
            Ok(Literal::Bytes([255, 255, b'a'].into()))
        );
        assert_eq!(string(r"'\ud800'"), Err(Bad::CodePoint));
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(int("9223372036854775808", true), Ok(Literal::Int(i64::MIN)));
        assert_eq!(int("9223372036854775808", false), Err(Bad::Int));
        assert_eq!(uint("0xFFu"), Ok(Literal::Uint(255)));
        assert_eq!(double("1.99e90000009", false), Err(Bad::Double));
    }
}
