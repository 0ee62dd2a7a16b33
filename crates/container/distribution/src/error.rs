//! What goes wrong, and what Docker's users see of it.

use image::{Digest, Reference};

/// One entry of a registry's answer (distribution-spec §Error Codes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryError {
    /// `MANIFEST_UNKNOWN`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such thing.
    NotFound,
    /// Nobody, or nobody known.
    Unauthorized,
    /// Somebody who may not.
    Denied,
    /// Too many requests.
    TooManyRequests,
    /// The server is not there, or not able.
    Unavailable,
    /// What was asked is wrong, or what was answered.
    Invalid,
    /// This machine's.
    System,
}

/// Why a registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are others than their name says.
    #[error("content does not match its digest: expected {expected}, received {found}")]
    Digest {
        /// The name.
        expected: Digest,
        /// What came.
        found: Digest,
    },
}

impl Error {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        unimplemented!()
    }

    /// Dockerd's sentence for a pull of `reference` that failed so.
    #[must_use]
    pub fn pulling(&self, _reference: &Reference) -> String {
        unimplemented!()
    }

    /// Dockerd's sentence for a push that failed so.
    #[must_use]
    pub fn pushing(&self) -> String {
        unimplemented!()
    }
}
