//! The arena: header, records, words, strings. Parsing verifies every reference once, so the
//! interpreter can run without a single check that could fail.

use super::op::{Op, Record, Slot, Text, Texts, Visitor, Words};
use super::{MAX_OPS, MAX_PROGRAM, SLOTS};

pub(super) const MAGIC: [u8; 8] = *b"GNTRYINI";
/// Version of the format; a reader accepts exactly its own.
pub const VERSION: u32 = 1;
pub(super) const HEADER: usize = 24;

/// Why bytes are not an init program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Longer than [`MAX_PROGRAM`] or with more than [`MAX_OPS`] operations.
    #[error("program is larger than {MAX_PROGRAM} bytes or {MAX_OPS} operations")]
    TooLarge,
    /// The lengths in the header do not add up to the bytes given.
    #[error("program is {actual} bytes long, its header says {expected}")]
    Length {
        /// What the header's counts add up to.
        expected: u64,
        /// What was given.
        actual: usize,
    },
    /// Not a program, or one of another version.
    #[error("not an init program of version {VERSION}")]
    Magic,
    /// An operation that this version does not know, or with bits set in columns it does not use.
    #[error("operation {index} is unknown or not in canonical form")]
    Operation {
        /// Its place in the program.
        index: u32,
    },
    /// An operation refers to something outside the arena.
    #[error("operation {index} refers outside the program")]
    Reference {
        /// Its place in the program.
        index: u32,
    },
    /// The string area does not end with NUL.
    #[error("string area does not end with NUL")]
    Unterminated,
}

/// Where each area of an arena lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) ops: u32,
    pub(super) words: u32,
    pub(super) strings: u32,
}

impl Layout {
    pub(super) fn words_at(&self) -> usize {
        HEADER + self.ops as usize * Record::SIZE
    }

    pub(super) fn strings_at(&self) -> usize {
        self.words_at() + self.words as usize * 8
    }

    pub(super) fn header(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(&MAGIC);
        for (at, value) in [(8, VERSION), (12, self.ops), (16, self.words), (20, self.strings)] {
            out[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        out
    }

    fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_PROGRAM {
            return Err(FormatError::TooLarge);
        }
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(FormatError::Magic)?;
        let field =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[..8] != MAGIC || field(8) != VERSION {
            return Err(FormatError::Magic);
        }
        let layout = Self {
            ops: field(12),
            words: field(16),
            strings: field(20),
        };
        let expected = HEADER as u64
            + u64::from(layout.ops) * Record::SIZE as u64
            + u64::from(layout.words) * 8
            + u64::from(layout.strings);
        if expected != bytes.len() as u64 {
            return Err(FormatError::Length {
                expected,
                actual: bytes.len(),
            });
        }
        if layout.ops > MAX_OPS {
            Err(FormatError::TooLarge)
        } else {
            Ok(layout)
        }
    }
}

/// A view of verified (or about to be verified) bytes.
#[derive(Clone, Copy)]
pub(super) struct Arena<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> Arena<'a> {
    pub(super) fn verify(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let arena = Self {
            bytes,
            layout: Layout::parse(bytes)?,
        };
        if arena.layout.strings > 0 && bytes.last() != Some(&0) {
            return Err(FormatError::Unterminated);
        }
        for index in 0..arena.layout.ops {
            let record = arena.record(index);
            let op = Op::from_record(&record).filter(|op| op.to_record() == record);
            let op = op.ok_or(FormatError::Operation { index })?;
            op.visit(&mut Verifier { arena: &arena })
                .map_err(|_| FormatError::Reference { index })?;
        }
        Ok(arena)
    }

    /// Of bytes that were verified when the [`Program`](super::Program) was made.
    pub(super) fn trusted(bytes: &'a [u8]) -> Self {
        let layout = Layout::parse(bytes).unwrap_or(Layout {
            ops: 0,
            words: 0,
            strings: 0,
        });
        Self { bytes, layout }
    }

    pub(super) fn record(&self, index: u32) -> Record {
        let mut bytes = [0; Record::SIZE];
        let at = HEADER + index as usize * Record::SIZE;
        bytes.copy_from_slice(&self.bytes[at..at + Record::SIZE]);
        Record::from_bytes(&bytes)
    }

    pub(super) fn word(&self, index: usize) -> Option<u64> {
        let at = self.layout.words_at().checked_add(index.checked_mul(8)?)?;
        let end = self.layout.strings_at();
        let bytes = self.bytes.get(at..at.checked_add(8)?).filter(|_| at + 8 <= end)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The string at `offset`, without its NUL.
    pub(super) fn text(&self, offset: u64) -> Option<&'a [u8]> {
        let area = &self.bytes[self.layout.strings_at()..];
        let rest = area
            .get(usize::try_from(offset).ok()?..)
            .filter(|rest| !rest.is_empty())?;
        rest.split(|byte| *byte == 0).next()
    }

    /// The `count` words that follow the count at `index`.
    pub(super) fn counted(&self, index: u32) -> Option<impl Iterator<Item = u64> + '_> {
        let first = index as usize + 1;
        let count = usize::try_from(self.word(index as usize)?).ok()?;
        let end = first
            .checked_add(count)
            .filter(|end| *end <= self.layout.words as usize)?;
        Some((first..end).map(|at| self.word(at).unwrap_or_default()))
    }
}

struct Verifier<'a> {
    arena: &'a Arena<'a>,
}

/// The visitor's callers put the operation's index into the error.
const OUTSIDE: FormatError = FormatError::Reference { index: 0 };

impl Visitor for Verifier<'_> {
    fn slot(&mut self, slot: Slot) -> Result<(), FormatError> {
        if slot == Slot::NONE || usize::from(slot.0) < SLOTS {
            Ok(())
        } else {
            Err(OUTSIDE)
        }
    }

    fn text(&mut self, text: Text) -> Result<(), FormatError> {
        self.arena.text(text.0.into()).map(drop).ok_or(OUTSIDE)
    }

    fn texts(&mut self, texts: Texts) -> Result<(), FormatError> {
        let mut count = 0;
        for offset in self.arena.counted(texts.0).ok_or(OUTSIDE)? {
            self.arena.text(offset).ok_or(OUTSIDE)?;
            count += 1;
        }
        match self.arena.word(texts.0 as usize + 1 + count) {
            Some(0) => Ok(()),
            _ => Err(OUTSIDE),
        }
    }

    fn words(&mut self, words: Words) -> Result<(), FormatError> {
        self.arena.counted(words.0).map(drop).ok_or(OUTSIDE)
    }

    fn number(&mut self, _: u64) -> Result<(), FormatError> {
        Ok(())
    }
}
