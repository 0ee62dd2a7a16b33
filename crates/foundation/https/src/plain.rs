//! A client that speaks HTTP to an HTTPS port is told so, in the words that Go's servers have for it.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

const ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Answers a client whose first byte begins no TLS; the stream comes back if it does.
pub(crate) async fn refuse(mut stream: TcpStream) -> io::Result<Option<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0] == HANDSHAKE || !first[0].is_ascii_uppercase() {
        return Ok(Some(stream));
    }
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    // What it sent is read: a socket closed over unread bytes is reset, and the answer with it.
    let mut sink = [0; 1024];
    while !matches!(stream.try_read(&mut sink), Ok(0) | Err(_)) {}
    Ok(None)
}
