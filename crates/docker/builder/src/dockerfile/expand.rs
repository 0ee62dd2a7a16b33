//! Variables and quotes in words of a Dockerfile (Dockerfile reference, "Environment replacement").
//!
//! It is the shell's language with holes of its own: `$name`, `${name}`, the operators `:-` `-`
//! `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`, single and double quotes, the escape character.
//! `[` classes in patterns do not exist.

mod operators;
mod reader;

use std::collections::BTreeSet;

use reader::Reader;

use crate::glob::BadPattern;
use crate::golang;

/// Where variables come from.
pub trait Variables {
    /// The value of a variable that is set.
    fn get(&self, name: &str) -> Option<&str>;
}

impl Variables for std::collections::BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        Self::get(self, name).map(String::as_str)
    }
}

/// No variable is set.
#[derive(Clone, Copy, Debug)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

/// A word that cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to process {}: {reason}", golang::quote(.word))]
pub struct ExpandError {
    word: String,
    reason: Reason,
}

/// Operators nest; beyond this depth a word is refused rather than the stack be used up.
const MAX_DEPTH: usize = 64;
/// At most so many bytes of values go into one word: values of values would fill the memory.
const MAX_EXPANSION: usize = 4 << 20;
/// At most so many steps are made for the patterns of one word, each a place in a pattern at a
/// character of a value: a tenth of a second.
const MAX_STEPS: usize = 1 << 25;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("unexpected end of statement while looking for matching {0}")]
    Unclosed(&'static str),
    #[error("syntax error: missing {0}")]
    Missing(&'static str),
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("invalid pattern ({pattern}) in substitution: {source}")]
    Pattern { pattern: String, source: BadPattern },
    #[error("substitutions are nested too deeply")]
    Depth,
    #[error("values of more than {MAX_EXPANSION} bytes")]
    Size,
    #[error("a pattern is too expensive for its value")]
    Steps,
}

impl Reason {
    /// It is about what a word costs, not about what is written.
    fn is_limit(&self) -> bool {
        matches!(self, Self::Depth | Self::Size | Self::Steps)
    }
}

/// A word with its variables replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The text, spaces and all.
    pub text: String,
    /// The text split at white space outside of quotes.
    pub words: Vec<String>,
    /// The variables that were replaced.
    pub matched: BTreeSet<String>,
    /// The variables that are not set.
    pub unmatched: BTreeSet<String>,
}

/// How words are read.
#[derive(Clone, Copy, Debug)]
pub struct Lex {
    /// The escape character of the file.
    pub escape: char,
    /// Quotes stay in the result.
    pub raw_quotes: bool,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// Quotes are characters like any other.
    pub plain_quotes: bool,
    /// A variable that is not set stays as it was written.
    pub keep_unset: bool,
}

impl Lex {
    /// The usual way: quotes and escapes are taken away, unset variables are empty.
    pub const fn new(escape: char) -> Self {
        Self {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            plain_quotes: false,
            keep_unset: false,
        }
    }

    /// The way of here-documents that are files: quotes are characters like any other.
    #[must_use]
    pub const fn document() -> Self {
        Self {
            plain_quotes: true,
            ..Self::new('\\')
        }
    }

    /// Expands to one word, spaces and all.
    ///
    /// # Errors
    /// [`ExpandError`].
    pub fn word(&self, word: &str, variables: &dyn Variables) -> Result<String, ExpandError> {
        self.expand(word, variables).map(|expanded| expanded.text)
    }

    /// Expands and splits at white space outside of quotes.
    ///
    /// # Errors
    /// [`ExpandError`].
    pub fn words(&self, word: &str, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
        self.expand(word, variables).map(|expanded| expanded.words)
    }

    /// Expands, and says which variables that took.
    ///
    /// # Errors
    /// [`ExpandError`].
    pub fn expand(&self, word: &str, variables: &dyn Variables) -> Result<Expanded, ExpandError> {
        let chars: Vec<char> = word.chars().collect();
        let mut reader = Reader {
            lex: *self,
            chars: &chars,
            at: 0,
            variables,
            depth: 0,
            room: MAX_EXPANSION,
            steps: MAX_STEPS,
            matched: BTreeSet::new(),
            unmatched: BTreeSet::new(),
        };
        let (text, words) = reader
            .until(None, self.raw_escapes)
            .map_err(|reason| ExpandError {
                word: word.to_owned(),
                reason,
            })?;
        Ok(Expanded {
            text,
            words: words.finish(),
            matched: reader.matched,
            unmatched: reader.unmatched,
        })
    }
}

#[cfg(test)]
mod tests;
