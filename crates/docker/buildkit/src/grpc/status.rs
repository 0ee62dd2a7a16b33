//! How a call ended.

use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// gRPC's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// The caller went.
    Cancelled = 1,
    /// Anything else.
    Unknown = 2,
    /// The request makes no sense.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// Not there.
    NotFound = 5,
    /// There already.
    AlreadyExists = 6,
    /// Not allowed.
    PermissionDenied = 7,
    /// Beyond a bound.
    ResourceExhausted = 8,
    /// Not now.
    FailedPrecondition = 9,
    /// Given up.
    Aborted = 10,
    /// Beyond the end.
    OutOfRange = 11,
    /// Nobody does that here.
    Unimplemented = 12,
    /// Our fault.
    Internal = 13,
    /// The peer is gone.
    Unavailable = 14,
    /// Bytes are lost.
    DataLoss = 15,
    /// Nobody knows who asks.
    Unauthenticated = 16,
}

impl Code {
    /// The code of a number; an unknown one is [`Self::Unknown`], as the specification says.
    #[must_use]
    pub const fn of(number: i32) -> Self {
        const CODES: [Code; 17] = [
            Code::Ok,
            Code::Cancelled,
            Code::Unknown,
            Code::InvalidArgument,
            Code::DeadlineExceeded,
            Code::NotFound,
            Code::AlreadyExists,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
            Code::Unauthenticated,
        ];
        if number >= 0 && number < 17 {
            CODES[number.unsigned_abs() as usize]
        } else {
            Self::Unknown
        }
    }
}

/// A call's end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// What it means.
    pub code: Code,
    /// A sentence.
    pub message: String,
}

/// What is not sent as it is in `grpc-message`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
/// As much of a sentence as is sent: a peer's limit of headers is out of our hands.
const MAX_SENTENCE: usize = 4 << 10;

impl Status {
    /// An end.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// [`Code::Unimplemented`].
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// [`Code::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// What a broken connection means.
    pub(super) fn broken(cause: &h2::Error) -> Self {
        let code = match cause.reason() {
            Some(h2::Reason::CANCEL) => Code::Cancelled,
            _ => Code::Unavailable,
        };
        Self::new(code, format!("the connection broke off: {cause}"))
    }

    /// As trailers.
    pub(super) fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(self.code as i32));
        if !self.message.is_empty() {
            let end = self.message.floor_char_boundary(MAX_SENTENCE);
            let text = utf8_percent_encode(&self.message[..end], ENCODED).to_string();
            if let Ok(value) = HeaderValue::from_str(&text) {
                trailers.insert("grpc-message", value);
            }
        }
        trailers
    }

    /// The end that trailers (or the headers of an answer without body) tell; `None` if they tell none.
    pub(super) fn told(headers: &HeaderMap) -> Option<Self> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let code = Code::of(text("grpc-status")?.parse().unwrap_or(2));
        let message = text("grpc-message").unwrap_or_default();
        let message = percent_decode_str(message).decode_utf8_lossy().into_owned();
        Some(Self { code, message })
    }
}
