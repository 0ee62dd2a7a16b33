//! Bodies: what is answered (one buffer or a bounded stream) and what was sent (a bounded buffer,
//! or a blocking reader for the rooms that read archives on a thread of their own).

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use https::{Budget, RequestBody, Rest, Whole, WholeError};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::ApiError;

/// Chunks that may wait for a client that reads slowly; with [`CHUNK`] this bounds its memory.
const WAITING_CHUNKS: usize = 4;
/// Largest chunk a blocking writer sends at once, in bytes.
const CHUNK: usize = 64 << 10;
/// Largest JSON body in bytes. A create request with every option is a few kilobytes.
const JSON_LIMIT: usize = 4 << 20;
/// Bytes of such bodies that are not whole yet, all clients together.
static UNFINISHED: Budget = Budget::new(64 << 20);
/// How long a client may leave an upload standing still.
const STALLED: Duration = Duration::from_secs(120);
/// How much of a refused request is read. Go reads 256 KiB and keeps the connection half open for a while after its
/// answer; here a client hears the reason when it has sent what it had, up to this.
const REST: Rest = Rest {
    bytes: 64 << 20,
    time: STALLED,
};

/// The body of an answer.
pub(crate) enum Body {
    /// All of it; `None` once it has been taken.
    Full(Option<Bytes>),
    /// Pieces as they come. An error cuts the connection, so that the client sees a torn answer
    /// as torn.
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::Full(None)
    }

    /// A stream and the end that feeds it.
    pub(crate) fn stream() -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
        (BodySender(sender), Self::Stream(receiver))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|p| p.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// The feeding end of a streamed answer. Sending waits while the client is slow.
#[derive(Clone)]
pub(crate) struct BodySender(mpsc::Sender<io::Result<Bytes>>);

impl BodySender {
    /// Sends a piece; false when the client has gone.
    pub(crate) async fn send(&self, piece: impl Into<Bytes>) -> bool {
        self.0.send(Ok(piece.into())).await.is_ok()
    }

    /// Resolves when the client has gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }

    /// Tears the answer, so that the client cannot take it for whole; from a thread that may block
    /// until there is room for it.
    pub(crate) fn blocking_tear(&self, cause: io::Error) {
        let _ = self.0.blocking_send(Err(cause));
    }

    /// Sends a piece from a thread that may block; false when the client has gone.
    pub(crate) fn blocking_send(&self, piece: impl Into<Bytes>) -> bool {
        self.0.blocking_send(Ok(piece.into())).is_ok()
    }
}

/// `Write` for threads; what is written goes out in chunks of at most 64 KiB.
impl Write for BodySender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(CHUNK)]);
        let length = piece.len();
        if self.blocking_send(piece) {
            Ok(length)
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request's body; what a handler leaves of it is read on, so that the client hears why.
pub(crate) fn upload(body: Incoming) -> RequestBody {
    RequestBody::new(body, Some(REST))
}

/// Reads a whole body into memory.
///
/// # Errors
/// 413 above 4 MiB, 400 when the client broke off, 408 when it or its turn did not come.
pub(crate) async fn collect(body: RequestBody) -> Result<Whole<'static>, ApiError> {
    let read = tokio::time::timeout(STALLED, UNFINISHED.read(body, JSON_LIMIT)).await;
    let late = || {
        ApiError::new(
            http::StatusCode::REQUEST_TIMEOUT,
            "the request body did not arrive",
        )
    };
    read.map_err(|_| late())?.map_err(|cause| match cause {
        WholeError::Slow => late(),
        WholeError::TooLarge => ApiError::new(
            http::StatusCode::PAYLOAD_TOO_LARGE,
            format!("request body is larger than {JSON_LIMIT} bytes"),
        ),
        WholeError::Broken(cause) => ApiError::bad(format!("reading the request body: {cause}")),
    })
}

/// A request's body as a blocking `Read`, for a thread that unpacks an archive.
pub(crate) struct BodyReader {
    body: RequestBody,
    handle: Handle,
    piece: Bytes,
}

impl BodyReader {
    /// Takes the body over; call from within the runtime that serves the connection.
    pub(crate) fn new(body: RequestBody) -> Self {
        Self {
            body,
            handle: Handle::current(),
            piece: Bytes::new(),
        }
    }

    /// The next piece that has bytes; `None` at the end.
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let frame = self
                .handle
                .block_on(tokio::time::timeout(STALLED, self.body.frame()));
            match frame.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
                None => return Ok(None),
                Some(Err(cause)) => return Err(io::Error::other(cause)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => return Ok(Some(piece)),
                    _ => {}
                },
            }
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.next_piece()? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
