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

/// What a compiled expression may take, in bytes.
const LARGEST: usize = 4 << 20;

/// How deep groups may enclose each other. (Go takes 1,000 levels.)
const DEEPEST: u32 = 250;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regexp(Regex);

impl Regexp {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, in Go's words; and expressions that are larger or deeper than this server takes.
    pub fn new(expression: &str) -> Result<Self, Error> {
        let translated = translate::translate(expression)?;
        let compiled = RegexBuilder::new(&translated)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .nest_limit(DEEPEST)
            .build();
        compiled.map(Self).map_err(|error| {
            let fault = match error {
                regex::Error::CompiledTooBig(_) => Fault::TooLarge,
                _ => Fault::TooDeep,
            };
            Error::new(fault, expression)
        })
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
