//! A program made ready in the launcher for the child that will run it: references become
//! addresses, so that the child needs no allocation, no arithmetic that can fail and no check.

use std::ffi::CStr;
use std::ffi::c_char;

use super::Program;
use super::format::{Arena, FormatError, HEADER};
use super::op::{Op, Record, Slot, Text, Texts, Visitor, Words};

/// Borrowed by the launcher during `clone3`; the child sees it at the same addresses.
pub(crate) struct Prepared<'a> {
    arena: Arena<'a>,
    /// The word area in native order.
    words: Vec<u64>,
    /// The word area again, with every entry of a string list as an address.
    pointers: Vec<*const c_char>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(program: &'a Program) -> Self {
        let arena = program.arena();
        let words: Vec<u64> = (0..arena.layout.words as usize)
            .filter_map(|at| arena.word(at))
            .collect();
        let pointers = vec![std::ptr::null(); words.len()];
        let mut prepared = Self {
            arena,
            words,
            pointers,
        };
        for index in 0..prepared.len() {
            if let Some(op) = Op::from_record(&arena.record(index)) {
                // Only relocation happens here; the program is verified, nothing can be refused.
                let _ = op.visit(&mut prepared);
            }
        }
        prepared
    }

    pub(crate) fn len(&self) -> u32 {
        self.arena.layout.ops
    }

    /// The operation at `index`, which must be below [`Prepared::len`].
    pub(crate) fn op(&self, index: u32) -> Option<Op> {
        let at = HEADER + index as usize * Record::SIZE;
        let bytes = self.arena.bytes.get(at..)?.first_chunk()?;
        Op::from_record(&Record::from_bytes(bytes))
    }

    pub(crate) fn text(&self, text: Text) -> &'a CStr {
        self.string(text.0.into())
    }

    /// A NULL-terminated array of strings.
    pub(crate) fn texts(&self, texts: Texts) -> *const *const c_char {
        &raw const self.pointers[texts.0 as usize + 1]
    }

    /// The same strings, one after the other.
    pub(crate) fn strings(&self, texts: Texts) -> impl Iterator<Item = &'a CStr> {
        self.words(Words(texts.0)).iter().map(|at| self.string(*at))
    }

    pub(crate) fn words(&self, words: Words) -> &[u64] {
        let first = words.0 as usize + 1;
        let count = usize::try_from(self.words[first - 1]).unwrap_or(0);
        &self.words[first..first + count]
    }

    fn string(&self, offset: u64) -> &'a CStr {
        let area = &self.arena.bytes[self.arena.layout.strings_at()..];
        let rest = usize::try_from(offset).ok().and_then(|offset| area.get(offset..));
        rest.and_then(|rest| CStr::from_bytes_until_nul(rest).ok())
            .unwrap_or(c"")
    }
}

impl Visitor for Prepared<'_> {
    fn slot(&mut self, _: Slot) -> Result<(), FormatError> {
        Ok(())
    }

    fn text(&mut self, _: Text) -> Result<(), FormatError> {
        Ok(())
    }

    fn texts(&mut self, texts: Texts) -> Result<(), FormatError> {
        let first = texts.0 as usize + 1;
        let count = usize::try_from(self.words[first - 1]).unwrap_or(0);
        for at in first..first + count {
            self.pointers[at] = self.string(self.words[at]).as_ptr();
        }
        Ok(())
    }

    fn words(&mut self, _: Words) -> Result<(), FormatError> {
        Ok(())
    }

    fn number(&mut self, _: u64) -> Result<(), FormatError> {
        Ok(())
    }
}
