//! Why a request does not get what it asked for, and the status that says so.

use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Bad(String),
    #[error("a key is needed, and this is not it")]
    Unauthorized,
    #[error("no such {0}")]
    Missing(&'static str),
    #[error("{0}")]
    Conflict(&'static str),
    #[error("cannot keep it: {0}")]
    Disk(io::Error),
    #[error("{address}: {source}")]
    Unreachable { address: String, source: io::Error },
    /// A sibling's own refusal.
    #[error("{address} answers {status}: {text}")]
    Sibling {
        address: String,
        status: u16,
        text: String,
    },
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Bad(_) => 400,
            Self::Unauthorized => 401,
            Self::Missing(_) => 404,
            Self::Conflict(_) => 409,
            Self::Disk(_) => 500,
            // What the sibling finds wrong with the request is wrong with ours.
            Self::Sibling { status, .. } if (400..500).contains(status) && *status != 401 => *status,
            Self::Unreachable { .. } | Self::Sibling { .. } => 502,
        }
    }
}
