//! Where things stand in a Dockerfile.

use std::fmt;
use std::ops::Range;

/// The lines of a piece of a Dockerfile, from 1; both ends belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first line.
    pub start: u32,
    /// The last line.
    pub end: u32,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end {
            write!(f, "{}", self.start)
        } else {
            write!(f, "{}-{}", self.start, self.end)
        }
    }
}

/// A place in a Dockerfile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// Bytes before it in the line.
    pub column: u32,
}

/// A piece of a Dockerfile. Where the file is no UTF-8, it is one of the text that
/// [`String::from_utf8_lossy`] makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Its first byte.
    pub start: Position,
    /// What follows its last byte.
    pub end: Position,
    /// Its bytes.
    pub bytes: Range<usize>,
}

/// What a piece of an instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// `COPY`.
    Keyword,
    /// `--from=x`.
    Flag,
    /// A word, or the whole of a JSON array.
    Argument,
}

/// A piece of an instruction and where it stands. A piece that a continuation divides spans the lines
/// of both its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Where it stands.
    pub location: Location,
}

/// Where lines begin.
#[derive(Clone, Debug, Default)]
pub(super) struct Starts(Vec<usize>);

impl Starts {
    pub(super) fn push(&mut self, offset: usize) {
        self.0.push(offset);
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.0.partition_point(|start| *start <= offset).max(1);
        let start = self.0.get(line - 1).copied().unwrap_or(0);
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(offset - start).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn location(&self, bytes: Range<usize>) -> Location {
        // The end stands behind the last byte, in that byte's line.
        let last = self.position(bytes.end.saturating_sub(1).max(bytes.start));
        Location {
            start: self.position(bytes.start),
            end: Position {
                column: last.column + u32::from(bytes.end > bytes.start),
                ..last
            },
            bytes,
        }
    }
}

/// Which bytes of the file the bytes of a logical line are: its parts one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins(Vec<(usize, usize)>);

impl Origins {
    /// What follows in the line from `at` on stands in the file from `origin` on.
    pub(super) fn push(&mut self, at: usize, origin: usize) {
        self.0.push((at, origin));
    }

    fn origin(&self, at: usize) -> usize {
        let part = self.0.partition_point(|(start, _)| *start <= at).max(1) - 1;
        self.0.get(part).map_or(at, |(start, origin)| origin + at - start)
    }

    pub(super) fn range(&self, range: Range<usize>) -> Range<usize> {
        let start = self.origin(range.start);
        if range.is_empty() {
            return start..start;
        }
        start..self.origin(range.end - 1) + 1
    }
}

/// Where a part of a text lies in it.
pub(super) fn within(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}
