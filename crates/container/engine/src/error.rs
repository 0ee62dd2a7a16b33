//! What can go wrong, in the words that Docker's clients know.

use std::io;

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing; the text names it (`No such container: x`).
    #[error("{0}")]
    NotFound(String),
    /// It is in another state, or its name is taken.
    #[error("{0}")]
    Conflict(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It is as asked already; no text is sent.
    #[error("not modified")]
    NotModified,
    /// It may not be done.
    #[error("{0}")]
    Forbidden(String),
    /// It is not there yet.
    #[error("{0}")]
    Unsupported(String),
    /// The node cannot do it now.
    #[error("{0}")]
    Unavailable(String),
    /// The container could not be started. `code` is what `docker run` exits with: 126 for a
    /// program that may not be executed, 127 for one that is not there, else 128.
    #[error("failed to create task for container: {reason}")]
    Start {
        /// The exit code recorded.
        code: i32,
        /// What failed.
        reason: String,
    },
    /// Something that should work did not; the text says what was being done.
    #[error("{context}")]
    System {
        /// What was being done.
        context: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The store's answer.
    #[error("the container table's row: {0}")]
    Store(#[from] store::Error),
}

/// What an error means to whoever asked; each door maps it to its own status once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such thing.
    NotFound,
    /// In the wrong state, or taken.
    Conflict,
    /// The request makes no sense.
    InvalidParameter,
    /// As asked already.
    NotModified,
    /// May not be done.
    Forbidden,
    /// Not there yet.
    Unsupported,
    /// Not now.
    Unavailable,
    /// Our fault, or the machine's.
    System,
}

impl Error {
    /// What it means.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) => Kind::NotFound,
            Self::Conflict(_) => Kind::Conflict,
            Self::Invalid(_) | Self::Start { .. } => Kind::InvalidParameter,
            Self::NotModified => Kind::NotModified,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::System { .. } | Self::Store(_) => Kind::System,
        }
    }
}
