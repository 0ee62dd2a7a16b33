//! Variables and quotes in words of a Dockerfile (Dockerfile reference, "Environment replacement").
//!
//! It is the shell's language with holes of its own: `$name`, `${name}`, the operators `:-` `-`
//! `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`, single and double quotes, the escape character.
//! `[` classes in patterns do not exist.

use crate::glob::{BadPattern, Glob};
use crate::golang;

/// Where variables come from.
pub trait Variables {
    /// The value of a variable that is set.
    fn get(&self, name: &str) -> Option<&str>;
}

/// No variable is set.
#[derive(Clone, Copy, Debug)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

/// A word that cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to process {}: {reason}", golang::quote(.word))]
pub struct ExpandError {
    word: String,
    reason: Reason,
}

/// Operators nest; beyond this depth a word is refused rather than the stack be used up.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("unexpected end of statement while looking for matching {0}")]
    Unclosed(&'static str),
    #[error("syntax error: missing {0}")]
    Missing(&'static str),
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("invalid pattern ({pattern}) in substitution: {source}")]
    Pattern { pattern: String, source: BadPattern },
    #[error("substitutions are nested too deeply")]
    Depth,
}

/// How words are read.
#[derive(Clone, Copy, Debug)]
pub struct Lex {
    /// The escape character of the file.
    pub escape: char,
    /// Quotes stay in the result.
    pub raw_quotes: bool,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// Quotes are characters like any other.
    pub plain_quotes: bool,
    /// A variable that is not set stays as it was written.
    pub keep_unset: bool,
}

impl Lex {
    /// The usual way: quotes and escapes are taken away, unset variables are empty.
    pub const fn new(escape: char) -> Self {
        Self {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            plain_quotes: false,
            keep_unset: false,
        }
    }

    /// Expands to one word, spaces and all.
    ///
    /// # Errors
    /// [`ExpandError`].
    pub fn word(&self, word: &str, variables: &dyn Variables) -> Result<String, ExpandError> {
        self.expand(word, variables).map(|(text, _)| text)
    }

    /// Expands and splits at white space outside of quotes.
    ///
    /// # Errors
    /// [`ExpandError`].
    pub fn words(&self, word: &str, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
        self.expand(word, variables).map(|(_, words)| words.finish())
    }

    fn expand(&self, word: &str, variables: &dyn Variables) -> Result<(String, Words), ExpandError> {
        let chars: Vec<char> = word.chars().collect();
        let mut reader = Reader {
            lex: *self,
            chars: &chars,
            at: 0,
            variables,
            depth: 0,
        };
        reader
            .until(None, self.raw_escapes)
            .map_err(|reason| ExpandError {
                word: word.to_owned(),
                reason,
            })
    }
}

/// The words of a text that is being read.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    open: String,
}

impl Words {
    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.open.push(c);
        } else if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open));
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.push(' ');
        self.done
    }
}

