//! A JSON tokenizer over a byte slice, as strict as Go's `encoding/json` and with its error texts.
//!
//! Own code rather than `serde_json`, because clients see these texts, because invalid UTF-8 and
//! lone surrogates become U+FFFD as in Go instead of failing, and because skipping and raw values
//! must not recurse: 10,000 levels are legal.

use super::swar;
use std::borrow::Cow;

/// Nesting that a skipped or raw value may have, as upstream.
pub const MAX_DEPTH: usize = 10_000;

/// Text that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// The input ended inside a value.
    #[error("unexpected end of JSON input")]
    End,
    /// A character that cannot stand where it does.
    #[error("invalid character {} {context}", quote_char(*.byte))]
    Character {
        /// The first byte of the character.
        byte: u8,
        /// Where it stands, in Go's words.
        context: &'static str,
        /// Its position in the input.
        offset: usize,
    },
    /// Deeper than [`MAX_DEPTH`] (raw) or [`crate::MAX_TREE_DEPTH`] (decoded).
    #[error("exceeded max depth")]
    Depth,
}

/// A byte as Go prints it in a syntax error.
fn quote_char(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

type Result<T> = std::result::Result<T, SyntaxError>;

/// What a value begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

impl Token {
    /// The word Go's type errors use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Null => "null",
        }
    }
}

/// Walks JSON text from value to value. Each step follows a [`Reader::peek`] that saw the token it
/// reads. An error names the byte where the text stops being JSON.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

/// A checked string between its quotes.
pub(super) struct Text<'a> {
    body: &'a [u8],
    /// Without escapes.
    plain: bool,
}

impl<'a> Text<'a> {
    /// The bytes to look a member up by, which need not be UTF-8: no member's name is otherwise.
    pub(super) fn name(&self) -> Cow<'a, [u8]> {
        if self.plain {
            Cow::Borrowed(self.body)
        } else {
            Cow::Owned(unescape(self.body).into_bytes())
        }
    }

    #[inline]
    pub(super) fn read(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.body) {
            Ok(text) if self.plain => Cow::Borrowed(text),
            _ => Cow::Owned(unescape(self.body)),
        }
    }
}

const VALUE: &str = "looking for beginning of value";

impl<'a> Reader<'a> {
    /// Begins before the first value.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.at]
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn fail<T>(&self, context: &'static str) -> Result<T> {
        Err(match self.byte() {
            Some(byte) => SyntaxError::Character {
                byte,
                context,
                offset: self.at,
            },
            None => SyntaxError::End,
        })
    }

    #[inline]
    pub(crate) fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Looks at the next value's first byte.
    ///
    /// # Errors
    /// Text that is not JSON here.
    #[inline]
    pub fn peek(&mut self) -> Result<Token> {
        self.space();
        Ok(match self.byte() {
            Some(b'{') => Token::Object,
            Some(b'[') => Token::Array,
            Some(b'"') => Token::String,
            Some(b'-' | b'0'..=b'9') => Token::Number,
            Some(b't' | b'f') => Token::Bool,
            Some(b'n') => Token::Null,
            _ => return self.fail(VALUE),
        })
    }

