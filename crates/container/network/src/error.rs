//! What can go wrong here, in docker's words: the front door prints these texts as they are.

use std::io;

/// Why a call on a network failed. Its text is what Engine API clients expect to read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has this name or id.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done in the present state of things.
    #[error("{0}")]
    Conflict(String),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Nobody may do this.
    #[error("{0}")]
    Forbidden(String),
    /// A thing that upstream has and we have not.
    #[error("{0}")]
    Unsupported(String),
    /// A thing that this node is not set up for.
    #[error("{0}")]
    Unavailable(String),
    /// Addresses, ports or other things that are there in a limited number have run out, or
    /// somebody else has them. Upstream answers 500.
    #[error("{0}")]
    Exhausted(String),
    /// The kernel refused.
    #[error("{doing}")]
    Kernel {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The node's store failed.
    #[error("network state is not kept")]
    Store(#[from] store::Error),
}

/// To what class of answer an [`Error`] belongs; the front door maps each class to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 400.
    InvalidParameter,
    /// 403.
    Forbidden,
    /// 501.
    Unsupported,
    /// 503.
    Unavailable,
    /// 500.
    System,
}

impl Error {
    /// The class of answer.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) => Kind::NotFound,
            Self::Conflict(_) => Kind::Conflict,
            Self::Invalid(_) => Kind::InvalidParameter,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Exhausted(_) | Self::Kernel { .. } | Self::Store(_) => Kind::System,
        }
    }

    /// For `map_err`: the kernel refused while `doing`.
    pub(crate) fn kernel(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Kernel { doing, source }
    }
}
