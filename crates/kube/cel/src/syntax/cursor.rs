//! The place among the tokens, and the brackets that are open there.

use super::lexer::Kind;
use super::parser::{Parser, Stop};

impl Parser<'_> {
    pub(super) fn enter(&mut self, close: Kind) {
        self.open.push(close);
        self.skip(1);
    }

    pub(super) fn leave(&mut self, expected: &[Kind]) -> Result<(), Stop> {
        let Some(close) = self.open.pop() else {
            return Err(Stop);
        };
        self.expect_of(close, expected)
    }

    /// Whether a bracket further out is closed by this; the end of the text closes all.
    pub(super) fn enclosed_by(&self, kind: Kind) -> bool {
        match kind {
            Kind::End => self.open.is_empty(),
            _ => self.open.last() == Some(&kind),
        }
    }

    pub(super) fn peek(&self) -> Kind {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Kind {
        self.tokens
            .get(self.at + ahead)
            .map_or(Kind::End, |token| token.kind)
    }

    pub(super) fn take(&mut self, kind: Kind) -> bool {
        let is_it = self.peek() == kind;
        if is_it {
            self.skip(1);
        }
        is_it
    }

    /// Goes on by so many tokens, never beyond the end.
    pub(super) fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.tokens.len() - 1);
    }

    pub(super) fn offset(&self) -> u32 {
        self.tokens[self.at].start
    }

    pub(super) fn text(&self) -> &str {
        self.text_at(0)
    }

    pub(super) fn text_at(&self, ahead: usize) -> &str {
        let token = &self.tokens[self.at + ahead];
        &self.source[token.start as usize..token.end as usize]
    }
}
