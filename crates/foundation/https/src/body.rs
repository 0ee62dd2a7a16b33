//! A request's body on its way in.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// What a client sends. Nobody has bounded it yet.
///
/// A client that is in the middle of an upload reads the answer only when it has sent all of it, and a connection that
/// is closed on it loses that answer. So what a service did not want is read on, within bounds, after an HTTP/1
/// body is dropped; HTTP/2 resets the one stream.
#[derive(Debug)]
pub struct RequestBody {
    body: Option<Incoming>,
    rest: Option<Rest>,
}

/// How much of a body that nobody wanted is still read.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// In bytes.
    pub bytes: usize,
    /// For how long.
    pub time: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            time: Duration::from_secs(10),
        }
    }
}

impl RequestBody {
    /// A body whose rest is read on the current executor; not, if there is no `rest`.
    #[must_use]
    pub fn new(body: Incoming, rest: Option<Rest>) -> Self {
        let body = Some(body);
        Self { body, rest }
    }

    /// The body of a request that has none.
    pub(crate) const fn none() -> Self {
        let (body, rest) = (None, None);
        Self { body, rest }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        let (Some(body), Some(rest)) = (unread, self.rest) else {
            return;
        };
        if let Ok(executor) = tokio::runtime::Handle::try_current() {
            executor.spawn(tokio::time::timeout(rest.time, drain(body, rest.bytes)));
        }
    }
}

async fn drain(mut body: Incoming, mut left: usize) {
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(read) else {
            return;
        };
        left = rest;
    }
}
