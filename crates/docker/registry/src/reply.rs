//! Answers: their bodies, and the headers that all of them have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use https::{FileBody, FilePart};

use crate::error::Fault;
use crate::mirror::ComingBody;

pub(crate) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(crate) const TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(crate) const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
pub(crate) const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
pub(crate) const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");
const VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);

/// An answer's body.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory.
    Full(Full<Bytes>),
    /// A part of a file.
    File(FileBody),
    /// A part of what is still coming from elsewhere.
    Coming(ComingBody),
}

impl Body {
    /// The part of a file that is all of it, if it is one.
    #[must_use]
    pub const fn file(&self) -> Option<&FilePart> {
        match self {
            Self::File(body) => Some(body.part()),
            Self::Full(_) | Self::Coming(_) => None,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Full(Full::new(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::File(body) => Pin::new(body).poll_frame(cx),
            Self::Coming(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::File(body) => body.is_end_stream(),
            Self::Coming(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::File(body) => body.size_hint(),
            Self::Coming(body) => body.size_hint(),
        }
    }
}

pub(crate) type Reply = Response<Body>;

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::from(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// A document.
pub(crate) fn json(value: &serde_json::Value) -> Reply {
    let mut reply = Response::new(Body::from(format!("{value}\n")));
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// Sets a header whose value is made of names that have been checked; one that no header can hold is left out.
pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(reply.headers_mut().append(name, value)),
        Err(_) => tracing::debug!(%name, value, "no header can hold this"),
    }
}

/// What all answers have.
pub(crate) fn dress(reply: &mut Reply, head: bool) {
    let headers = reply.headers_mut();
    headers.insert(VERSION.0, VERSION.1);
    headers.insert(
        http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Of an answer to HEAD, or one that says that nothing has changed, the service alone knows the length.
    if head && let Some(length) = reply.body().size_hint().exact() {
        reply
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
        *reply.body_mut() = Body::from(Bytes::new());
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        let mut reply = Self::new(Body::from(fault.body()));
        *reply.status_mut() = fault.status;
        let kind = HeaderValue::from_static("application/json; charset=utf-8");
        reply.headers_mut().insert(CONTENT_TYPE, kind);
        for (name, value) in fault.headers {
            reply.headers_mut().insert(name, value);
        }
        reply
    }
}
