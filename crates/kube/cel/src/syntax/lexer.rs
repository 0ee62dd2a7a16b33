//! Tokens of an expression (CEL specification, "Syntax").
//!
//! What is no token is complained about in ANTLR's words, since those are upstream's, and skipped.

use crate::issue::Found;

/// What a token is. The order is that in which upstream lists what it expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Equals,
    NotEquals,
    In,
    Less,
    LessEquals,
    GreaterEquals,
    Greater,
    And,
    Or,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    OpenParen,
    CloseParen,
    Dot,
    Comma,
    Minus,
    Not,
    Question,
    Colon,
    Plus,
    Star,
    Slash,
    Percent,
    True,
    False,
    Null,
    Float,
    Int,
    Uint,
    String,
    Bytes,
    Ident,
    EscapedIdent,
    End,
}

impl Kind {
    /// How upstream names it in a list of what it expected.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::End => "<EOF>",
            Self::Float => "NUM_FLOAT",
            Self::Int => "NUM_INT",
            Self::Uint => "NUM_UINT",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Ident => "IDENTIFIER",
            Self::EscapedIdent => "ESC_IDENTIFIER",
            _ => SYMBOLS
                .iter()
                .find(|(_, kind, _)| *kind == self)
                .map_or("", |(_, _, quoted)| *quoted),
        }
    }
}

/// Operators and keywords; longer ones before those that begin them.
const SYMBOLS: &[(&str, Kind, &str)] = &[
    ("==", Kind::Equals, "'=='"),
    ("!=", Kind::NotEquals, "'!='"),
    ("<=", Kind::LessEquals, "'<='"),
    (">=", Kind::GreaterEquals, "'>='"),
    ("&&", Kind::And, "'&&'"),
    ("||", Kind::Or, "'||'"),
    ("<", Kind::Less, "'<'"),
    (">", Kind::Greater, "'>'"),
    ("[", Kind::OpenBracket, "'['"),
    ("]", Kind::CloseBracket, "']'"),
    ("{", Kind::OpenBrace, "'{'"),
    ("}", Kind::CloseBrace, "'}'"),
    ("(", Kind::OpenParen, "'('"),
    (")", Kind::CloseParen, "')'"),
    (".", Kind::Dot, "'.'"),
    (",", Kind::Comma, "','"),
    ("-", Kind::Minus, "'-'"),
    ("!", Kind::Not, "'!'"),
    ("?", Kind::Question, "'?'"),
    (":", Kind::Colon, "':'"),
    ("+", Kind::Plus, "'+'"),
    ("*", Kind::Star, "'*'"),
    ("/", Kind::Slash, "'/'"),
    ("%", Kind::Percent, "'%'"),
    ("in", Kind::In, "'in'"),
    ("true", Kind::True, "'true'"),
    ("false", Kind::False, "'false'"),
    ("null", Kind::Null, "'null'"),
];

/// How many of [`SYMBOLS`] are operators; words follow.
const OPERATORS: usize = 24;

/// A token's kind and place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The tokens, the last of which is the end. `source` is shorter than 4 GiB.
pub(super) fn tokens(source: &str, found: &mut Found<'_>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += blank(&source[at..]);
        let rest = &source[at..];
        if rest.is_empty() {
            tokens.push(token(Kind::End, at, at));
            return tokens;
        }
        match scan(rest) {
            Ok((kind, length)) => {
                tokens.push(token(kind, at, at + length));
                at += length;
            }
            Err(length) => {
                let skipped = shown(&rest[..length]);
                let message = format!("Syntax error: token recognition error at: '{skipped}'");
                found.at(place(at), message);
                at += length;
            }
        }
    }
}

fn token(kind: Kind, start: usize, end: usize) -> Token {
    Token {
        kind,
        start: place(start),
        end: place(end),
    }
}

fn place(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A piece of the source as ANTLR shows it.
pub(super) fn shown(text: &str) -> String {
    text.replace('\n', "\\n")
        .replace('\t', "\\t")
        .replace('\r', "\\r")
}

/// The length of white space and comments.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']);
        match rest.strip_prefix("//") {
            Some(comment) => rest = comment.find('\n').map_or("", |end| &comment[end..]),
            None => return text.len() - rest.len(),
        }
    }
}

/// The longest token that the text begins with, or how much of the text is none.
fn scan(text: &str) -> Result<(Kind, usize), usize> {
    let bytes = text.as_bytes();
    match bytes[0] {
        b'0'..=b'9' => Ok(number(bytes)),
        b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => Ok(number(bytes)),
        b'"' | b'\'' => quoted(text, false).map(|length| (Kind::String, length)),
        b'`' => escaped_ident(text),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => Ok(prefixed(text).unwrap_or_else(|| word(text))),
        _ => operator(text),
    }
}

