//! What an evaluation fails with.

use std::borrow::Cow;

/// An error of evaluation, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A map has no such key, an object no such field.
    #[error("no such key: {0}")]
    NoSuchKey(String),
    /// No function fits the values.
    #[error("no such overload")]
    NoSuchOverload,
    /// No function of this name fits the values.
    #[error("no such overload: {0}")]
    NoSuchFunction(String),
    /// A list is not that long.
    #[error("index out of bounds: {0}")]
    OutOfBounds(i64),
    /// A variable that has no value here.
    #[error("no such attribute(s): {0}")]
    NoSuchAttribute(String),
    /// What a function has to say.
    #[error("{0}")]
    Failed(Cow<'static, str>),
    /// The expression cost more than it may. Nothing absorbs this.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostLimit,
}

impl Error {
    /// An error with a text of its own.
    pub(crate) fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(text.into())
    }
}
