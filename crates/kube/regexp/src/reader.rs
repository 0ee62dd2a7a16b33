//! The expression as it is read: a place in it, and what follows.

use crate::{Error, Fault};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'e> {
    whole: &'e str,
    at: usize,
}

impl<'e> Reader<'e> {
    pub(crate) const fn new(whole: &'e str) -> Self {
        Self { whole, at: 0 }
    }

    pub(crate) const fn whole(&self) -> &'e str {
        self.whole
    }

    /// Where it stands, in bytes.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'e str {
        &self.whole[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes what it is that follows, if it does.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    /// Takes as many bytes, which end with a character.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What was read since.
    pub(crate) fn since(&self, start: usize) -> &'e str {
        &self.whole[start..self.at]
    }

    /// What was read since is wrong.
    pub(crate) fn wrong(&self, fault: Fault, start: usize) -> Error {
        Error::new(fault, self.since(start))
    }
}
