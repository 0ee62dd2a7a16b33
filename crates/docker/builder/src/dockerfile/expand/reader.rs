//! The reader of words, character by character.

use std::collections::BTreeSet;

use super::operators::{replace, required, trim};
use super::{Lex, MAX_DEPTH, Reason, Variables};

/// The words of a text that is being read.
#[derive(Default)]
pub(super) struct Words {
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

    pub(super) fn finish(mut self) -> Vec<String> {
        self.push(' ');
        self.done
    }
}

/// Reads a word.
pub(super) struct Reader<'a> {
    pub(super) lex: Lex,
    pub(super) chars: &'a [char],
    pub(super) at: usize,
    pub(super) variables: &'a dyn Variables,
    pub(super) depth: usize,
    /// Bytes of values that may still come.
    pub(super) room: usize,
    /// Steps of patterns that may still be made.
    pub(super) steps: usize,
    pub(super) matched: BTreeSet<String>,
    pub(super) unmatched: BTreeSet<String>,
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
    pub(super) fn until(
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
        let value = self.variable()?;
        self.room = self.room.checked_sub(value.len()).ok_or(Reason::Size)?;
        Ok(value)
    }

    fn variable(&mut self) -> Result<String, Reason> {
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
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        match self.value(&name) {
            None if self.lex.keep_unset => Ok(format!("${name}")),
            value => Ok(value.unwrap_or_default()),
        }
    }

    /// The value of a variable, noted down.
    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.variables.get(name);
        let noted = if value.is_some() {
            &mut self.matched
        } else {
            &mut self.unmatched
        };
        noted.insert(name.to_owned());
        value.map(str::to_owned)
    }

    /// `${…}`, from after its brace.
    fn braces(&mut self) -> Result<String, Reason> {
        match self.peek() {
            None => return Err(Reason::Missing("'}'")),
            Some('{' | '}' | ':') => return Err(Reason::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => match self.value(&name) {
                None if self.lex.keep_unset => Ok(format!("${{{name}}}")),
                value => Ok(value.unwrap_or_default()),
            },
            Some('/') => self.replacement(&name),
            Some(':') => {
                let operator = self.next();
                self.operation(&name, operator, true)
            }
            operator => self.operation(&name, operator, false),
        }
    }

    /// `${name-word}` and its kin; with `empty_is_unset`, `${name:-word}`.
    fn operation(
        &mut self,
        name: &str,
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
        let value = self.value(name);
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
            Some('%') => trim(&word, value.as_deref().unwrap_or_default(), '%', &mut self.steps),
            _ => trim(&word, value.as_deref().unwrap_or_default(), '#', &mut self.steps),
        }
    }

    /// `${name/pattern/replacement}` and `${name//pattern/replacement}`.
    fn replacement(&mut self, name: &str) -> Result<String, Reason> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let (pattern, _) = self
            .until(Some(('/', "/")), true)
            .map_err(|reason| self.at_end(reason, "'/' in ${}"))?;
        let (new, _) = self
            .until(Some(('}', "}")), true)
            .map_err(|reason| self.at_end(reason, "'}'"))?;
        match self.value(name) {
            None if self.lex.keep_unset => Ok(format!("${{{name}/{pattern}/{new}}}")),
            value => {
                let value = value.unwrap_or_default();
                let (text, steps) = ((value.as_str(), self.room), &mut self.steps);
                replace(&pattern, text, &new, all, steps)
            }
        }
    }

    /// A part that is not closed before the end of the word is told by what is missing.
    fn at_end(&self, reason: Reason, missing: &'static str) -> Reason {
        if self.peek().is_none() && !reason.is_limit() {
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
