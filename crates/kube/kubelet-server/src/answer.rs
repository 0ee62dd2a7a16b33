//! Answers: text as Go's servers write it, JSON, streams.

use apiserver::Body;
use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn full(code: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A text, as it is.
pub(crate) fn text(code: StatusCode, text: impl Into<String>) -> Response<Body> {
    full(code, TEXT, text.into().into())
}

/// A text, as Go's `http.Error` writes it.
pub(crate) fn error(code: StatusCode, why: &str) -> Response<Body> {
    let mut response = text(code, format!("{why}\n"));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A document.
pub(crate) fn json(body: impl Into<Bytes>) -> Response<Body> {
    full(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        body.into(),
    )
}

/// Text as it comes.
pub(crate) fn stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let mut response = Response::new(Body::stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

/// The start of another protocol on the connection.
pub(crate) fn switching(headers: http::HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}
