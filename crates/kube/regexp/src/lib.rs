//! Regular expressions as Go writes and reads them (its package `regexp`, RE2's syntax): those of users, in schemas of
//! custom resources and in CEL.
//!
//! The engine is the crate `regex`, which shares RE2's promise (time linear in the text, no pattern is dangerous) and most
//! of its syntax, but not all: there, `\d` is any digit of Unicode and `a{,3}` a repetition, and mistakes have other texts.
//! So a pattern is read here, by Go's rules and with Go's errors, and written anew in the engine's words.
#![forbid(unsafe_code)]

mod class;
mod error;
mod escape;
mod group;
mod reader;
mod repeat;
mod translate;

use std::ops::Range;

use regex::{Regex, RegexBuilder};

pub use error::{Error, Fault};

/// What a compiled expression may take, in bytes. Its weight bounds it before it is compiled; this is for what the weight
/// does not foresee.
const LARGEST: usize = 2 << 20;

/// How deep groups may enclose each other. (Go takes 1,000 levels.)
pub(crate) const DEEPEST: usize = 200;

/// The same as the engine counts: repetitions and alternations are levels, too.
const NESTING: u32 = 1_000;

/// What an expression may weigh: about the states of its automaton. A letter weighs one, a class of Unicode 500, and what
/// is repeated by number so many times as much. Go has one instruction for a class; here it is hundreds, so that
/// `\pL{1,100}` is taken and `\pL{1000}` is not.
pub const HEAVIEST: u64 = 64_000;

/// What an expression weighs, at most [`HEAVIEST`]. It is read and not compiled: that takes time linear in its length.
///
/// # Errors
/// What is wrong with it, in Go's words; and expressions that are larger or deeper than this server takes.
pub fn weight(expression: &str) -> Result<u64, Error> {
    translate::translate(expression).map(|translated| translated.weight)
}

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regexp(Regex);

impl Regexp {
    /// Compiles an expression, which takes time and memory by its weight.
    ///
    /// # Errors
    /// The same as of [`weight`].
    pub fn new(expression: &str) -> Result<Self, Error> {
        let translated = translate::translate(expression)?;
        let compiled = RegexBuilder::new(&translated.text)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .nest_limit(NESTING)
            .build();
        compiled
            .map(Self)
            .map_err(|_| Error::new(Fault::TooLarge, expression))
    }

    /// Whether the text has a match in it.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Where the first match is, in bytes.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.0.find(text).map(|found| found.range())
    }

    /// Where all matches are that do not overlap.
    pub fn find_all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        self.0.find_iter(text).map(|found| found.range())
    }
}
