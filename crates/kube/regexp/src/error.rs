//! What is wrong with an expression (Go's `regexp/syntax.Error`).

use std::fmt;

/// In what way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `[b-a]`, `\p{Nonsense}`, `[[:nonsense:]]`
    ClassRange,
    /// `\y`
    Escape,
    /// `(?P<n>a)(?P<n>b)`, `(?P<`
    NamedCapture,
    /// `(?=a)`
    PerlOperator,
    /// `a**`
    RepeatOperator,
    /// `a{1001}`
    RepeatSize,
    /// `[a`
    MissingBracket,
    /// `(a`
    MissingParen,
    /// `*a`
    MissingArgument,
    /// `a\`
    TrailingBackslash,
    /// `a)`
    UnexpectedParen,
    /// Groups in groups, too many.
    TooDeep,
    /// More than this server compiles.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClassRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::PerlOperator => "invalid or unsupported Perl syntax",
            Self::RepeatOperator => "invalid nested repetition operator",
            Self::RepeatSize => "invalid repeat count",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::MissingArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
            Self::TooDeep => "expression nests too deeply",
            Self::TooLarge => "expression too large",
        })
    }
}

/// Why an expression is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {fault}: `{part}`")]
pub struct Error {
    fault: Fault,
    part: Box<str>,
}

impl Error {
    pub(crate) fn new(fault: Fault, part: &str) -> Self {
        let part = part.into();
        Self { fault, part }
    }

    /// In what way it is wrong.
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}