fn operator(text: &str) -> Result<(Kind, usize), usize> {
    let found = SYMBOLS[..OPERATORS]
        .iter()
        .find(|(symbol, _, _)| text.starts_with(symbol));
    match found {
        Some((symbol, kind, _)) => Ok((*kind, symbol.len())),
        // `=`, `&` and `|` begin operators, so it is the character after them that is wrong.
        None => Err(characters(
            text,
            if text.starts_with(['=', '&', '|']) { 2 } else { 1 },
        )),
    }
}

/// The length of the first few characters.
fn characters(text: &str, count: usize) -> usize {
    text.chars().take(count).map(char::len_utf8).sum()
}

fn word(text: &str) -> (Kind, usize) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = text.bytes().take_while(|byte| is_word(byte)).count();
    let keyword = SYMBOLS[OPERATORS..]
        .iter()
        .find(|(keyword, _, _)| *keyword == &text[..length]);
    (keyword.map_or(Kind::Ident, |(_, kind, _)| *kind), length)
}

fn escaped_ident(text: &str) -> Result<(Kind, usize), usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ');
    let length = 1 + text[1..].chars().take_while(|c| is_part(*c)).count();
    match text[length..].chars().next() {
        Some('`') if length > 1 => Ok((Kind::EscapedIdent, length + 1)),
        Some(wrong) => Err(length + wrong.len_utf8()),
        None => Err(length),
    }
}

/// A string with a prefix: raw, of bytes, or both.
fn prefixed(text: &str) -> Option<(Kind, usize)> {
    let is = |at: usize, letter: u8| {
        text.as_bytes()
            .get(at)
            .is_some_and(|b| b.eq_ignore_ascii_case(&letter))
    };
    let bytes = usize::from(is(0, b'b'));
    let raw = usize::from(is(bytes, b'r'));
    let prefix = bytes + raw;
    if prefix == 0 || !text[prefix..].starts_with(['"', '\'']) {
        return None;
    }
    let length = quoted(&text[prefix..], raw == 1).ok()?;
    Some((
        if bytes == 1 { Kind::Bytes } else { Kind::String },
        prefix + length,
    ))
}

/// The length of a string with its quotes, or of what is no string.
fn quoted(text: &str, raw: bool) -> Result<usize, usize> {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    if text.starts_with(&triple)
        && let Ok(length) = closed(text, &triple, raw)
    {
        return Ok(length);
    }
    closed(text, quote, raw)
}

fn closed(text: &str, quote: &str, raw: bool) -> Result<usize, usize> {
    let mut at = quote.len();
    loop {
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            return Err(at);
        };
        if rest.starts_with(quote) {
            return Ok(at + quote.len());
        }
        at += match first {
            '\n' | '\r' if quote.len() == 1 => return Err(at + 1),
            '\\' if !raw => escape(rest).map_err(|length| at + length)?,
            other => other.len_utf8(),
        };
    }
}

/// The length of an escape sequence, or of what is none.
fn escape(text: &str) -> Result<usize, usize> {
    let digits = |from: usize, count: usize, radix: u32| {
        let good = text[from..]
            .chars()
            .take(count)
            .take_while(|c| c.is_digit(radix))
            .count();
        if good == count {
            Ok(from + count)
        } else {
            Err(from + good + text[from + good..].chars().next().map_or(0, char::len_utf8))
        }
    };
    match text[1..].chars().next() {
        Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`') => Ok(2),
        Some('x' | 'X') => digits(2, 2, 16),
        Some('u') => digits(2, 4, 16),
        Some('U') => digits(2, 8, 16),
        Some('0'..='3') => digits(2, 2, 8),
        Some(wrong) => Err(1 + wrong.len_utf8()),
        None => Err(1),
    }
}

fn number(bytes: &[u8]) -> (Kind, usize) {
    let run = |from: usize, is: fn(&u8) -> bool| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|b| is(b))
            .count()
    };
    let unsigned = |end: usize| match bytes.get(end) {
        Some(b'u' | b'U') => (Kind::Uint, end + 1),
        _ => (Kind::Int, end),
    };
    let hex = run(2, u8::is_ascii_hexdigit);
    if bytes.starts_with(b"0x") && hex > 0 {
        return unsigned(2 + hex);
    }
    let whole = run(0, u8::is_ascii_digit);
    let fraction = match bytes.get(whole) {
        Some(b'.') => run(whole + 1, u8::is_ascii_digit),
        _ => 0,
    };
    let end = if fraction > 0 { whole + 1 + fraction } else { whole };
    match exponent(&bytes[end..]) {
        0 if fraction == 0 => unsigned(whole),
        length => (Kind::Float, end + length),
    }
}

/// The length of `e+10`, or none.
fn exponent(bytes: &[u8]) -> usize {
    if !matches!(bytes.first(), Some(b'e' | b'E')) {
        return 0;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    match bytes[1 + sign..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count()
    {
        0 => 0,
        digits => 1 + sign + digits,
    }
}
