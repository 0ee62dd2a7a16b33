//! The server of one container: a task over two sockets that others opened in its namespace.
//!
//! Names of networks are answered where the query is read. Only what is asked outside, and TCP
//! connections, have tasks of their own; an idle server has no timer and no buffer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use driver::Rng;
use hickory_proto::op::ResponseCode;
use sys::netns::Namespace;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::answer::{Answer, QUERY_SIZE, Transport, View, answer, failure};
use super::directory::{Directory, Forward};
use super::forward::{Budget, Forwarder, Permit, read_message, write_message};
use super::redirect;
use crate::files::NAME_SERVER;

/// How many TCP connections a container may have to its server.
const CONNECTIONS: usize = 32;

/// For how long a connection may be silent, and a client slow to read.
const IDLE: Duration = Duration::from_secs(8);

/// How many datagrams are read before others may run.
const TURN: usize = 64;

/// The name server of all containers.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    directory: RwLock<Directory>,
    budget: Budget,
    /// Counts answers: each has an order of its own for the addresses of shared names.
    turn: AtomicU64,
}

/// One container's name server: it ends, with all that it does, when dropped.
#[derive(Debug)]
pub(crate) struct Serving(AbortHandle);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Binds the sockets of a name server, in the calling thread's namespace: UDP, then TCP. Clients
/// there find them at port 53.
pub(crate) fn bind() -> io::Result<[OwnedFd; 2]> {
    let (udp, tcp) = bind_at(NAME_SERVER)?;
    redirect::install(udp.local_addr()?.port(), tcp.local_addr()?.port())?;
    Ok([udp.into(), tcp.into()])
}

fn bind_at(address: Ipv4Addr) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let udp = std::net::UdpSocket::bind((address, 0))?;
    let tcp = std::net::TcpListener::bind((address, 0))?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

impl Resolver {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Changes what is known. The lock is held for the change only.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Directory)) {
        change(&mut self.directory.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Serves a container from sockets made by [`bind`].
    pub(crate) fn serve(
        self: &Arc<Self>,
        container: &str,
        namespace: Arc<Namespace>,
        [udp, tcp]: [OwnedFd; 2],
        runtime: &Handle,
    ) -> io::Result<Serving> {
        let _context = runtime.enter();
        let (udp, tcp) = (
            UdpSocket::from_std(udp.into())?,
            TcpListener::from_std(tcp.into())?,
        );
        let service = Service {
            resolver: Arc::clone(self),
            container: container.to_owned(),
            udp,
            forwarder: Forwarder::new(namespace, self.budget.clone()),
        };
        Ok(Serving(
            runtime.spawn(serve(Arc::new(service), tcp)).abort_handle(),
        ))
    }

    fn answer(&self, container: &str, query: &[u8], transport: Transport) -> Answer {
        let mut rng = Rng::from_seed(self.turn.fetch_add(1, Ordering::Relaxed));
        let directory = &self.directory.read().unwrap_or_else(PoisonError::into_inner);
        answer(query, transport, &View { directory, container }, &mut rng)
    }

    fn forward(&self, container: &str) -> Forward {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        directory.forward(container)
    }
}

struct Service {
    resolver: Arc<Resolver>,
    container: String,
    udp: UdpSocket,
    forwarder: Forwarder,
}

/// Whatever asks on a container's behalf is in `open`, and ends with it.
async fn serve(service: Arc<Service>, tcp: TcpListener) {
    let mut open = JoinSet::new();
    let mut connections = JoinSet::new();
    loop {
        // Each of these may be dropped at any time: none has taken anything before it is ready.
        tokio::select! {
            _ = service.udp.readable() => if service.drain(&mut open) == TURN { yield_now().await },
            accepted = tcp.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => { connections.spawn(Arc::clone(&service).converse(stream)); }
                // Out of descriptors: the client waits in the backlog.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = open.join_next() => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Service {
    /// Reads what has come, up to a turn's worth; how many.
    fn drain(self: &Arc<Self>, open: &mut JoinSet<()>) -> usize {
        let mut buffer = [0; QUERY_SIZE as usize];
        for read in 0..TURN {
            let Ok((length, client)) = self.udp.try_recv_from(&mut buffer) else {
                return read;
            };
            self.datagram(&buffer[..length], client, open);
        }
        TURN
    }

    fn datagram(self: &Arc<Self>, query: &[u8], client: SocketAddr, open: &mut JoinSet<()>) {
        let reply = match self.resolver.answer(&self.container, query, Transport::Udp) {
            Answer::Ignore => None,
            Answer::Reply(reply) => Some(reply),
            Answer::Forward => match self.forwarder.permit() {
                None => failure(query, ResponseCode::Refused),
                Some(permit) => {
                    open.spawn(Arc::clone(self).relay(query.to_vec(), client, permit));
                    None
                }
            },
        };
        if let Some(reply) = reply {
            self.send(&reply, client);
        }
    }

    async fn relay(self: Arc<Self>, query: Vec<u8>, client: SocketAddr, permit: Permit) {
        if let Some(reply) = self.ask(&query, Transport::Udp, permit).await {
            self.send(&reply, client);
        }
    }

    async fn ask(&self, query: &[u8], transport: Transport, permit: Permit) -> Option<Vec<u8>> {
        let forward = self.resolver.forward(&self.container);
        self.forwarder.ask(query, transport, &forward, permit).await
    }

    /// An answer that finds no room is lost, as datagrams are; the client asks again.
    fn send(&self, reply: &[u8], client: SocketAddr) {
        if let Err(error) = self.udp.try_send_to(reply, client) {
            tracing::debug!(%client, %error, "DNS answer is lost");
        }
    }

    /// One question after the other, as they come (RFC 7766 §6.2.1 allows for it).
    async fn converse(self: Arc<Self>, mut stream: TcpStream) {
        while let Ok(Ok(query)) = timeout(IDLE, read_message(&mut stream)).await {
            let Some(reply) = self.respond(&query).await else {
                return;
            };
            let written = timeout(IDLE, write_message(&mut stream, &reply)).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    }

    async fn respond(&self, query: &[u8]) -> Option<Vec<u8>> {
        match self.resolver.answer(&self.container, query, Transport::Tcp) {
            Answer::Ignore => None,
            Answer::Reply(reply) => Some(reply),
            Answer::Forward => match self.forwarder.permit() {
                None => failure(query, ResponseCode::Refused),
                Some(permit) => self.ask(query, Transport::Tcp, permit).await,
            },
        }
    }
}

#[cfg(test)]
mod tests;
