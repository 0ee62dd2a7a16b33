//! The byte stream under an HTTP connection, with a gate that a hijacking handler closes.
//!
//! Docker's attach takes the connection away from HTTP in the middle of an exchange, with either
//! `101 UPGRADED` or a `200 OK` that has no framing. hyper knows only the former, and not upstream's
//! bytes. So its answer to a hijacked request is swallowed here, and whoever hijacked writes a head
//! of his own on the naked stream.

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
}

impl Gated {
    /// Puts the stream behind the gate.
    pub(crate) fn new(stream: UnixStream, gate: Gate) -> Self {
        Self { stream, gate }
    }

    /// The stream itself.
    pub(crate) fn into_inner(self) -> UnixStream {
        self.stream
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
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
