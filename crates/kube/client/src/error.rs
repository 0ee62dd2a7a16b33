//! Why a request did not do what it should.

use schema::status::Status;

use crate::TransportError;

/// Why there is no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The server refused, and says why.
    #[error(transparent)]
    Refused(Box<Status>),
    /// No answer came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What came is no answer of a Kubernetes API, or larger than any should be.
    #[error("the server's answer: {0}")]
    Answer(String),
}

impl Error {
    pub(crate) fn answer(why: impl std::fmt::Display) -> Self {
        Self::Answer(why.to_string())
    }

    /// The server's refusal, if it is one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Transport(_) | Self::Answer(_) => None,
        }
    }

    /// The refusal's HTTP code, if it is one.
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    /// Whether the object, or its whole resource, is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether an object of this name is there already.
    pub fn is_already_exists(&self) -> bool {
        self.status()
            .is_some_and(|status| status.reason == "AlreadyExists")
    }

    /// Whether somebody else has changed the object meanwhile, or a precondition does not hold.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(|status| status.reason == "Conflict")
    }

    /// Whether what a list or watch begins with is forgotten, and all has to be listed anew.
    pub fn is_expired(&self) -> bool {
        self.code() == Some(410)
    }

    /// Whether the namespace is on its way out, so that nothing can be made in it.
    pub fn is_terminating(&self) -> bool {
        let causes = self.status().and_then(|status| status.details.as_ref());
        causes.is_some_and(|details| {
            details
                .causes
                .iter()
                .any(|cause| cause.reason == "NamespaceTerminating")
        })
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}
