//! Plain HTTP on a TLS port: who may speak it, and what others are told.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// How HTTP/2 begins where nothing has agreed on it (RFC 9113 §3.4); no method of HTTP/1.1 begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

const ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Who may do without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plain {
    /// Nobody; whoever tries is told.
    #[default]
    Never,
    /// Who comes over loopback.
    Loopback,
    /// Anybody.
    Anybody,
}

impl Plain {
    pub(crate) fn allows(self, address: SocketAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Loopback => address.ip().to_canonical().is_loopback(),
            Self::Anybody => true,
        }
    }
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Tls,
    Plain {
        http2: bool,
    },
    Refused,
    /// It ended.
    Nothing,
}

/// Looks at the first bytes without taking them.
pub(crate) async fn first(stream: &TcpStream, allowed: bool) -> io::Result<First> {
    let mut bytes = [0; PREFACE.len()];
    let seen = stream.peek(&mut bytes).await?;
    if seen == 0 {
        return Ok(First::Nothing);
    }
    if bytes[0] == HANDSHAKE || !bytes[0].is_ascii_uppercase() {
        return Ok(First::Tls);
    }
    if !allowed {
        return Ok(First::Refused);
    }
    // One that comes in pieces is met with HTTP/1.1's error: whoever sends it sends it at once.
    let http2 = bytes[..seen].starts_with(PREFACE);
    Ok(First::Plain { http2 })
}

/// Answers a client who may not speak plain HTTP, in the words that Go's servers have for it.
pub(crate) async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    // What it sent is read: a socket closed over unread bytes is reset, and the answer with it.
    let mut sink = [0; 1024];
    while !matches!(stream.try_read(&mut sink), Ok(0) | Err(_)) {}
    Ok(())
}
