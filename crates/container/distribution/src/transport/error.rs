//! Why there is no answer, in the words that Docker's users know from Go.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::StatusCode;
use https::{SecureError, TlsError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The host has no address.
    #[error("dial tcp: lookup {0}: no such host")]
    Lookup(String),
    /// No connection.
    #[error("dial tcp {address}: {}", connecting(why))]
    Connect {
        /// Where to.
        address: String,
        /// What the kernel said.
        why: io::Error,
    },
    /// The server speaks no TLS, or its certificate is not accepted.
    #[error("{}", handshake(.0))]
    Tls(SecureError),
    /// Authorities or identity cannot be used.
    #[error("tls: {0}")]
    Setup(#[from] TlsError),
    /// The proxy does not lead there.
    #[error("proxyconnect tcp: {0}")]
    Proxy(String),
    /// The proxy refuses.
    #[error("proxyconnect tcp: {0}")]
    ProxyRefused(StatusCode),
    /// The connection ended, or the server does not keep to HTTP.
    #[error("{}", speaking(.0))]
    Http(#[from] hyper::Error),
    /// Nothing moved.
    #[error("no progress for {} s (Client.Timeout exceeded while awaiting headers or body)", .0.as_secs())]
    Idle(Duration),
    /// A server that spoke without TLS before does not understand that now.
    #[error("Client sent an HTTP request to an HTTPS server")]
    NotPlain,
    /// The address has no host.
    #[error("no Host in request URL")]
    Address,
}

impl TransportError {
    /// Whether the same may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            // Nobody there, or nobody of that name: whoever asks is told at once, and may ask again.
            Self::Connect { why, .. } => !matches!(
                why.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
            ),
            Self::Lookup(_) => false,
            Self::Proxy(_) | Self::Http(_) | Self::Idle(_) | Self::NotPlain => true,
            Self::ProxyRefused(status) => status.is_server_error(),
            // A connection that breaks within the handshake, unlike a certificate that is wrong.
            Self::Tls(SecureError::Other(why)) => why.kind() != io::ErrorKind::InvalidData,
            // What speaks no TLS now may be asked without it.
            Self::Tls(why) => matches!(why, SecureError::NotTls),
            Self::Setup(_) | Self::Address => false,
        }
    }

    /// Whether there is nobody at the address, or somebody else.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Lookup(_) | Self::NotPlain | Self::Tls(SecureError::NotTls) => true,
            Self::Connect { why, .. } => why.kind() == io::ErrorKind::ConnectionRefused,
            _ => false,
        }
    }

    /// Whether there was no connection at all.
    pub(crate) const fn is_connecting(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Lookup(_) | Self::Tls(_) | Self::Proxy(_)
        )
    }
}

fn connecting(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::ConnectionReset => "connect: connection reset by peer".to_owned(),
        _ => format!("connect: {why}"),
    }
}

fn handshake(why: &SecureError) -> String {
    match why {
        SecureError::NotTls => "http: server gave HTTP response to HTTPS client".to_owned(),
        SecureError::Other(error) => match error.kind() {
            io::ErrorKind::TimedOut => "net/http: TLS handshake timeout".to_owned(),
            io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
            _ => format!("tls: {error}"),
        },
        SecureError::Certificate(doubt) => format!("tls: failed to verify certificate: x509: {doubt}"),
    }
}

fn speaking(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "unexpected EOF".to_owned();
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
