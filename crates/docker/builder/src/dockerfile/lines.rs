//! Physical lines to logical lines: directives, comments, continuations.

use super::{Directives, ParseError};

/// Upstream's limit for a physical line, with its line feed.
const MAX_LINE: usize = 64 * 1024;

/// A logical line: continuations are joined, comments between them gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Where it begins, from 1.
    pub(super) start: u32,
}

/// Reads a file line by line.
pub(super) struct Lines<'a> {
    rest: &'a str,
    /// How many physical lines have been read.
    pub(super) number: u32,
    pub(super) escape: char,
    pub(super) directives: Directives,
    pub(super) warnings: Vec<String>,
    escape_seen: bool,
    directives_over: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            rest: file.strip_prefix('\u{feff}').unwrap_or(file),
            number: 0,
            escape: '\\',
            directives: Directives::default(),
            warnings: Vec::new(),
            escape_seen: false,
            directives_over: false,
        }
    }

    /// The next physical line with its line feed.
    pub(super) fn physical(&mut self) -> Result<Option<&'a str>, ParseError> {
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        if end > MAX_LINE {
            let message = format!(
                "dockerfile line greater than max allowed size of {}",
                MAX_LINE - 1
            );
            return Err(ParseError::syntax(self.number + 1, message));
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.number += u32::from(end > 0);
        Ok((end > 0).then_some(line))
    }

    /// The next logical line that says something.
    pub(super) fn logical(&mut self) -> Result<Option<Line>, ParseError> {
        while let Some(line) = self.physical()? {
            let start = self.number;
            let line = trim_end(line).trim_start();
            self.directive(line)?;
            let line = if is_comment(line) { "" } else { line };
            match self.continued(line) {
                Some(begun) => return self.join(begun.to_owned(), start).map(Some),
                None if line.is_empty() => {}
                None => {
                    return Ok(Some(Line {
                        text: line.to_owned(),
                        start,
                    }));
                }
            }
        }
        Ok(None)
    }

    fn join(&mut self, mut text: String, start: u32) -> Result<Line, ParseError> {
        let mut empty_lines = false;
        while let Some(line) = self.physical()? {
            let line = trim_end(line);
            self.directive(line)?;
            if is_comment(line) {
                continue;
            }
            if line.trim_start().is_empty() {
                empty_lines = true;
                continue;
            }
            let continued = self.continued(line);
            text.push_str(continued.unwrap_or(line));
            if continued.is_none() {
                break;
            }
        }
        if empty_lines {
            self.warnings
                .push(format!("Empty continuation line found in:\n    {text}"));
        }
        Ok(Line { text, start })
    }

    /// The line without its continuation character, if it has one: an escape character at the
    /// end that is not itself escaped.
    fn continued<'l>(&self, line: &'l str) -> Option<&'l str> {
        let kept = line.trim_end_matches([' ', '\t']).strip_suffix(self.escape)?;
        (!kept.ends_with(self.escape)).then_some(kept)
    }

    /// Directives stand before everything else, comments included, each at most once.
    fn directive(&mut self, line: &str) -> Result<(), ParseError> {
        if self.directives_over {
            return Ok(());
        }
        let Some((name, value)) = split_directive(line) else {
            self.directives_over = true;
            return Ok(());
        };
        let name = name.to_ascii_lowercase();
        let seen = match name.as_str() {
            "escape" => std::mem::replace(&mut self.escape_seen, true),
            "syntax" => self.directives.syntax.replace(value.to_owned()).is_some(),
            "check" => self.directives.check.replace(value.to_owned()).is_some(),
            _ => {
                self.directives_over = true;
                return Ok(());
            }
        };
        if seen {
            return Err(ParseError::syntax(
                self.number,
                format!("only one {name} parser directive can be used"),
            ));
        }
        if name == "escape" {
            self.set_escape(value)
        } else {
            Ok(())
        }
    }

    fn set_escape(&mut self, value: &str) -> Result<(), ParseError> {
        self.escape = match value {
            "\\" => '\\',
            "`" => '`',
            other => {
                let message = format!("invalid escape token '{other}' does not match ` or \\");
                return Err(ParseError::syntax(self.number, message));
            }
        };
        Ok(())
    }
}

/// `# name = value`.
fn split_directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.trim_start().split_once('=')?;
    let (name, value) = (name.trim_end(), value.trim());
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    (named && !value.is_empty()).then_some((name, value))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn trim_end(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}
