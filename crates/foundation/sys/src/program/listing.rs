//! A program as text, one operation a line: for golden tests and for errors.

use std::fmt::{self, Display, Formatter, Write};

use super::Program;
use super::format::{Arena, FormatError};
use super::op::{Op, Slot, Text, Texts, Visitor, Words};

/// Longest list of words that a listing spells out.
const SPELLED_WORDS: usize = 8;

impl Program {
    /// One operation as text, such as `Attach tree=3 root=2 path="/proc" flags=0x2`. `None` past
    /// the end.
    pub fn line(&self, index: u32) -> Option<String> {
        let arena = self.arena();
        let op = self.operation(index)?;
        let mut line = Line {
            arena,
            text: op.name().to_owned(),
            names: op.field_names().iter(),
        };
        op.visit(&mut line).ok()?;
        Some(line.text)
    }

    /// The operation at `index`.
    #[must_use]
    pub fn operation(&self, index: u32) -> Option<Op> {
        let arena = self.arena();
        (index < arena.layout.ops).then(|| Op::from_record(&arena.record(index)))?
    }

    /// What a text of one of its operations says.
    #[must_use]
    pub fn spelled(&self, text: Text) -> Option<String> {
        let bytes = self.arena().text(text.0.into())?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The name of the executable that the operation at `index` looks for or runs, if it is one
    /// that does.
    pub fn executable(&self, index: u32) -> Option<String> {
        let arena = self.arena();
        let name = match self.operation(index)? {
            Op::Lookup { name, .. } => u64::from(name.0),
            Op::Exec { arguments, .. } => arena.counted(arguments.0)?.next()?,
            _ => return None,
        };
        Some(String::from_utf8_lossy(arena.text(name)?).into_owned())
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (0..self.len())
            .filter_map(|index| self.line(index))
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

struct Line<'a> {
    arena: Arena<'a>,
    text: String,
    names: std::slice::Iter<'static, &'static str>,
}

impl Line<'_> {
    fn field(&mut self, value: impl Display) -> Result<(), FormatError> {
        let name = self.names.next().copied().unwrap_or_default();
        // Writing to a String does not fail.
        let _ = write!(self.text, " {name}={value}");
        Ok(())
    }

    fn quoted(&self, offset: u64) -> String {
        format!(
            "{:?}",
            String::from_utf8_lossy(self.arena.text(offset).unwrap_or_default())
        )
    }
}

impl Visitor for Line<'_> {
    fn slot(&mut self, slot: Slot) -> Result<(), FormatError> {
        if slot == Slot::NONE {
            self.field("-")
        } else {
            self.field(slot.0)
        }
    }

    fn text(&mut self, text: Text) -> Result<(), FormatError> {
        self.field(self.quoted(text.0.into()))
    }

    fn texts(&mut self, texts: Texts) -> Result<(), FormatError> {
        let offsets = self.arena.counted(texts.0).into_iter().flatten();
        let quoted: Vec<String> = offsets.map(|offset| self.quoted(offset)).collect();
        self.field(format_args!("[{}]", quoted.join(", ")))
    }

    fn words(&mut self, words: Words) -> Result<(), FormatError> {
        let words: Vec<u64> = self.arena.counted(words.0).into_iter().flatten().collect();
        if words.len() > SPELLED_WORDS {
            return self.field(format_args!("({} words)", words.len()));
        }
        self.field(format_args!("{words:?}"))
    }

    fn number(&mut self, number: u64) -> Result<(), FormatError> {
        self.field(format_args!("{number:#x}"))
    }
}
