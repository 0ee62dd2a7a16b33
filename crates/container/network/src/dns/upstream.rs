//! Asking other name servers. A query goes out as it came in, and an answer comes back as it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sys::netns::Namespace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::directory::Forward;

/// How long one server may take; upstream's figure.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many servers are asked at most; upstream's figure.
const SERVERS: usize = 3;
/// `RCODE` of answers after which the next server is asked: SERVFAIL and REFUSED.
const TRY_NEXT: [u8; 2] = [2, 5];
const PORT: u16 = 53;

/// Asks the servers one after the other; `None` when none has an answer.
pub(crate) async fn ask(
    forward: &Forward,
    namespace: &Arc<Namespace>,
    query: &[u8],
    tcp: bool,
) -> Option<Vec<u8>> {
    let reachable = forward.from_inside || forward.outside;
    for server in forward.servers.iter().take(SERVERS).filter(|_| reachable) {
        let inside = forward.from_inside.then(|| namespace.clone());
        let exchange = exchange(SocketAddr::new(*server, PORT), inside, query, tcp);
        match timeout(PATIENCE, exchange).await {
            Ok(Ok(answer))
                if !answer
                    .get(3)
                    .is_some_and(|flags| TRY_NEXT.contains(&(flags & 15))) =>
            {
                return Some(answer);
            }
            Ok(Err(error)) => tracing::debug!(%server, %error, "a name server did not answer"),
            Ok(Ok(_)) | Err(_) => tracing::debug!(%server, "a name server has no answer"),
        }
    }
    None
}

async fn exchange(
    server: SocketAddr,
    inside: Option<Arc<Namespace>>,
    query: &[u8],
    tcp: bool,
) -> io::Result<Vec<u8>> {
    if tcp {
        exchange_tcp(server, inside, query).await
    } else {
        exchange_udp(server, inside, query).await
    }
}

async fn exchange_udp(
    server: SocketAddr,
    inside: Option<Arc<Namespace>>,
    query: &[u8],
) -> io::Result<Vec<u8>> {
    let bind = move || {
        let any: IpAddr = if server.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let socket = UdpSocket::from_std(within(inside, bind).await?)?;
    socket.send(query).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if length >= 12 && buffer[..2] == query[..2] {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn exchange_tcp(
    server: SocketAddr,
    inside: Option<Arc<Namespace>>,
    query: &[u8],
) -> io::Result<Vec<u8>> {
    let connect = move || {
        let stream = std::net::TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut stream = match inside {
        Some(_) => TcpStream::from_std(within(inside, connect).await?)?,
        None => TcpStream::connect(server).await?,
    };
    write_message(&mut stream, query).await?;
    read_message(&mut stream).await
}

/// Makes a socket here or in a namespace.
async fn within<T: Send + 'static>(
    inside: Option<Arc<Namespace>>,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let Some(namespace) = inside else { return make() };
    let made = tokio::task::spawn_blocking(move || namespace.run(make)).await;
    made.map_err(io::Error::other)??
}

/// A message over TCP has its length in front. RFC 1035 §4.2.2
pub(crate) async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// See [`read_message`].
pub(crate) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}
