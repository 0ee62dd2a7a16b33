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

/// A connection that asks one thing after the other. Answers must say their length.
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

    /// Sends a request and reads its answer to the end: the status and how many bytes of body there were.
    pub(super) async fn call(&mut self, request: &Request<Bytes>) -> io::Result<(StatusCode, usize)> {
        self.stream.write_all(&written(request)).await?;
        self.stream.flush().await?;
        let (head, mut have) = self.head().await?;
        let (status, length) = parse(&self.buffer[..head])?;
        have -= head;
        while have < length {
            match self.stream.read(&mut self.buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => have += read,
            }
        }
        Ok((status, length))
    }

    /// Reads until the head is whole: its length, and how much was read.
    async fn head(&mut self) -> io::Result<(usize, usize)> {
        let mut have = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[have..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            have += read;
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

/// The status, and the length of the body.
fn parse(head: &[u8]) -> io::Result<(StatusCode, usize)> {
    let unreadable = || io::Error::other(format!("no answer: {}", String::from_utf8_lossy(head)));
    let text = std::str::from_utf8(head).map_err(|_| unreadable())?;
    let status = text
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .ok_or_else(unreadable)?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Ok((status, length.ok_or_else(unreadable)?))
}
