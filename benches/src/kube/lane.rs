//! One connection of HTTP/1.1 that costs little, so that a load measures the server and not its client: a request is one
//! write, an answer is read into one buffer, and no task stands between.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// More than any answer's head has.
const HEAD: usize = 64 << 10;

/// What ends a chunked answer (RFC 9112 §7.1), without trailers.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A connection that asks one thing after the other.
pub(super) struct Lane {
    stream: Box<TlsStream<TcpStream>>,
    buffer: Vec<u8>,
}

impl Lane {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: vec![0; HEAD],
        }
    }

    /// Sends a request and reads its answer to the end: the status and how many bytes of body there were, the sizes of
    /// chunks included.
    pub(super) async fn call(&mut self, request: &Request<Bytes>) -> io::Result<(StatusCode, usize)> {
        self.stream.write_all(&written(request)).await?;
        self.stream.flush().await?;
        let (head, have) = self.head().await?;
        let (status, length) = parse(&self.buffer[..head])?;
        let read = match length {
            Some(length) => self.rest(have - head, length).await?,
            None => self.chunks(head - 2..have).await?,
        };
        Ok((status, read))
    }

    /// Reads on until so much of the body is there.
    async fn rest(&mut self, mut have: usize, length: usize) -> io::Result<usize> {
        while have < length {
            have += self.more(0).await?;
        }
        Ok(length)
    }

    /// Reads on until the last chunk, which nothing follows: nothing else has been asked. `first` begins with the line end
    /// before the body, which the last chunk may be all of.
    async fn chunks(&mut self, first: std::ops::Range<usize>) -> io::Result<usize> {
        let mut kept = first.len();
        self.buffer.copy_within(first, 0);
        let mut all = kept - 2;
        while !self.buffer[..kept].ends_with(LAST_CHUNK) {
            let tail = kept.min(LAST_CHUNK.len());
            self.buffer.copy_within(kept - tail..kept, 0);
            let read = self.more(tail).await?;
            all += read;
            kept = tail + read;
        }
        Ok(all)
    }

    /// Reads once, behind so much of the buffer.
    async fn more(&mut self, behind: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[behind..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    /// Reads until the head is whole: its length, and how much was read.
    async fn head(&mut self) -> io::Result<(usize, usize)> {
        let mut have = 0;
        loop {
            have += self.more(have).await?;
            let end = self.buffer[..have]
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok((end + 4, have));
            }
        }
    }
}

fn written(request: &Request<Bytes>) -> Vec<u8> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut text = format!("{} {path} HTTP/1.1\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend(format!("content-length: {}\r\n\r\n", request.body().len()).into_bytes());
    text.extend_from_slice(request.body());
    text
}

/// The status, and the length of the body; none where it comes in chunks.
fn parse(head: &[u8]) -> io::Result<(StatusCode, Option<usize>)> {
    let unreadable = || io::Error::other(format!("no answer: {}", String::from_utf8_lossy(head)));
    let text = std::str::from_utf8(head).map_err(|_| unreadable())?;
    let status = text
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .ok_or_else(unreadable)?;
    let header = |wanted: &str| {
        let mut named = text.lines().filter_map(|line| line.split_once(':'));
        let found = named.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    let length = header("content-length").and_then(|value| value.parse().ok());
    if length.is_none() && header("transfer-encoding") != Some("chunked") {
        return Err(unreadable());
    }
    Ok((status, length))
}
