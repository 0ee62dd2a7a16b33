//! gRPC over HTTP/2, both ends: as much of it as BuildKit's protocol uses.
//!
//! Our own over `h2`, since the stream is there already (a connection that left HTTP/1), services are a handful of
//! paths, and a framework of layers costs more of the binary than all of this crate.

mod bound;
mod client;
mod server;
mod status;
mod stream;

use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

pub use client::{Channel, connect};
pub use server::{Call, Reply, Service, serve};
pub use status::{Code, Detail, Status};
pub use stream::{Incoming, Sender};

/// A future on the heap.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a connection runs over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The largest message in bytes, as BuildKit has it on both sides.
pub(crate) const MAX_MESSAGE: usize = 16 << 20;
/// The largest list of headers in bytes: patterns of `.dockerignore` travel there, but from us.
const MAX_HEADERS: u32 = 256 << 10;
/// Streams at once on one connection.
const MAX_STREAMS: u32 = 128;
/// What may be on its way on a stream and on a connection, in bytes.
const WINDOW: u32 = 1 << 20;
/// What waits to be sent on a stream, in bytes.
const SEND_BUFFER: usize = 256 << 10;

/// gRPC's media type.
const MEDIA_TYPE: http::HeaderValue = http::HeaderValue::from_static("application/grpc");

/// A message behind its prefix: uncompressed, and its length.
fn framed(message: &impl prost::Message) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    if length > MAX_MESSAGE {
        let sentence = format!("a message of {length} bytes is larger than {MAX_MESSAGE}");
        return Err(Status::new(Code::ResourceExhausted, sentence));
    }
    let mut bytes = bytes::BytesMut::with_capacity(length + 5);
    bytes.extend_from_slice(&[0]);
    // At most `MAX_MESSAGE`.
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message
        .encode(&mut bytes)
        .map_err(|cause| Status::new(Code::Internal, cause.to_string()))?;
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests;
