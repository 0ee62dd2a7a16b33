//! A connection that speaks something else than HTTP from now on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::Wire;

/// The raw bytes of a connection after `101 Switching Protocols`.
#[derive(Debug)]
pub struct Upgraded {
    /// What came behind the request's head.
    early: Bytes,
    stream: Inner,
}

#[derive(Debug)]
enum Inner {
    /// A door's connection.
    Door(Wire),
    /// Anything else that HTTP was served on.
    Other(TokioIo<hyper::upgrade::Upgraded>),
}

impl Upgraded {
    /// Takes a connection over. A client of a door may leave unread what it was sent for as long as it likes from now on:
    /// somebody looks at a page of output. That it is still there is the kernel's keepalive's to ask.
    pub(crate) fn new(connection: hyper::upgrade::Upgraded) -> Self {
        match connection.downcast::<TokioIo<Wire>>() {
            Ok(parts) => {
                let stream = parts.io.into_inner();
                let without = sockopt::set_tcp_user_timeout(stream.socket(), 0);
                if let Err(error) = without {
                    tracing::debug!(%error, "a connection keeps its time limit");
                }
                Self {
                    early: parts.read_buf,
                    stream: Inner::Door(stream),
                }
            }
            Err(other) => Self {
                early: Bytes::new(),
                stream: Inner::Other(TokioIo::new(other)),
            },
        }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..length]);
            self.early.advance(length);
            return Poll::Ready(Ok(()));
        }
        match &mut self.stream {
            Inner::Door(stream) => Pin::new(stream).poll_read(cx, buffer),
            Inner::Other(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Inner::Door(stream) => Pin::new(stream).poll_write(cx, bytes),
            Inner::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Inner::Door(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Inner::Door(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
