//! Asking the servers outside what no network knows.
//!
//! Each question has a socket of its own, so that the kernel picks a port that nobody can guess
//! and drops what comes from anybody but the server. The query goes and the answer comes as they
//! are: a cut answer is the client's to ask again for, over TCP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use sys::netns::Namespace;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Forward;
use super::answer::{Transport, Verdict, failure, judge};

/// How long one server may take. Upstream's; resolvers of containers give up after five seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// How many questions of all name servers may be outside at once. Each has a descriptor.
const PER_NODE: usize = 4096;

/// What all name servers of a node may ask outside together. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PER_NODE)))
    }
}

/// One name server's way out.
pub(super) struct Forwarder {
    namespace: Arc<Namespace>,
    own: Arc<Semaphore>,
    node: Budget,
}

/// The right to ask one question.
pub(super) struct Permit {
    _own: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

impl Forwarder {
    /// At most so many questions of its own are outside at once.
    pub(super) fn new(namespace: Arc<Namespace>, questions: usize, node: Budget) -> Self {
        let own = Arc::new(Semaphore::new(questions));
        Self { namespace, own, node }
    }

    /// `None` while too many questions are open.
    pub(super) fn permit(&self) -> Option<Permit> {
        let own = Arc::clone(&self.own).try_acquire_owned().ok()?;
        let node = Arc::clone(&self.node.0).try_acquire_owned().ok()?;
        Some(Permit {
            _own: own,
            _node: node,
        })
    }

    /// The first answer that a server gives, or that there is none.
    pub(super) async fn ask(
        &self,
        query: &[u8],
        transport: Transport,
        forward: &Forward,
        _permit: Permit,
    ) -> Option<Vec<u8>> {
        for &server in forward.upstreams() {
            let exchange = self.exchange(query, transport, server, forward.from_inside);
            let outcome = timeout(PATIENCE, exchange).await;
            match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(reply) if judge(query, &reply) == Verdict::Answer => return Some(reply),
                Ok(_) => tracing::debug!(%server, "a name server fails"),
                Err(error) => {
                    tracing::debug!(%server, %error, "a name server does not answer");
                }
            }
        }
        failure(query, ResponseCode::ServFail)
    }

    async fn exchange(
        &self,
        query: &[u8],
        transport: Transport,
        server: SocketAddr,
        inside: bool,
    ) -> io::Result<Vec<u8>> {
        let socket = if inside {
            let namespace = Arc::clone(&self.namespace);
            let open = move || namespace.run(move || socket(transport, server));
            tokio::task::spawn_blocking(open).await???
        } else {
            socket(transport, server)?
        };
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::from_std(socket.into())?;
                socket.connect(server).await?;
                over_udp(&socket, query).await
            }
            Transport::Tcp => {
                let socket = TcpSocket::from_std_stream(socket.into());
                over_tcp(socket.connect(server).await?, query).await
            }
        }
    }
}

/// A socket for a server, in the calling thread's namespace. It is not connected there: that may
/// take long, and the socket stays in the namespace anyway.
fn socket(transport: Transport, server: SocketAddr) -> io::Result<OwnedFd> {
    let family = if server.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let kind = match transport {
        Transport::Udp => SocketType::DGRAM,
        Transport::Tcp => SocketType::STREAM,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(family, kind, flags, None)?)
}

async fn over_udp(socket: &UdpSocket, query: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(query).await?;
    loop {
        // A closed port is told by an error that is not readable.
        socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match receive(socket) {
            Ok(packet) if judge(query, &packet) == Verdict::Alien => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}

/// On the stack for a moment: a waiting question has no buffer.
fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut buffer = [0; u16::MAX as usize];
    let length = socket.try_recv(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

async fn over_tcp(mut stream: TcpStream, query: &[u8]) -> io::Result<Vec<u8>> {
    write_message(&mut stream, query).await?;
    read_message(&mut stream).await
}

/// Reads a message behind its length.
pub(super) async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes a message behind its length, in one segment if it fits.
pub(super) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}
