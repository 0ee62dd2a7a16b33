//! Physical lines to logical lines: directives, comments, continuations.

use super::position::{Origins, Starts};
use super::{Directives, EmptyContinuation, ParseError};

/// Upstream's limit for a physical line, with its line feed.
const MAX_LINE: usize = 64 * 1024;

/// A logical line: continuations are joined, comments between them gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Where it begins, from 1.
    pub(super) start: u32,
    /// Which bytes of the file it is.
    pub(super) origins: Origins,
    /// The comments right before it.
    pub(super) comments: Vec<String>,
}

/// Reads a file line by line.
pub(super) struct Lines<'a> {
    rest: &'a str,
    /// How many bytes have been read.
    offset: usize,
    pub(super) starts: Starts,
    /// Where the last line that was read ends, without its line feed.
    pub(super) end: usize,
    comments: Vec<String>,
    /// How many physical lines have been read.
    pub(super) number: u32,
    pub(super) escape: char,
    pub(super) directives: Directives,
    pub(super) warnings: Vec<EmptyContinuation>,
    escape_seen: bool,
    directives_over: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        let rest = file.strip_prefix('\u{feff}').unwrap_or(file);
        Self {
            rest,
            offset: file.len() - rest.len(),
            starts: Starts::default(),
            end: 0,
            comments: Vec::new(),
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
        if end > 0 {
            self.number += 1;
            // A mark of byte order belongs to the first line.
            self.starts.push(if self.number == 1 { 0 } else { self.offset });
            self.end = self.offset + trim_end(line).len();
            self.offset += end;
        }
        Ok((end > 0).then_some(line))
    }

    /// The next logical line that says something.
    pub(super) fn logical(&mut self) -> Result<Option<Line>, ParseError> {
        while let Some(physical) = self.physical()? {
            let (start, end) = (self.number, self.end);
            let line = trim_end(physical).trim_start();
            self.comment(physical);
            if self.directive(line)? {
                self.comments.pop();
            }
            let line = if is_comment(line) { "" } else { line };
            let continued = self.continued(line);
            if continued.is_none() && line.is_empty() {
                continue;
            }
            let mut origins = Origins::default();
            origins.push(0, end - line.len());
            let mut line = Line {
                text: continued.unwrap_or(line).to_owned(),
                start,
                origins,
                comments: std::mem::take(&mut self.comments),
            };
            if continued.is_some() {
                self.join(&mut line)?;
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    /// Keeps the text of a comment for the instruction that follows; an empty comment parts the two.
    fn comment(&mut self, line: &str) {
        if !is_comment(line) {
            return;
        }
        // Upstream takes the line's first character off, whether that is the `#` or a blank.
        let text = line
            .chars()
            .next()
            .map_or("", |first| &line[first.len_utf8()..])
            .trim();
        if text.is_empty() {
            self.comments.clear();
        } else {
            self.comments.push(text.to_owned());
        }
    }

    fn join(&mut self, joined: &mut Line) -> Result<(), ParseError> {
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
            joined.origins.push(joined.text.len(), self.end - line.len());
            joined.text.push_str(continued.unwrap_or(line));
            if continued.is_none() {
                break;
            }
        }
        if empty_lines {
            self.warnings.push(EmptyContinuation {
                line: self.number,
                text: joined.text.clone(),
            });
        }
        Ok(())
    }

    /// The line without its continuation character, if it has one: an escape character at the
    /// end that is not itself escaped.
    fn continued<'l>(&self, line: &'l str) -> Option<&'l str> {
        let kept = line.trim_end_matches([' ', '\t']).strip_suffix(self.escape)?;
        (!kept.ends_with(self.escape)).then_some(kept)
    }

    /// Directives stand before everything else, comments included, each at most once. Says whether
    /// the line is one.
    fn directive(&mut self, line: &str) -> Result<bool, ParseError> {
        let found = split_directive(line).filter(|_| !self.directives_over);
        let name = found.map_or_else(String::new, |(name, _)| name.to_ascii_lowercase());
        let value = found.map_or("", |(_, value)| value);
        let seen = match name.as_str() {
            "escape" => std::mem::replace(&mut self.escape_seen, true),
            "syntax" => self.directives.syntax.replace(value.to_owned()).is_some(),
            "check" => self.directives.check.replace(value.to_owned()).is_some(),
            _ => {
                self.directives_over = true;
                return Ok(false);
            }
        };
        if seen {
            return Err(ParseError::syntax(
                self.number,
                format!("only one {name} parser directive can be used"),
            ));
        }
        if name == "escape" {
            self.set_escape(value)?;
        }
        Ok(true)
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
