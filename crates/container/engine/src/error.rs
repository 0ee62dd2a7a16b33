//! What can go wrong, in the words that Docker's clients know.

use std::io;

use crate::lifecycle::advice;
use crate::supervised::SupervisorError;

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
    #[error(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {reason}: unknown{}",
        advice(reason)
    )]
    Start {
        /// The exit code recorded.
        code: i32,
        /// What failed.
        reason: String,
    },
    /// A further process could not be started; `code` as above.
    #[error("OCI runtime exec failed: exec failed: {reason}: unknown{}", advice(reason))]
    Exec {
        /// The exit code recorded.
        code: i32,
        /// What failed.
        reason: String,
    },
    /// This host or this image lacks what the specification asks for, which only a start can find
    /// out. Upstream takes it for the system's fault.
    #[error("{0}")]
    Specification(String),
    /// Something that should work did not; the text says what was being done.
    #[error("{context}")]
    System {
        /// What was being done.
        context: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The image room's answer.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The network room's answer.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// The network room's answer to a start.
    #[error("failed to set up container networking: {0}")]
    Networking(#[source] network::Error),
    /// The supervisor's answer.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// The store's answer.
    #[error("the container table: {0}")]
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
            Self::Invalid(_) => Kind::InvalidParameter,
            Self::NotModified => Kind::NotModified,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Unavailable(_) => Kind::Unavailable,
            // Upstream's rule: what the user can mend by another command is the user's mistake.
            Self::Start { code, .. } | Self::Exec { code, .. } => match *code {
                126 | 127 => Kind::InvalidParameter,
                _ => Kind::System,
            },
            Self::Image(error) => image_kind(error.kind()),
            Self::Network(error) | Self::Networking(error) => network_kind(error.kind()),
            Self::Specification(_) | Self::System { .. } | Self::Store(_) | Self::Supervisor(_) => {
                Kind::System
            }
        }
    }

    /// For `map_err`: what was being done when the kernel or the disk failed.
    pub(crate) fn system(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System {
            context: context.into(),
            source,
        }
    }

    /// There is no such container.
    pub(crate) fn no_container(reference: &str) -> Self {
        Self::NotFound(format!("No such container: {reference}"))
    }

    /// The container does not run.
    pub(crate) fn not_running(id: &str) -> Self {
        Self::Conflict(format!("container {id} is not running"))
    }
}

const fn image_kind(kind: image::Kind) -> Kind {
    match kind {
        image::Kind::NotFound => Kind::NotFound,
        image::Kind::Conflict => Kind::Conflict,
        image::Kind::InvalidParameter => Kind::InvalidParameter,
        image::Kind::System => Kind::System,
    }
}

const fn network_kind(kind: network::Kind) -> Kind {
    match kind {
        network::Kind::NotFound => Kind::NotFound,
        network::Kind::Conflict => Kind::Conflict,
        network::Kind::InvalidParameter => Kind::InvalidParameter,
        network::Kind::Forbidden => Kind::Forbidden,
        network::Kind::Unsupported => Kind::Unsupported,
        network::Kind::Unavailable => Kind::Unavailable,
        network::Kind::System => Kind::System,
    }
}
