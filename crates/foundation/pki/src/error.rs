//! What can be wrong with keys, certificates and tokens.

/// Why a certificate or a key could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel gave no random bytes.
    #[error("no random bytes from the kernel")]
    Random,
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A text or a file is not what it should be.
    #[error("{what} is not valid: {why}")]
    Invalid {
        /// The file, or what the text is.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{file}")]
    Io {
        /// Its name in the directory.
        file: String,
        /// What the disk said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn invalid(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Invalid {
            what: what.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Why a token is not accepted. The texts are what a `TokenReview` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not three parts of base64 with JSON inside, or its algorithm is not ES256.
    #[error("service account token is malformed")]
    Malformed,
    /// No key of this cluster has signed it.
    #[error("failed to verify signature: no key of this cluster has signed the token")]
    Signature,
    /// Another issuer has made it.
    #[error("invalid issuer")]
    Issuer,
    /// `exp` is past.
    #[error("service account token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("service account token is not valid yet")]
    NotValidYet,
    /// `iat` is to come.
    #[error("service account token is issued in the future")]
    IssuedInTheFuture,
}
