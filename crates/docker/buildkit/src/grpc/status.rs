//! How a call ended.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use prost::Message as _;

use crate::proto::{Any, rpc};

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
    /// More about it, as BuildKit's clients read it.
    pub details: Vec<Detail>,
}

/// Something that is told beside a sentence (`google.protobuf.Any`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What it is.
    pub type_url: String,
    /// The thing itself.
    pub value: Bytes,
}

/// What is not sent as it is in `grpc-message`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
/// As much of a sentence as is sent: a peer's limit of headers is out of our hands.
const MAX_SENTENCE: usize = 4 << 10;
/// The largest Dockerfile that travels with an error, for the same reason.
const MAX_SOURCE: usize = 96 << 10;

impl Status {
    /// An end.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// Of a message of its own (`google.rpc.Status`).
    pub(crate) fn of(told: rpc::Status) -> Self {
        let detail = |any: Any| Detail {
            type_url: any.type_url,
            value: any.value,
        };
        Self {
            code: Code::of(told.code),
            message: told.message,
            details: told.details.into_iter().map(detail).collect(),
        }
    }

    /// As a message of its own.
    pub(crate) fn to_proto(&self) -> rpc::Status {
        let any = |detail: &Detail| Any {
            type_url: detail.type_url.clone(),
            value: detail.value.clone(),
        };
        rpc::Status {
            code: self.code as i32,
            message: self.message.clone(),
            details: self.details.iter().map(any).collect(),
        }
    }

    /// With the lines of a Dockerfile that it is about: clients show them. A very large file is left out.
    #[must_use]
    pub fn with_source(mut self, name: &str, text: &[u8], lines: (u32, u32)) -> Self {
        if text.len() <= MAX_SOURCE {
            let position = |line: u32| serde_json::json!({ "line": line });
            let source = serde_json::json!({
                "info": { "filename": name, "language": "Dockerfile", "data": STANDARD.encode(text) },
                "ranges": [{ "start": position(lines.0), "end": position(lines.1) }],
            });
            self.details.push(Detail {
                type_url: "github.com/moby/buildkit/errdefs.Source+json".to_owned(),
                value: source.to_string().into(),
            });
        }
        self
    }

    /// With the capability that a frontend lacks: clients look for it, and may ask for less.
    #[must_use]
    pub(crate) fn without(mut self, capability: &str) -> Self {
        self.details.push(Detail {
            type_url: "github.com/moby/buildkit/errdefs.FrontendCap+json".to_owned(),
            value: serde_json::json!({ "name": capability }).to_string().into(),
        });
        self
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
        if !self.details.is_empty() {
            let text = STANDARD_NO_PAD.encode(self.to_proto().encode_to_vec());
            if let Ok(value) = HeaderValue::from_str(&text) {
                trailers.insert("grpc-status-details-bin", value);
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
        Some(Self::new(code, message))
    }
}
