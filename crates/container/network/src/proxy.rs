//! Published ports for clients that cannot be redirected: those who come by IPv6 to a container
//! without it, and those at ::1. Their bytes are carried over by this process.
//!
//! It is the exception: whatever can be redirected never gets here. The sockets are those that
//! hold the ports ([`crate::ports`]); one task waits on each.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::Protocol;
use crate::ports::Published;

/// Connections and UDP clients carried at once, over all ports of a container.
const CARRIED: usize = 512;
/// How long a UDP client may be silent; upstream's figure.
const SILENCE: Duration = Duration::from_secs(90);
/// The longest datagram.
const DATAGRAM: usize = u16::MAX as usize;
/// How long the runtime may take to close sockets.
const CLOSING: Duration = Duration::from_secs(2);
/// How long the container may take to accept.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ports of one container. It ends when dropped, with all that is being carried: a container
/// that has gone says nothing any more, not even that it has.
#[derive(Debug)]
pub(crate) struct Proxy {
    tasks: Vec<JoinHandle<()>>,
    target: Target,
    /// Disconnected when no task has a socket any more.
    closed: Receiver<()>,
}

/// A socket that holds a port. Fields go in this order: it is closed before anybody hears that it is, also where its task
/// ends before it has begun.
struct Socket<S> {
    socket: S,
    _alive: SyncSender<()>,
}

type Target = Arc<RwLock<Option<IpAddr>>>;

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Proxy {
    /// Serves these sockets; `None` for a port without one.
    pub(crate) fn start(
        sockets: Vec<(Published, OwnedFd)>,
        to: Option<IpAddr>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let _context = runtime.enter();
        let target: Target = Arc::new(RwLock::new(to));
        let room = Arc::new(Semaphore::new(CARRIED));
        let (alive, closed) = sync_channel(0);
        let mut proxy = Self {
            tasks: Vec::with_capacity(sockets.len()),
            target,
            closed,
        };
        for (published, socket) in sockets {
            let carrier = Carrier {
                target: proxy.target.clone(),
                port: published.container_port,
                room: room.clone(),
            };
            let alive = alive.clone();
            let task = match published.protocol {
                Protocol::Tcp => runtime.spawn(carrier.listen(Socket {
                    socket: TcpListener::from_std(socket.into())?,
                    _alive: alive,
                })),
                Protocol::Udp => runtime.spawn(carrier.receive(Arc::new(Socket {
                    socket: UdpSocket::from_std(socket.into())?,
                    _alive: alive,
                }))),
                // Redirection only; the socket just holds the port, and the supervisor holds it.
                Protocol::Sctp => continue,
            };
            proxy.tasks.push(task);
        }
        Ok(proxy)
    }

    /// Ends it and waits until the ports are free: a task's sockets are closed by the runtime, after
    /// the task has been told to end. Not to be called by a task.
    pub(crate) fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        // Nothing is ever sent: this ends with the last sender, or with our patience.
        if self.closed.recv_timeout(CLOSING) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the sockets of published ports are not closed yet");
        }
    }

    /// New clients go to another address.
    pub(crate) fn retarget(&self, to: Option<IpAddr>) {
        *self.target.write().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

#[derive(Clone)]
struct Carrier {
    target: Target,
    port: u16,
    room: Arc<Semaphore>,
}

impl Carrier {
    fn target(&self) -> Option<SocketAddr> {
        let target = *self.target.read().unwrap_or_else(PoisonError::into_inner);
        Some(SocketAddr::new(target?, self.port))
    }

    /// Whoever finds no room waits, and those behind him in the listener's queue.
    async fn listen(self, listener: Socket<TcpListener>) {
        let mut carried = JoinSet::new();
        loop {
            match listener.socket.accept().await {
                Ok((client, _)) => {
                    let Ok(permit) = self.room.clone().acquire_owned().await else {
                        return;
                    };
                    while carried.try_join_next().is_some() {}
                    carried.spawn(carry(client, self.target(), permit));
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection to a published port was lost");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Each client has a socket of its own towards the container, so that answers find back.
    async fn receive(self, port: Arc<Socket<UdpSocket>>) {
        let socket = &port.socket;
        let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut answering = JoinSet::new();
        loop {
            // Neither has taken anything before it is ready.
            tokio::select! {
                _ = socket.readable() => {
                    let Ok((datagram, from)) = receive_from(socket) else { continue };
                    if !clients.contains_key(&from)
                        && let Some((inner, permit)) = self.client().await
                    {
                        answering.spawn(answer(inner.clone(), port.clone(), from, permit));
                        clients.insert(from, inner);
                    }
                    if let Some(to) = clients.get(&from) {
                        // A container that does not listen is its own affair.
                        let _ = to.send(&datagram).await;
                    }
                }
                Some(Ok(silent)) = answering.join_next() => {
                    clients.remove(&silent);
                }
            }
        }
    }

    async fn client(&self) -> Option<(Arc<UdpSocket>, OwnedSemaphorePermit)> {
        let permit = self.room.clone().try_acquire_owned().ok()?;
        let target = self.target()?;
        let any: IpAddr = if target.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let inner = UdpSocket::bind((any, 0)).await.ok()?;
        inner.connect(target).await.ok()?;
        Some((Arc::new(inner), permit))
    }
}

/// On the stack for a moment: waiting needs no buffer.
fn receive_from(socket: &UdpSocket) -> io::Result<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; DATAGRAM];
    let (length, from) = socket.try_recv_from(&mut buffer)?;
    Ok((buffer[..length].to_vec(), from))
}

/// Each side's end of writing is passed on; the other direction goes on until it ends too.
async fn carry(mut client: TcpStream, target: Option<SocketAddr>, _permit: OwnedSemaphorePermit) {
    let Some(target) = target else { return };
    match timeout(PATIENCE, TcpStream::connect(target)).await {
        Ok(Ok(mut container)) => {
            // Either side may end the conversation at any time: that is no error of ours.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut container).await;
        }
        refused => {
            tracing::debug!(?refused, %target, "a container does not accept");
            // The client's connection is reset, as the container would have: an orderly end would
            // look like an empty answer.
            let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
        }
    }
}

/// Carries answers to a client until there is silence; which client it was.
async fn answer(
    inner: Arc<UdpSocket>,
    port: Arc<Socket<UdpSocket>>,
    to: SocketAddr,
    _permit: OwnedSemaphorePermit,
) -> SocketAddr {
    while let Ok(Ok(())) = timeout(SILENCE, inner.readable()).await {
        while let Ok((datagram, _)) = receive_from(&inner) {
            // The client may have gone: that is for the silence to find out.
            let _ = port.socket.send_to(&datagram, to).await;
        }
    }
    to
}

#[cfg(test)]
mod tests;
