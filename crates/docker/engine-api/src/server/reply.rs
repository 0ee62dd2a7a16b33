//! What a handler gives back: an HTTP answer, or the wish to take the connection over.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use tokio::net::UnixStream;

use super::body::{Body, BodySender};
use crate::error::ApiError;

/// A future on the heap.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a handler gives back.
pub(crate) enum Reply {
    /// An answer in HTTP.
    Http(Response<Body>),
    /// The connection leaves HTTP: see [`Hijack`].
    Hijack(Hijack),
}

/// A connection that leaves HTTP in the middle of an exchange.
pub(crate) struct Hijack {
    /// What is done with the naked stream and the bytes the client had already sent behind its
    /// request. It writes the head of the answer itself.
    pub run: Box<dyn FnOnce(UnixStream, Bytes) -> Boxed<()> + Send>,
}

/// JSON's media type.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// An archive's media type.
pub(crate) const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");

impl Reply {
    /// An answer without body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Self::Http(response)
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// 200 with a value as JSON and a line feed, as upstream's encoder ends every value.
    ///
    /// # Errors
    /// 500 when the value cannot be JSON (a map with keys that are no strings).
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, ApiError> {
        Self::json_with(StatusCode::OK, value)
    }

    /// [`Self::json`] with another status.
    pub(crate) fn json_with(status: StatusCode, value: &impl Serialize) -> Result<Self, ApiError> {
        let mut bytes = serde_json::to_vec(value).map_err(|cause| ApiError::internal(cause.to_string()))?;
        bytes.push(b'\n');
        Ok(Self::Http(with_type(status, JSON, bytes.into())))
    }

    /// 200 and a stream of the given media type; the headers go out at once.
    pub(crate) fn stream(media_type: HeaderValue) -> (BodySender, Self) {
        let (sender, body) = Body::stream();
        (sender, Self::Http(with_type(StatusCode::OK, media_type, body)))
    }
}

/// An answer with a media type.
pub(crate) fn with_type(status: StatusCode, media_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// An error in the protocol's form. 304 has no body, and to a client from before version 1.24 it is
/// plain text, because such a client prints what it gets.
pub(crate) fn failure(error: &ApiError, plain: bool) -> Response<Body> {
    if error.status == StatusCode::NOT_MODIFIED {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = error.status;
        return response;
    }
    if plain {
        let text = format!("{}\n", error.message).into_bytes();
        return with_type(
            error.status,
            HeaderValue::from_static("text/plain; charset=utf-8"),
            text.into(),
        );
    }
    let mut bytes = serde_json::json!({ "message": error.message })
        .to_string()
        .into_bytes();
    bytes.push(b'\n');
    with_type(error.status, JSON, bytes.into())
}
