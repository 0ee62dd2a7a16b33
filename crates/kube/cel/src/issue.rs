//! What is wrong with an expression, and where, in the form that people paste into bug reports: the place,
//! the line, and a caret below it.

use std::fmt;

/// Lines longer than this are not shown, in bytes.
const LONGEST_SNIPPET: usize = 16_384;

/// Issues beyond this many are counted, not shown.
const MOST_ISSUES: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The line, from 1; `None` where the expression as a whole is wrong.
    pub line: Option<usize>,
    /// The column in characters, from 0.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// Everything that is wrong with an expression. Printed, it is what cel-go prints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Issues {
    list: Vec<Issue>,
    text: String,
}

impl Issues {
    /// The issues, in the order of their places.
    pub fn list(&self) -> &[Issue] {
        &self.list
    }
}

/// Issues as they are found in one source.
#[derive(Debug)]
pub(crate) struct Found<'s> {
    source: &'s str,
    list: Vec<Issue>,
}

impl<'s> Found<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self {
            source,
            list: Vec::new(),
        }
    }

    /// Something is wrong at a byte of the source.
    pub(crate) fn at(&mut self, offset: u32, message: impl Into<String>) {
        let before = &self.source[..self.source.len().min(offset as usize)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.list.push(Issue {
            line: Some(before.matches('\n').count() + 1),
            column: before[line_start..].chars().count(),
            message: message.into(),
        });
    }

    /// The whole expression is wrong.
    pub(crate) fn whole(&mut self, message: impl Into<String>) {
        self.list.push(Issue {
            line: None,
            column: 0,
            message: message.into(),
        });
    }

    /// Nothing, or all that was found.
    pub(crate) fn finish(self) -> Result<(), Issues> {
        if self.list.is_empty() {
            return Ok(());
        }
        Err(self.into_issues())
    }

    /// The whole expression is wrong in one way that leaves nothing more to say.
    pub(crate) fn only(mut self, message: String) -> Issues {
        self.whole(message);
        self.into_issues()
    }

    fn into_issues(mut self) -> Issues {
        self.list.sort_by_key(|issue| (issue.line, issue.column));
        let text = self.text();
        Issues {
            list: self.list,
            text,
        }
    }

    fn text(&self) -> String {
        let shown: Vec<String> = self
            .list
            .iter()
            .take(MOST_ISSUES)
            .map(|issue| Shown(issue, self.source).to_string())
            .collect();
        let mut text = shown.join("\n");
        if self.list.len() > MOST_ISSUES {
            let more = self.list.len() - MOST_ISSUES;
            text.push_str(&format!("\n{more} more errors were truncated"));
        }
        text
    }
}

struct Shown<'a>(&'a Issue, &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(issue, source) = self;
        let Some(line) = issue.line else {
            return write!(f, "ERROR: <input>:-1:0: {}", issue.message);
        };
        write!(f, "ERROR: <input>:{line}:{}: {}", issue.column + 1, issue.message)?;
        match source.split('\n').nth(line - 1) {
            Some(text) if !source.is_empty() && text.len() <= LONGEST_SNIPPET => {
                snippet(f, text, issue.column)
            }
            _ => Ok(()),
        }
    }
}

/// The line, and below it dots up to a caret; both wide where a character is not ASCII.
fn snippet(f: &mut fmt::Formatter<'_>, line: &str, column: usize) -> fmt::Result {
    write!(f, "\n | {}\n | ", line.replace('\t', " "))?;
    for character in line.chars().take(column) {
        f.write_str(if character.is_ascii() { "." } else { "\u{ff0e}" })?;
    }
    let wide = line
        .chars()
        .nth(column)
        .is_some_and(|character| !character.is_ascii());
    f.write_str(if wide { "\u{ff3e}" } else { "^" })
}