struct Reader<'a> {
    lex: Lex,
    chars: &'a [char],
    at: usize,
    variables: &'a dyn Variables,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    /// Reads up to and without `stop`, or to the end if there is no `stop`.
    fn until(
        &mut self,
        stop: Option<(char, &'static str)>,
        raw_escapes: bool,
    ) -> Result<(String, Words), Reason> {
        let before = std::mem::replace(&mut self.lex.raw_escapes, raw_escapes);
        let read = self.read_until(stop);
        self.lex.raw_escapes = before;
        read
    }

    fn read_until(&mut self, stop: Option<(char, &'static str)>) -> Result<(String, Words), Reason> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            match c {
                c if stop.is_some_and(|(stop, _)| stop == c) => {
                    self.at += 1;
                    return Ok((text, words));
                }
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|c| words.push(c));
                    text.push_str(&value);
                }
                '\'' | '"' | '<' if c == '<' || !self.lex.plain_quotes => {
                    let raw = match c {
                        '\'' => self.single_quoted()?,
                        '"' => self.double_quoted()?,
                        _ => self.here_document(),
                    };
                    words.open.push_str(&raw);
                    text.push_str(&raw);
                }
                c if c == self.lex.escape => self.escaped(&mut text, &mut words),
                c => {
                    self.at += 1;
                    words.push(c);
                    text.push(c);
                }
            }
        }
        match stop {
            Some((_, name)) => Err(Reason::Unclosed(name)),
            None => Ok((text, words)),
        }
    }

    fn escaped(&mut self, text: &mut String, words: &mut Words) {
        let escape = self.next();
        let kept = escape.filter(|_| self.lex.raw_escapes);
        for c in kept.into_iter().chain(self.next()) {
            text.push(c);
            words.open.push(c);
        }
    }

    /// Nothing has a meaning between single quotes, and a single quote cannot be escaped there.
    fn single_quoted(&mut self) -> Result<String, Reason> {
        let start = self.at;
        self.at += 1;
        while self.next().ok_or(Reason::Unclosed("single-quote"))? != '\'' {}
        let (from, to) = if self.lex.raw_quotes {
            (start, self.at)
        } else {
            (start + 1, self.at - 1)
        };
        Ok(self.chars[from..to].iter().collect())
    }

    /// Variables work between double quotes; the escape character works before `"`, `$` and itself.
    fn double_quoted(&mut self) -> Result<String, Reason> {
        let mut text = String::new();
        let quote = |text: &mut String, reader: &mut Self| {
            reader.at += 1;
            if reader.lex.raw_quotes {
                text.push('"');
            }
        };
        quote(&mut text, self);
        loop {
            match self.peek().ok_or(Reason::Unclosed("double-quote"))? {
                '"' => {
                    quote(&mut text, self);
                    return Ok(text);
                }
                '$' => text.push_str(&self.dollar()?),
                c if c == self.lex.escape => self.escaped_in_quotes(&mut text, c),
                c => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
    }

    fn escaped_in_quotes(&mut self, text: &mut String, escape: char) {
        self.at += 1;
        let special = self.peek().filter(|c| matches!(c, '"' | '$') || *c == escape);
        if self.lex.raw_escapes {
            text.push(escape);
        }
        match (special, self.peek()) {
            (Some(c), _) => {
                self.at += 1;
                text.push(c);
            }
            (None, Some(_)) => text.push(escape),
            (None, None) => {}
        }
    }

    /// `<<` and the white space after it stay together, so that `<< EOF` is one word.
    fn here_document(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some('<') {
            self.at += 1;
            while matches!(self.peek(), Some('\t' | '\r' | ' ')) {
                self.at += 1;
            }
        }
        self.chars[start..self.at].iter().collect()
    }

    fn dollar(&mut self) -> Result<String, Reason> {
        self.at += 1;
        if self.peek() == Some('{') {
            self.at += 1;
            self.depth += 1;
            let value = if self.depth > MAX_DEPTH {
                Err(Reason::Depth)
            } else {
                self.braces()
            };
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        match self.variables.get(&name) {
            _ if name.is_empty() => Ok("$".to_owned()),
            None if self.lex.keep_unset => Ok(format!("${name}")),
            value => Ok(value.unwrap_or_default().to_owned()),
        }
    }

    /// `${…}`, from after its brace.
    fn braces(&mut self) -> Result<String, Reason> {
        match self.peek() {
            None => return Err(Reason::Missing("'}'")),
            Some('{' | '}' | ':') => return Err(Reason::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        let value = self.variables.get(&name).map(str::to_owned);
        match self.next() {
            Some('}') if value.is_none() && self.lex.keep_unset => Ok(format!("${{{name}}}")),
            Some('}') => Ok(value.unwrap_or_default()),
            Some('/') => self.replacement(&name, value),
            Some(':') => {
                let operator = self.next();
                self.operation(&name, value, operator, true)
            }
            operator => self.operation(&name, value, operator, false),
        }
    }

    /// `${name-word}` and its kin; with `empty_is_unset`, `${name:-word}`.
    fn operation(
        &mut self,
        name: &str,
        value: Option<String>,
        operator: Option<char>,
        empty_is_unset: bool,
    ) -> Result<String, Reason> {
        let colon = if empty_is_unset { ":" } else { "" };
        let written = format!("{colon}{}", operator.unwrap_or('\u{fffd}'));
        let trims = matches!(operator, Some('#' | '%'));
        if !matches!(operator, Some('-' | '+' | '?')) && (!trims || empty_is_unset) {
            return Err(Reason::Modifier(written));
        }
        let (word, _) = self
            .until(Some(('}', "}")), trims)
            .map_err(|reason| self.at_end(reason, "'}'"))?;
        if self.lex.keep_unset && value.is_none() {
            return Ok(format!("${{{name}{written}{word}}}"));
        }
        let present = value
            .as_deref()
            .filter(|value| !(empty_is_unset && value.is_empty()));
        match operator {
            Some('-') => Ok(present.map_or(word, str::to_owned)),
            Some('+') => Ok(present.map_or_else(String::new, |_| word)),
            Some('?') => present
                .map(str::to_owned)
                .ok_or_else(|| required(name, word, value.is_some())),
            Some('%') => trim(&word, value.as_deref().unwrap_or_default(), '%'),
            _ => trim(&word, value.as_deref().unwrap_or_default(), '#'),
        }
    }

    /// `${name/pattern/replacement}` and `${name//pattern/replacement}`.
    fn replacement(&mut self, name: &str, value: Option<String>) -> Result<String, Reason> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let (pattern, _) = self
            .until(Some(('/', "/")), true)
            .map_err(|reason| self.at_end(reason, "'/' in ${}"))?;
        let (new, _) = self
            .until(Some(('}', "}")), true)
            .map_err(|reason| self.at_end(reason, "'}'"))?;
        match value {
            None if self.lex.keep_unset => Ok(format!("${{{name}/{pattern}/{new}}}")),
            value => replace(&pattern, &value.unwrap_or_default(), &new, all),
        }
    }

    /// A part that is not closed before the end of the word is told by what is missing.
    fn at_end(&self, reason: Reason, missing: &'static str) -> Reason {
        if self.peek().is_none() && reason != Reason::Depth {
            Reason::Missing(missing)
        } else {
            reason
        }
    }

    /// A name: letters, digits and `_`; or only digits; or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let start = self.at;
        let take = |reader: &mut Self, accepts: fn(char) -> bool| {
            while reader.peek().is_some_and(accepts) {
                reader.at += 1;
            }
        };
        match self.peek() {
            Some(c) if c.is_numeric() => take(self, char::is_numeric),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.at += 1,
            _ => take(self, |c| c.is_alphanumeric() || c == '_'),
        }
        self.chars[start..self.at].iter().collect()
    }
}

fn required(name: &str, message: String, set: bool) -> Reason {
    let message = match (message.is_empty(), set) {
        (false, _) => message,
        (true, true) => "is not allowed to be empty".to_owned(),
        (true, false) => "is not allowed to be unset".to_owned(),
    };
    Reason::Required {
        name: name.to_owned(),
        message,
    }
}

fn glob(pattern: &str) -> Result<Glob, Reason> {
    Glob::shell(pattern).map_err(|source| Reason::Pattern {
        pattern: pattern.to_owned(),
        source,
    })
}

/// Takes the pattern off the beginning (`#`) or the end (`%`): the shortest piece that fits, or
/// with the operator doubled the longest.
fn trim(word: &str, value: &str, side: char) -> Result<String, Reason> {
    let (longest, pattern) = match word.strip_prefix(side) {
        Some(pattern) => (true, pattern),
        None => (false, word),
    };
    let mut text: Vec<char> = value.chars().collect();
    let mut glob = glob(pattern)?;
    if side == '%' {
        text.reverse();
        glob = glob.reversed();
    }
    let mut ends = glob.prefixes(&text);
    let end = if longest { ends.last() } else { ends.next() };
    let mut kept = text[end.unwrap_or(0)..].to_vec();
    if side == '%' {
        kept.reverse();
    }
    Ok(kept.into_iter().collect())
}

fn replace(pattern: &str, value: &str, new: &str, all: bool) -> Result<String, Reason> {
    let glob = glob(pattern)?;
    let text: Vec<char> = value.chars().collect();
    let mut replaced = String::new();
    let mut at = 0;
    let mut touches_last = false;
    while at <= text.len() {
        // The leftmost place, and there the longest piece; nothing right after a piece is no piece.
        let end = glob
            .prefixes(&text[at..])
            .last()
            .filter(|end| *end > 0 || !touches_last);
        if let Some(end) = end {
            replaced.push_str(new);
            if !all {
                replaced.extend(&text[at + end..]);
                return Ok(replaced);
            }
            at += end;
        }
        touches_last = end.is_some_and(|end| end > 0);
        if !touches_last {
            replaced.extend(text.get(at));
            at += 1;
        }
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Table;

    impl Variables for Table {
        fn get(&self, name: &str) -> Option<&str> {
            match name {
                "A" => Some("a value"),
                "E" => Some(""),
                "P" => Some("/usr/local/lib.tar.gz"),
                "X" => Some("aXbXc"),
                _ => None,
            }
        }
    }

    #[test]
    fn words_expand() {
        let cases = [
            ("plain", "plain"),
            ("$A-${A}_$", "a value-a value_$"),
            ("'$A' \"$A\" \\$A", "$A a value $A"),
            ("\"a\\\"b\\c\\\\\"", "a\"b\\c\\"),
            ("${E:-d}${E-d}${N:-d}${N-d}", "ddd"),
            ("${A:+s}${E:+s}${E+s}${N+s}", "ss"),
            ("${A:?m}${E?m}", "a value"),
            ("${N:-${A}x}", "a valuex"),
            (
                "${P##*/} ${P#*/} ${P%.*} ${P%%.*}",
                "lib.tar.gz usr/local/lib.tar.gz /usr/local/lib.tar /usr/local/lib",
            ),
            ("${X/X/-} ${X//X/-} ${X//[/-}", "a-bXc a-b-c aXbXc"),
            ("${X//\\//-}${X/?/_}", "aXbXc_XbXc"),
            ("${X//*/y}", "y"),
            ("$1x$@", "x"),
            ("back\\", "back"),
            ("a <<EOF", "a <<EOF"),
        ];
        for (word, expected) in cases {
            assert_eq!(
                Lex::new('\\').word(word, &Table).as_deref(),
                Ok(expected),
                "{word}"
            );
        }
    }

    #[test]
    fn words_split() {
        let words = |text| Lex::new('\\').words(text, &Table).unwrap();
        assert_eq!(words("x $A 'b c' d\\ e"), ["x", "a", "value", "b c", "d e"]);
        assert_eq!(words(" \"$A\" $E "), ["a value"]);
        assert_eq!(words("RUN << EOF"), ["RUN", "<< EOF"]);
    }

    #[test]
    fn errors() {
        let cases = [
            (
                "'x",
                "unexpected end of statement while looking for matching single-quote",
            ),
            (
                "\"x",
                "unexpected end of statement while looking for matching double-quote",
            ),
            ("${", "syntax error: missing '}'"),
            ("${A", "unsupported modifier (\u{fffd}) in substitution"),
            ("${A:-x", "syntax error: missing '}'"),
            ("${A/x}", "syntax error: missing '/' in ${}"),
            ("${}", "syntax error: bad substitution"),
            ("${{A}", "syntax error: bad substitution"),
            ("${A:#x}", "unsupported modifier (:#) in substitution"),
            ("${A^}", "unsupported modifier (^) in substitution"),
            ("${N?}", "N: is not allowed to be unset"),
            ("${E:?}", "E: is not allowed to be empty"),
            ("${N:?say so}", "N: say so"),
            (
                "${A#\\x}",
                "invalid pattern (\\x) in substitution: invalid escape '\\x'",
            ),
        ];
        for (word, expected) in cases {
            let error = Lex::new('\\').word(word, &Table).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("failed to process {}: {expected}", golang::quote(word))
            );
        }
        let deep = "${A:-".repeat(10_000);
        assert!(Lex::new('\\').word(&deep, &NoVariables).is_err());
    }

    #[test]
    fn raw_forms_keep_what_was_written() {
        let lex = Lex {
            raw_quotes: true,
            raw_escapes: true,
            keep_unset: true,
            ..Lex::new('\\')
        };
        for text in ["'a' \"b\\\"c\" \\d $N ${N} ${N:-x} ${N/a/b}", "<<'EOF'"] {
            assert_eq!(lex.word(text, &NoVariables).as_deref(), Ok(text));
        }
    }

    proptest! {
        #[test]
        fn never_panics(word in "[-a${}:+?#%/'\"\\\\ <*]{0,40}") {
            for escape in ['\\', '`'] {
                let _ = Lex::new(escape).words(&word, &Table);
            }
        }

        #[test]
        fn plain_text_stays(word in "[a-z0-9 ./=-]{0,40}") {
            prop_assert_eq!(Lex::new('\\').word(&word, &Table).unwrap(), word);
        }
    }
}
