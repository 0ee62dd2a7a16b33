//! A name server, of one container or of all pods: a task over two sockets that others opened.
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
use super::cluster::{Followed, Names};
use super::directory::{Directory, Forward};
use super::forward::{Budget, Forwarder, Permit, read_message, write_message};
use super::redirect;
use crate::files::NAME_SERVER;

/// Whose questions a server answers.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// A container's, which knows its networks.
    Container(String),
    /// Those of all pods, who know no networks of docker's.
    Cluster,
}

impl Asker {
    /// How many TCP connections there may be.
    const fn connections(&self) -> usize {
        match self {
            Self::Container(_) => 32,
            Self::Cluster => 1024,
        }
    }

    /// How many questions may be outside at once; for pods as many as CoreDNS' usual setup has.
    const fn questions(&self) -> usize {
        match self {
            Self::Container(_) => 256,
            Self::Cluster => 1000,
        }
    }

    fn container(&self) -> Option<&str> {
        match self {
            Self::Container(container) => Some(container),
            Self::Cluster => None,
        }
    }
}

/// For how long a connection may be silent, and a client slow to read.
const IDLE: Duration = Duration::from_secs(8);

/// How many datagrams are read before others may run.
const TURN: usize = 64;

/// What all name servers know.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    directory: RwLock<Directory>,
    cluster: RwLock<Option<Arc<Names>>>,
    budget: Budget,
    /// Counts answers: each has an order of its own for the addresses of shared names.
    turn: AtomicU64,
}

/// One name server: it ends, with all that it does, when dropped.
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

    /// From now on a cluster's names are known.
    pub(crate) fn join_cluster(&self, names: Names) {
        *self.cluster.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(names));
    }

    fn cluster(&self) -> Option<Arc<Names>> {
        self.cluster
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Serves whoever asks at these sockets, a container at those made by [`bind`].
    pub(crate) fn serve(
        self: &Arc<Self>,
        asker: Asker,
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
            udp,
            forwarder: Forwarder::new(namespace, asker.questions(), self.budget.clone()),
            asker,
        };
        Ok(Serving(
            runtime.spawn(serve(Arc::new(service), tcp)).abort_handle(),
        ))
    }

    fn answer(&self, asker: &Asker, query: &[u8], transport: Transport) -> Answer {
        let mut rng = Rng::from_seed(self.turn.fetch_add(1, Ordering::Relaxed));
        let cluster = self.cluster();
        let view = View {
            directory: &self.directory.read().unwrap_or_else(PoisonError::into_inner),
            container: asker.container(),
            cluster: cluster.as_deref(),
        };
        answer(query, transport, &view, &mut rng)
    }

    fn forward(&self, asker: &Asker) -> Forward {
        if let Some(container) = asker.container() {
            let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
            return directory.forward(container);
        }
        Forward {
            servers: self.cluster().map(|names| (names.servers)()).unwrap_or_default(),
            from_inside: false,
            outside: true,
            ndots_set: false,
        }
    }
}

/// What is to be asked outside.
enum Errand {
    /// A query as it is.
    Forward(Vec<u8>),
    /// The end of an answer.
    Follow(Box<Followed>),
}

/// What is done about a query: this is sent, if anything is, or somebody else is asked first.
enum Turn {
    Done(Option<Vec<u8>>),
    Outside(Errand, Permit),
}

struct Service {
    resolver: Arc<Resolver>,
    asker: Asker,
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
            accepted = tcp.accept(), if connections.len() < service.asker.connections() => match accepted {
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
        match self.consider(query, Transport::Udp) {
            Turn::Done(reply) => reply.iter().for_each(|reply| self.send(reply, client)),
            Turn::Outside(errand, permit) => drop(open.spawn(Arc::clone(self).relay(errand, client, permit))),
        }
    }

    fn consider(&self, query: &[u8], transport: Transport) -> Turn {
        let errand = match self.resolver.answer(&self.asker, query, transport) {
            Answer::Ignore => return Turn::Done(None),
            Answer::Reply(reply) => return Turn::Done(Some(reply)),
            Answer::Forward => Errand::Forward(query.to_vec()),
            Answer::Follow(followed) => Errand::Follow(followed),
        };
        match (self.forwarder.permit(), errand) {
            (Some(permit), errand) => Turn::Outside(errand, permit),
            (None, Errand::Forward(_)) => Turn::Done(failure(query, ResponseCode::Refused)),
            (None, Errand::Follow(followed)) => Turn::Done(Some(followed.finish(None, transport))),
        }
    }

    async fn relay(self: Arc<Self>, errand: Errand, client: SocketAddr, permit: Permit) {
        if let Some(reply) = self.ask(errand, Transport::Udp, permit).await {
            self.send(&reply, client);
        }
    }

    async fn ask(&self, errand: Errand, transport: Transport, permit: Permit) -> Option<Vec<u8>> {
        let forward = self.resolver.forward(&self.asker);
        match errand {
            Errand::Forward(query) => self.forwarder.ask(&query, transport, &forward, permit).await,
            Errand::Follow(followed) => {
                let heard = self
                    .forwarder
                    .ask(&followed.query, transport, &forward, permit)
                    .await;
                Some(followed.finish(heard.as_deref(), transport))
            }
        }
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
        match self.consider(query, Transport::Tcp) {
            Turn::Done(reply) => reply,
            Turn::Outside(errand, permit) => self.ask(errand, Transport::Tcp, permit).await,
        }
    }
}

#[cfg(test)]
mod tests;
