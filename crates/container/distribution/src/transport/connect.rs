//! Connections: TCP, a proxy's tunnel, TLS.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::fchown;
use std::time::Duration;

use http::StatusCode;
use https::{Connection, SecureError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Payload, Route, Transport, TransportError};
use crate::config::Proxy;

/// For connecting, and for what comes before HTTP.
const CONNECT: Duration = Duration::from_secs(30);

/// The user who owns nothing: `nobody`.
const NOBODY: u32 = 65534;

/// The longest answer of a proxy to CONNECT, in bytes.
const LONGEST: usize = 16 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Transport {
    pub(super) async fn connect(
        &self,
        route: &Route,
        dial: Option<Duration>,
    ) -> Result<Connection<Payload>, TransportError> {
        let stream = self.stream(route, dial.unwrap_or(CONNECT)).await?;
        let Some(tls) = &route.tls else {
            return Ok(Connection::begin(stream).await?);
        };
        let connector = self.connector(tls)?;
        let secured = timeout(CONNECT, connector.connect(&route.host, stream)).await;
        let secured = secured.unwrap_or_else(|_| Err(late()));
        Ok(Connection::begin(secured.map_err(TransportError::Tls)?).await?)
    }

    async fn stream(&self, route: &Route, limit: Duration) -> Result<Box<dyn Stream>, TransportError> {
        let Some(proxy) = &route.proxy else {
            let stream = dial(&route.host, route.port, limit).await?;
            if !route.named {
                disown(&stream).map_err(|why| TransportError::Connect {
                    address: format!("{}:{}", route.host, route.port),
                    why,
                })?;
            }
            return Ok(Box::new(stream));
        };
        let stream = dial(&proxy.host, proxy.port, limit).await;
        let stream = stream.map_err(|error| TransportError::Proxy(error.to_string()))?;
        let mut stream: Box<dyn Stream> = if proxy.tls {
            let connector = self.connector(&std::sync::Arc::default())?;
            let secured = timeout(CONNECT, connector.connect(&proxy.host, stream)).await;
            let secured = secured.unwrap_or_else(|_| Err(late()));
            Box::new(secured.map_err(|error| TransportError::Proxy(error.to_string()))?)
        } else {
            Box::new(stream)
        };
        if route.tls.is_some() {
            let opened = timeout(CONNECT, tunnel(&mut stream, proxy, route)).await;
            opened.map_err(|_| TransportError::Proxy("i/o timeout".to_owned()))??;
        }
        Ok(stream)
    }
}

fn late() -> SecureError {
    SecureError::Other(io::ErrorKind::TimedOut.into())
}

/// Gives a connection over the loopback to nobody. Servers there ask the kernel whose a connection is (our own registry
/// does: decision 12), and what root may do is not for an address that some server has handed out: its token service, where
/// it redirects to, where an upload goes on. Nothing has been said on it yet.
fn disown(stream: &TcpStream) -> io::Result<()> {
    if !stream.peer_addr()?.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    match fchown(stream, Some(NOBODY), None) {
        // Who may not give anything away is not root, and has no such rights to lend.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Connects to a host, by one of its addresses.
async fn dial(host: &str, port: u16, limit: Duration) -> Result<TcpStream, TransportError> {
    let timed_out = |address: String| TransportError::Connect {
        address,
        why: io::ErrorKind::TimedOut.into(),
    };
    let found = timeout(limit, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| timed_out(format!("{host}:{port}")))?;
    let addresses: Vec<SocketAddr> = found
        .map_err(|_| TransportError::Lookup(host.to_owned()))?
        .collect();
    let mut last = TransportError::Lookup(host.to_owned());
    for address in addresses {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one small write; it must not wait for more.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(why)) => {
                last = TransportError::Connect {
                    address: address.to_string(),
                    why,
                }
            }
            Err(_) => last = timed_out(address.to_string()),
        }
    }
    Err(last)
}

/// Asks a proxy to lead to a host (RFC 9110 §9.3.6).
async fn tunnel(stream: &mut Box<dyn Stream>, proxy: &Proxy, route: &Route) -> Result<(), TransportError> {
    let failed = |error: io::Error| TransportError::Proxy(error.to_string());
    let host = if route.host.contains(':') {
        format!("[{}]:{}", route.host, route.port)
    } else {
        format!("{}:{}", route.host, route.port)
    };
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    // A byte at a time: what follows the head is the server's, and there is but one head for each connection.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST {
            return Err(TransportError::Proxy("the proxy's answer is too long".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(failed)?);
    }
    match status(&head) {
        Some(status) if status.is_success() => Ok(()),
        Some(status) => Err(TransportError::ProxyRefused(status)),
        None => Err(TransportError::Proxy("malformed HTTP response".to_owned())),
    }
}

/// `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<StatusCode> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    StatusCode::from_bytes(rest.get(2..5)?).ok()
}
