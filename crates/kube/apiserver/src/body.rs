//! Bodies as they come and go: bounded in, shared bytes out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::Frame;
use http_body_util::combinators::BoxBody;

/// What broke while a request's body was read: the client went away, or sent what HTTP does not allow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(pub String);

/// A request's body, whatever transport brings it. Nobody has bounded it yet.
pub type Incoming = BoxBody<Bytes, BodyError>;

/// A response's body. It cannot fail: what goes wrong after the head was sent ends the stream.
pub struct Body(Inner);

enum Inner {
    /// Shared pieces, sent in order; a list answers with the bytes that the cache holds.
    Pieces(VecDeque<Bytes>),
    /// Frames as they come: watches, logs.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Inner::Pieces(VecDeque::new()))
    }

    /// One piece.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::pieces([bytes.into()])
    }

    /// Pieces that are sent one after the other.
    pub fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self(Inner::Pieces(
            pieces.into_iter().filter(|piece| !piece.is_empty()).collect(),
        ))
    }

    /// The pieces, not yet sent, of a body that is no stream; none of one that is.
    pub(crate) fn into_pieces(self) -> Vec<Bytes> {
        match self.0 {
            Inner::Pieces(pieces) => pieces.into(),
            Inner::Stream(_) => Vec::new(),
        }
    }

    /// Frames as they come. Dropping the body drops the stream: that is how a client that went away is noticed.
    pub fn stream(frames: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Inner::Stream(Box::pin(frames)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.get_mut().0 {
            Inner::Pieces(pieces) => Poll::Ready(pieces.pop_front()),
            Inner::Stream(frames) => frames.as_mut().poll_next(cx),
        };
        next.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Pieces(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Inner::Pieces(pieces) => {
                http_body::SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Inner::Stream(_) => http_body::SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Pieces(pieces) => write!(f, "Body({} pieces)", pieces.len()),
            Inner::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}
