//! The byte stream under an HTTP connection, with a gate that a hijacking handler closes.
//!
//! Docker's attach takes the connection away from HTTP in the middle of an exchange, with either
//! `101 UPGRADED` or a `200 OK` that has no framing. hyper knows only the former, and not upstream's
//! bytes. So its answer to a hijacked request is swallowed here, and whoever hijacked writes a head
//! of his own on the naked stream.
//!
//! On the way in, the quotes that scripts leave bare in `?filters={"name":["x"]}` are escaped: upstream
//! takes them, hyper does not. Only the first line of a connection is looked at, since clients that keep
//! theirs escape by themselves.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// Shared by a connection's stream and its service: once shut, what HTTP writes is dropped.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Drops everything HTTP writes from now on.
    pub(crate) fn shut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_shut(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A client's socket behind a [`Gate`].
pub(crate) struct Gated {
    stream: UnixStream,
    gate: Gate,
    /// Whether the first line has come whole.
    lined: bool,
    /// What has been read and did not fit once it was escaped.
    ahead: Vec<u8>,
}

impl Gated {
    /// Puts the stream behind the gate.
    pub(crate) fn new(stream: UnixStream, gate: Gate) -> Self {
        Self {
            stream,
            gate,
            lined: false,
            ahead: Vec::new(),
        }
    }

    /// The stream itself, and what was read of it and not handed on.
    pub(crate) fn into_inner(self) -> (UnixStream, Vec<u8>) {
        (self.stream, self.ahead)
    }

    /// Hands on what fits of what was read ahead.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
    }

    /// Escapes what came of the first line.
    fn escape(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let came = &buffer.filled()[before..];
        let end = came.iter().position(|byte| *byte == b'\n');
        self.lined = end.is_some();
        let (line, rest) = came.split_at(end.unwrap_or(came.len()));
        if line.iter().all(|byte| escaped(*byte).is_none()) {
            return;
        }
        let mut ahead = Vec::with_capacity(came.len() * 2);
        for byte in line {
            match escaped(*byte) {
                Some(escape) => ahead.extend_from_slice(escape),
                None => ahead.push(*byte),
            }
        }
        ahead.extend_from_slice(rest);
        self.ahead = ahead;
        buffer.set_filled(before);
        self.hand_on(buffer);
    }
}

/// What stands for a byte that hyper refuses in a request's line and upstream does not.
const fn escaped(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            self.hand_on(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if !self.lined && matches!(read, Poll::Ready(Ok(()))) {
            self.escape(buffer, before);
        }
        read
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.gate.is_shut() {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.gate.is_shut() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
