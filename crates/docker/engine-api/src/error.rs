//! The one error of this door: a status and the sentence that becomes `{"message": …}`.
//!
//! Rooms below have enums of their own with a `kind()`; each kind is mapped to a status here and
//! nowhere else.

use http::StatusCode;

/// What a handler answers when it cannot do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The sentence for the user, in upstream's words.
    pub message: String,
}

impl ApiError {
    /// An error with any status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: in_go_words(message.into()),
        }
    }

    /// 400: the request itself is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: what it names is not here.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409: the state of what it names forbids it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 501: understood, and not there yet.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 500: everything that is nobody's mistake, and what upstream answers so.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The same error with words before its message.
    #[must_use]
    pub fn within(self, context: &str) -> Self {
        Self {
            message: format!("{context}: {}", self.message),
            ..self
        }
    }
}

/// A room's error: its text, and the status of its kind. The chain is told whole, because a client
/// sees nothing else.
macro_rules! from_room {
    ($($error:ty, $kind:ident { $($variant:ident => $status:ident),* $(,)? };)*) => {$(
        impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                let status = match error.kind() {
                    $($kind::$variant => StatusCode::$status,)*
                };
                Self::new(status, chain(&error))
            }
        }
    )*};
}

use builder::{BuildError, BuildErrorKind};
use engine::Kind as EngineKind;
use image::Kind as ImageKind;
use network::Kind as NetworkKind;

from_room! {
    engine::Error, EngineKind {
        NotFound => NOT_FOUND, Conflict => CONFLICT, InvalidParameter => BAD_REQUEST,
        NotModified => NOT_MODIFIED, Forbidden => FORBIDDEN, Unsupported => NOT_IMPLEMENTED,
        Unavailable => SERVICE_UNAVAILABLE, System => INTERNAL_SERVER_ERROR,
    };
    image::Error, ImageKind {
        NotFound => NOT_FOUND, Conflict => CONFLICT, InvalidParameter => BAD_REQUEST,
        System => INTERNAL_SERVER_ERROR,
    };
    network::Error, NetworkKind {
        NotFound => NOT_FOUND, Conflict => CONFLICT, InvalidParameter => BAD_REQUEST,
        Forbidden => FORBIDDEN, Unsupported => NOT_IMPLEMENTED, Unavailable => SERVICE_UNAVAILABLE,
        System => INTERNAL_SERVER_ERROR,
    };
    BuildError, BuildErrorKind {
        NotFound => NOT_FOUND, InvalidParameter => BAD_REQUEST, Unsupported => NOT_IMPLEMENTED,
        System => INTERNAL_SERVER_ERROR,
    };
}

impl From<disk::Error> for ApiError {
    fn from(error: disk::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, chain(&error))
    }
}

/// What scripts look for, in the words in which dockerd has it.
pub(crate) fn in_go_words(message: String) -> String {
    const FULL: &str = "No space left on device (os error 28)";
    if message.contains(FULL) {
        message.replace(FULL, "no space left on device")
    } else {
        message
    }
}

/// An error and its sources, each behind a colon; a source that only repeats is left out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