    /// Nothing but white space may follow the top-level value.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn end(&mut self) -> Result<()> {
        self.space();
        if self.at < self.input.len() {
            self.fail("after top-level value")
        } else {
            Ok(())
        }
    }

    /// Steps into `{`, or over the `,` before the next member; returns the key, or nothing at `}`.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>> {
        Ok(self.skip_key(first)?.map(Text::read))
    }

    /// The same, with the key left unread.
    #[inline]
    pub(super) fn skip_key(&mut self, first: bool) -> Result<Option<Text<'a>>> {
        self.at += usize::from(first);
        self.space();
        match self.byte() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.space();
            }
            _ if !first => return self.fail("after object key:value pair"),
            _ => {}
        }
        if self.byte() != Some(b'"') {
            return self.fail("looking for beginning of object key string");
        }
        let key = self.text()?;
        self.space();
        if self.byte() != Some(b':') {
            return self.fail("after object key");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Steps into `[`, or over the `,` before the next element; false at `]`.
    ///
    /// # Errors
    /// Text that is not JSON here.
    #[inline]
    pub fn element(&mut self, first: bool) -> Result<bool> {
        self.at += usize::from(first);
        self.space();
        match self.byte() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            _ if !first => self.fail("after array element"),
            _ => Ok(true),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn boolean(&mut self) -> Result<bool> {
        let truth = self.byte() == Some(b't');
        self.literal(if truth { LITERALS[0] } else { LITERALS[1] })?;
        Ok(truth)
    }

    /// A null.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn null(&mut self) -> Result<()> {
        self.literal(LITERALS[2])
    }

    fn literal(&mut self, (text, contexts): (&'static [u8], &'static [&'static str])) -> Result<()> {
        for (expected, context) in text.iter().zip(contexts) {
            if self.byte() != Some(*expected) {
                return self.fail(context);
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A number's text, exactly as written.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail("in numeric literal"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(std::str::from_utf8(self.since(start)).unwrap_or_default())
    }

    fn digits(&mut self) {
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &'static str) -> Result<()> {
        let start = self.at;
        self.digits();
        if self.at == start {
            self.fail(context)
        } else {
            Ok(())
        }
    }

    /// A string, borrowed where it needs no unescaping.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        self.text().map(Text::read)
    }

    /// Steps over a string and checks it.
    fn text(&mut self) -> Result<Text<'a>> {
        let start = self.at + 1;
        let mut plain = true;
        self.at = start;
        loop {
            self.at += swar::plain(&self.input[self.at..]);
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    self.at += 1;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return self.fail("in string literal"),
            }
        }
        self.at += 1;
        let body = &self.input[start..self.at - 1];
        Ok(Text { body, plain })
    }

    fn escape(&mut self) -> Result<()> {
        match self.byte() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return self.fail(r"in \u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.fail("in string escape code"),
        }
        Ok(())
    }

    fn scalar(&mut self, token: Token) -> Result<()> {
        match token {
            Token::String => self.text().map(drop),
            Token::Number => self.number().map(drop),
            Token::Bool => self.boolean().map(drop),
            _ => self.null(),
        }
    }

    /// Checks and steps over one value of any depth up to [`MAX_DEPTH`], without recursion.
    ///
    /// # Errors
    /// Text that is not JSON here.
    pub fn skip(&mut self) -> Result<()> {
        let mut open: Vec<bool> = Vec::new();
        let mut opened = false;
        loop {
            // Either a value follows, or the innermost container goes on.
            let more = match open.last() {
                Some(true) => self.skip_key(opened)?.is_some(),
                Some(false) => self.element(opened)?,
                None => true,
            };
            opened = false;
            if more {
                match self.peek()? {
                    token @ (Token::Object | Token::Array) if open.len() < MAX_DEPTH => {
                        open.push(token == Token::Object);
                        opened = true;
                    }
                    Token::Object | Token::Array => return Err(SyntaxError::Depth),
                    token => self.scalar(token)?,
                }
            } else {
                open.pop();
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }
}

/// The three literals, each with Go's words for a wrong byte at each position.
const LITERALS: [(&[u8], &[&str]); 3] = [
    (
        b"true",
        &[
            VALUE,
            "in literal true (expecting 'r')",
            "in literal true (expecting 'u')",
            "in literal true (expecting 'e')",
        ],
    ),
    (
        b"false",
        &[
            VALUE,
            "in literal false (expecting 'a')",
            "in literal false (expecting 'l')",
            "in literal false (expecting 's')",
            "in literal false (expecting 'e')",
        ],
    ),
    (
        b"null",
        &[
            VALUE,
            "in literal null (expecting 'u')",
            "in literal null (expecting 'l')",
            "in literal null (expecting 'l')",
        ],
    ),
];

/// Undoes the escapes of a checked string body; what is not Unicode becomes U+FFFD.
fn unescape(body: &[u8]) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        out.push_str(&String::from_utf8_lossy(&rest[..at]));
        let (c, used) = escaped(&rest[at + 1..]);
        out.push(c);
        rest = &rest[at + 1 + used..];
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// The character that an escape stands for, and how many bytes after the backslash it took.
fn escaped(rest: &[u8]) -> (char, usize) {
    let c = match rest[0] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        other => char::from(other),
    };
    (c, 1)
}

fn unicode(rest: &[u8]) -> (char, usize) {
    let unit = hex(&rest[1..5]);
    let pair = (rest.get(5..7) == Some(b"\\u"))
        .then(|| rest.get(7..11))
        .flatten()
        .map(hex);
    match (unit, pair) {
        (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
            let c = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 11)
        }
        _ => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 5),
    }
}

fn hex(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |n, d| n * 16 + char::from(*d).to_digit(16).unwrap_or(0))
}
