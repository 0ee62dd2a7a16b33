//! Complaints about tokens that do not fit, in the words of ANTLR's parsers, which upstream's users know.
//!
//! A recursive descent does not recover as ANTLR does. It gets right what one mistake gives: a token too
//! many, a token too few, or a token that cannot be; after the last kind it stops.

use super::lexer::{Kind, shown};
use super::parser::{Parser, Stop};

/// What an expression can begin with.
const BEGINS: &[Kind] = &[
    Kind::OpenBracket,
    Kind::OpenBrace,
    Kind::OpenParen,
    Kind::Dot,
    Kind::Minus,
    Kind::Not,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Float,
    Kind::Int,
    Kind::Uint,
    Kind::String,
    Kind::Bytes,
    Kind::Ident,
];

impl Parser<'_> {
    /// Takes a token of this kind.
    pub(super) fn expect(&mut self, kind: Kind) -> Result<(), Stop> {
        self.expect_of(kind, &[kind])
    }

    /// The same where others of `expected` could have stood as well.
    pub(super) fn expect_of(&mut self, kind: Kind, expected: &[Kind]) -> Result<(), Stop> {
        if self.take(kind) {
            return Ok(());
        }
        if self.peek_at(1) == kind {
            self.complain("extraneous input", expected);
            self.skip(2);
            return Ok(());
        }
        if self.closes(kind) {
            let message = format!("missing {} at '{}'", list(expected), self.token_text());
            self.syntax(message);
            return Ok(());
        }
        self.complain("mismatched input", expected);
        Err(Stop)
    }

    /// Whether what stands here could follow a token of this kind, were it there.
    fn closes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::CloseParen | Kind::CloseBracket | Kind::CloseBrace)
            && matches!(
                self.peek(),
                Kind::End | Kind::CloseParen | Kind::CloseBracket | Kind::CloseBrace
            )
            && self.enclosed_by(self.peek())
    }

    /// Makes sure that an expression begins here; `also` could stand here as well.
    pub(super) fn expect_begin(&mut self, also: &[Kind]) -> Result<(), Stop> {
        if BEGINS.contains(&self.peek()) {
            return Ok(());
        }
        let mut expected = [BEGINS, also].concat();
        expected.sort_unstable();
        if BEGINS.contains(&self.peek_at(1)) && self.peek() != Kind::End {
            self.complain("extraneous input", &expected);
            self.skip(1);
            return Ok(());
        }
        self.complain("mismatched input", &expected);
        let ended = self.peek() == Kind::End;
        self.skip(1);
        if !ended && self.peek() == Kind::End {
            self.complain("mismatched input", &expected);
        }
        Err(Stop)
    }

    /// What follows a dot is no name.
    pub(super) fn no_name(&mut self) -> Stop {
        match self.peek() {
            Kind::True | Kind::False | Kind::Null => self.complain("mismatched input", &[Kind::Ident]),
            Kind::End => self.syntax("no viable alternative at input '.'".to_owned()),
            _ => {
                let message = format!("no viable alternative at input '.{}'", self.token_text());
                self.syntax(message);
            }
        }
        Stop
    }

    fn complain(&mut self, what: &str, expected: &[Kind]) {
        let message = format!("{what} '{}' expecting {}", self.token_text(), list(expected));
        self.syntax(message);
    }

    fn syntax(&mut self, message: String) {
        let offset = self.offset();
        self.found.at(offset, format!("Syntax error: {message}"));
    }

    fn token_text(&self) -> String {
        match self.peek() {
            Kind::End => "<EOF>".to_owned(),
            _ => shown(self.text()),
        }
    }
}

fn list(expected: &[Kind]) -> String {
    match expected {
        [one] => one.expected().to_owned(),
        several => {
            let names: Vec<&str> = several.iter().map(|kind| kind.expected()).collect();
            format!("{{{}}}", names.join(", "))
        }
    }
}
