//! Two tasks for each container: one for its UDP socket, one for its TCP socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use sys::netns::Namespace;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::{Answer, answer, failure};
use super::directory::Directory;
use super::upstream;
use crate::files::NAME_SERVER;

/// Queries that wait for other servers, over all containers; upstream's figure for one.
const IN_FLIGHT: usize = 1024;
/// TCP connections, over all containers.
const CONNECTIONS: usize = 256;
/// How long a TCP connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// Longest query over UDP that is looked at.
const QUERY: usize = 4096;

/// The name server of all containers.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub(crate) directory: RwLock<Directory>,
    turn: AtomicUsize,
    in_flight: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

/// One container's name server: ends when dropped.
#[derive(Debug)]
pub(crate) struct Serving(Vec<JoinHandle<()>>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Binds the sockets of a name server, in the calling thread's namespace: UDP, then TCP.
pub(crate) fn bind() -> io::Result<[OwnedFd; 2]> {
    bind_at(NAME_SERVER, 53)
}

fn bind_at(address: Ipv4Addr, port: u16) -> io::Result<[OwnedFd; 2]> {
    let udp = std::net::UdpSocket::bind((address, port))?;
    let tcp = std::net::TcpListener::bind((address, udp.local_addr()?.port()))?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok([udp.into(), tcp.into()])
}

/// Whom a server serves.
#[derive(Clone)]
struct Client {
    resolver: Arc<Resolver>,
    container: Arc<str>,
    namespace: Arc<Namespace>,
}

impl Resolver {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            directory: RwLock::default(),
            turn: AtomicUsize::new(0),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        })
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
        let udp = Arc::new(UdpSocket::from_std(udp.into())?);
        let tcp = TcpListener::from_std(tcp.into())?;
        let client = Client {
            resolver: self.clone(),
            container: container.into(),
            namespace,
        };
        let datagrams = runtime.spawn(serve_udp(client.clone(), udp));
        Ok(Serving(vec![datagrams, runtime.spawn(serve_tcp(client, tcp))]))
    }
}

impl Client {
    fn answer(&self, query: &[u8], tcp: bool) -> Answer {
        let turn = self.resolver.turn.fetch_add(1, Ordering::Relaxed);
        let directory = self
            .resolver
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        answer(&directory, &self.container, query, turn, tcp)
    }

    /// The answer of other servers, or that there is none.
    async fn forward(&self, query: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let forward = {
            let directory = self
                .resolver
                .directory
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            directory.forward(&self.container)
        };
        let answer = upstream::ask(&forward, &self.namespace, query, tcp).await;
        answer.or_else(|| failure(query, ResponseCode::ServFail))
    }

    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.resolver.in_flight.clone().try_acquire_owned().ok()
    }
}

async fn serve_udp(client: Client, socket: Arc<UdpSocket>) {
    while socket.readable().await.is_ok() {
        // The buffer lives on the stack between two waits only: an idle container needs none.
        let mut buffer = [0; QUERY];
        while let Ok((length, from)) = socket.try_recv_from(&mut buffer) {
            take_datagram(&client, &socket, &buffer[..length], from);
        }
    }
}

fn take_datagram(client: &Client, socket: &Arc<UdpSocket>, query: &[u8], from: SocketAddr) {
    match client.answer(query, false) {
        Answer::Nothing => {}
        Answer::Reply(answer) => drop(socket.try_send_to(&answer, from)),
        Answer::Forward => match client.permit() {
            Some(permit) => drop(tokio::spawn(forward_datagram(
                client.clone(),
                socket.clone(),
                query.to_vec(),
                from,
                permit,
            ))),
            None => {
                drop(failure(query, ResponseCode::Refused).map(|answer| socket.try_send_to(&answer, from)))
            }
        },
    }
}

async fn forward_datagram(
    client: Client,
    socket: Arc<UdpSocket>,
    query: Vec<u8>,
    from: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    if let Some(answer) = client.forward(&query, false).await {
        // A client that has gone needs no answer.
        let _ = socket.send_to(&answer, from).await;
    }
}

async fn serve_tcp(client: Client, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(permit) = client.resolver.connections.clone().acquire_owned().await else {
                    return;
                };
                tokio::spawn(converse(client.clone(), stream, permit));
            }
            Err(error) => {
                tracing::debug!(%error, "a name server's connection was lost");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(client: Client, mut stream: TcpStream, _permit: OwnedSemaphorePermit) {
    while let Ok(Ok(query)) = timeout(IDLE, upstream::read_message(&mut stream)).await {
        let answer = match client.answer(&query, true) {
            Answer::Reply(answer) => Some(answer),
            Answer::Forward => match client.permit() {
                Some(_permit) => client.forward(&query, true).await,
                None => failure(&query, ResponseCode::Refused),
            },
            Answer::Nothing => None,
        };
        let Some(answer) = answer else { return };
        if upstream::write_message(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}
