//! What goes wrong, and what Docker's users see of it.

use std::fmt;
use std::io;
use std::time::Duration;

use http::{Method, StatusCode};
use image::{Digest, Reference};

pub use crate::transport::TransportError;

/// One entry of a registry's answer (distribution-spec §Error Codes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryError {
    /// `MANIFEST_UNKNOWN`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl RegistryError {
    pub(crate) fn new(code: &str, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// `manifest unknown: manifest unknown`, as upstream's client writes it.
impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.to_ascii_lowercase().replace('_', " ");
        write!(f, "{code}: {}", self.message)
    }
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

/// An answer that is none of those hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the request.
    pub method: Method,
    /// Of the request.
    pub url: String,
    /// Of the answer.
    pub status: StatusCode,
    /// What the server says, in order.
    pub errors: Vec<RegistryError>,
    /// How long to wait.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// What the server says first.
    fn code(&self) -> &str {
        self.errors.first().map_or("", |error| error.code.as_str())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [] => write!(f, "received unexpected HTTP status: {}", self.status),
            [error] => error.fmt(f),
            errors => {
                f.write_str("errors:\n")?;
                errors.iter().try_for_each(|error| writeln!(f, "{error}"))
            }
        }
    }
}

/// Why a registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer.
    #[error("{} {url:?}: {why}", title(method))]
    NoAnswer {
        /// Of the request.
        method: Method,
        /// Of the request.
        url: String,
        /// The network's words, as Go has them.
        why: TransportError,
    },
    /// Another answer than those hoped for.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The token service gave no token.
    #[error("{} {url:?}: {refusal}", title(method))]
    NoToken {
        /// Of the request that needs one.
        method: Method,
        /// Of the request that needs one.
        url: String,
        /// The service's answer.
        refusal: Box<Refusal>,
    },
    /// The server wants a password and there is none.
    #[error("{} {url:?}: no basic auth credentials", title(method))]
    NoCredentials {
        /// Of the request.
        method: Method,
        /// Of the request.
        url: String,
    },
    /// The registry takes no such credentials.
    #[error("login attempt to {url} failed with status: {status}")]
    Login {
        /// What was asked.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The bytes are others than their name says.
    #[error("content does not match its digest: expected {expected}, received {found}")]
    Digest {
        /// The name.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// There are more or fewer bytes than the descriptor says.
    #[error("content of {digest} does not have its size: expected {expected} bytes, received {found}")]
    Length {
        /// The name.
        digest: Digest,
        /// What the descriptor says.
        expected: u64,
        /// What came, or what was announced.
        found: u64,
    },
    /// More than anybody needs.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How large it may be.
        limit: usize,
    },
    /// Docker's first manifests, which name no content.
    #[error(
        "the image has a manifest of schema 1, which is no longer supported: pull it with Docker before 20.10 and push it \
         again, or ask its author"
    )]
    Schema1,
    /// The server does not keep to the protocol.
    #[error("{} {url:?}: {problem}", title(method))]
    Protocol {
        /// Of the request.
        method: Method,
        /// Of the request.
        url: String,
        /// What it did.
        problem: String,
    },
    /// No server is configured for this.
    #[error("no endpoint of registry {host} may {action}: see its hosts.toml")]
    NoEndpoint {
        /// The registry.
        host: String,
        /// `pull`, `push`.
        action: &'static str,
    },
    /// What is to be sent cannot be read.
    #[error("cannot read what is to be sent: {0}")]
    Source(#[source] io::Error),
}

/// `GET` as Go's errors have it: `Get`.
fn title(method: &Method) -> String {
    let (first, rest) = method.as_str().split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}

impl Error {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoAnswer { .. } => Kind::Unavailable,
            Self::Refused(refusal) => kind(refusal),
            // Whoever is refused a token is refused.
            Self::NoToken { refusal, .. } => match kind(refusal) {
                Kind::NotFound | Kind::Invalid => Kind::Unauthorized,
                other => other,
            },
            Self::NoCredentials { .. } | Self::Login { .. } => Kind::Unauthorized,
            Self::Source(_) => Kind::System,
            Self::Digest { .. }
            | Self::Length { .. }
            | Self::TooLarge { .. }
            | Self::Schema1
            | Self::Protocol { .. }
            | Self::NoEndpoint { .. } => Kind::Invalid,
        }
    }

    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoAnswer { why, .. } => why.is_temporary(),
            Self::Refused(refusal) | Self::NoToken { refusal, .. } => temporary(refusal),
            _ => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) | Self::NoToken { refusal, .. } => refusal.retry_after,
            _ => None,
        }
    }

    /// Dockerd's sentence for a pull of `reference` that failed so.
    #[must_use]
    pub fn pulling(&self, reference: &Reference) -> String {
        let Self::Refused(refusal) = self else {
            return self.to_string();
        };
        let name = reference.familiar_name();
        let Some(first) = refusal.errors.first() else {
            return self.to_string();
        };
        match refusal.code() {
            "DENIED" => format!(
                "pull access denied for {name}, repository does not exist or may require 'docker login': {first}"
            ),
            "MANIFEST_UNKNOWN" => format!("manifest for {} not found: {first}", reference.familiar()),
            "NAME_UNKNOWN" => format!("repository {name} not found: {first}"),
            _ => first.to_string(),
        }
    }

    /// BuildKit's sentence for a base that cannot be resolved for this; what it is about comes before it.
    #[must_use]
    pub fn resolving(&self, reference: &Reference) -> String {
        match self {
            Self::NoAnswer { .. } => format!("failed to do request: {self}"),
            Self::NoCredentials { .. } | Self::NoToken { .. } => format!("failed to authorize: {self}"),
            Self::Refused(refusal) => match (self.kind(), refusal.errors.first()) {
                (Kind::NotFound, _) => format!("{reference}: not found"),
                (Kind::Denied | Kind::Unauthorized, Some(first)) => format!(
                    "pull access denied, repository does not exist or may require authorization: server message: {first}"
                ),
                _ => {
                    let (method, url, status) = (&refusal.method, &refusal.url, refusal.status);
                    format!("unexpected status from {method} request to {url}: {status}")
                }
            },
            other => other.to_string(),
        }
    }

    /// Dockerd's sentence for a push that failed so.
    #[must_use]
    pub fn pushing(&self) -> String {
        match self {
            Self::NoCredentials { .. } => "no basic auth credentials".to_owned(),
            other => other.to_string(),
        }
    }
}

fn kind(refusal: &Refusal) -> Kind {
    match (refusal.code(), refusal.status.as_u16()) {
        // A registry says so of what does not exist, too: it does not tell who has what.
        ("DENIED", _) => Kind::Denied,
        ("UNAUTHORIZED", _) => Kind::Unauthorized,
        ("TOOMANYREQUESTS", _) => Kind::TooManyRequests,
        (_, 401) => Kind::Unauthorized,
        (_, 403) => Kind::Denied,
        (_, 404) => Kind::NotFound,
        (_, 429) => Kind::TooManyRequests,
        (_, 500..) => Kind::Unavailable,
        _ => Kind::Invalid,
    }
}

fn temporary(refusal: &Refusal) -> bool {
    matches!(refusal.status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
        || refusal.code() == "TOOMANYREQUESTS"
}

#[cfg(test)]
mod tests;
