//! Why a Dockerfile was refused, and where.

use std::fmt;

use super::position::Span;

/// Which pass refused it. The sentence depends on it, as upstream's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// The text is no sequence of statements; told as `failed to parse Dockerfile: …`.
    Syntax,
    /// A statement is no instruction; told as `dockerfile parse error on line 2: …`.
    Instruction,
    /// An instruction stands where there is no stage.
    Stage,
}

/// A Dockerfile that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// Which pass.
    pub kind: ParseErrorKind,
    /// The line where the statement begins, from 1; 0 if the error belongs to the whole file.
    pub line: u32,
    /// The line where it ends.
    pub end: u32,
    message: String,
}

impl ParseError {
    pub(super) fn syntax(line: u32, message: impl Into<String>) -> Self {
        Self {
            kind: ParseErrorKind::Syntax,
            line,
            end: line,
            message: message.into(),
        }
    }

    pub(super) fn instruction(span: Span, message: impl Into<String>) -> Self {
        Self {
            kind: ParseErrorKind::Instruction,
            line: span.start,
            end: span.end,
            message: message.into(),
        }
    }

    pub(super) fn no_stage(span: Span) -> Self {
        let message = "no build stage in current context".to_owned();
        Self {
            kind: ParseErrorKind::Stage,
            line: span.start,
            end: span.end,
            message,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ParseErrorKind::Instruction => {
                write!(
                    f,
                    "dockerfile parse error on line {}: {}",
                    self.line, self.message
                )
            }
            ParseErrorKind::Syntax | ParseErrorKind::Stage => f.write_str(&self.message),
        }
    }
}
