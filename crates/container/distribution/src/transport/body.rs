//! Bodies: a request's on its way out, an answer's on its way in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use super::TransportError;

/// How much of a reader is sent at once, in bytes.
const PIECE: usize = 256 << 10;

/// A request's body.
pub(crate) struct Payload {
    content: Content,
    left: u64,
    progress: Progress,
    heard: Option<Box<dyn Fn(u64) + Send + Sync>>,
}

enum Content {
    Bytes(Bytes),
    Reader(Box<dyn AsyncRead + Send + Unpin>, BytesMut),
}

/// How far a body is on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    sent: Arc<AtomicU64>,
    size: u64,
}

impl Progress {
    pub(crate) fn get(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.get() == self.size
    }
}

impl Payload {
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        Self::new(Content::Bytes(bytes), size)
    }

    /// What a reader gives, which must be `size` bytes; `heard` is told how many are on their way.
    pub(crate) fn reader(
        reader: Box<dyn AsyncRead + Send + Unpin>,
        size: u64,
        heard: Box<dyn Fn(u64) + Send + Sync>,
    ) -> Self {
        Self {
            heard: Some(heard),
            ..Self::new(Content::Reader(reader, BytesMut::new()), size)
        }
    }

    fn new(content: Content, size: u64) -> Self {
        Self {
            content,
            left: size,
            progress: Progress {
                sent: Arc::default(),
                size,
            },
            heard: None,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match &mut self.content {
            Content::Bytes(bytes) => Poll::Ready(Ok(std::mem::take(bytes))),
            Content::Reader(reader, buffer) => {
                let wanted = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
                buffer.resize(wanted, 0);
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(reader).poll_read(context, &mut read))?;
                let count = read.filled().len();
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                let piece = buffer.split_to(count).freeze();
                Poll::Ready(Ok(piece))
            }
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(context))?;
        let count = piece.len() as u64;
        self.left = self.left.saturating_sub(count);
        let before = self.progress.sent.fetch_add(count, Ordering::Relaxed);
        if let Some(heard) = &self.heard {
            heard(before + count);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The next piece of an answer.
pub(super) async fn piece(body: &mut Incoming, idle: Duration) -> Result<Option<Bytes>, TransportError> {
    loop {
        let frame = timeout(idle, body.frame()).await;
        match frame.map_err(|_| TransportError::Idle(idle))? {
            None => return Ok(None),
            Some(frame) => {
                // Trailers say nothing to us.
                if let Ok(data) = frame?.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// All of an answer, if it is not more than `limit` bytes; nothing, if it is.
pub(crate) async fn read_all(
    body: &mut Incoming,
    limit: usize,
    idle: Duration,
) -> Result<Option<Bytes>, TransportError> {
    let mut all = BytesMut::new();
    while let Some(bytes) = piece(body, idle).await? {
        if all.len() + bytes.len() > limit {
            return Ok(None);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(Some(all.freeze()))
}
