//! Published ports for clients that cannot be redirected: those who come by IPv6 to a container
//! without it, and those at ::1. Their bytes are carried over by this process.
//!
//! It is the exception: whatever can be redirected never gets here. The sockets are those that
//! hold the ports ([`crate::ports`]); one task waits on each.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::Protocol;
use crate::ports::Published;

/// Connections and UDP clients carried at once, over all ports of a container.
const CARRIED: usize = 512;
/// How long a UDP client may be silent; upstream's figure.
const SILENCE: Duration = Duration::from_secs(90);
/// How long the container may take to accept.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ports of one container. It ends when dropped; what is being carried goes on.
#[derive(Debug)]
pub(crate) struct Proxy {
    tasks: Vec<JoinHandle<()>>,
    target: Target,
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
        let mut proxy = Self {
            tasks: Vec::with_capacity(sockets.len()),
            target,
        };
        for (published, socket) in sockets {
            let carrier = Carrier {
                target: proxy.target.clone(),
                port: published.container_port,
                room: room.clone(),
            };
            match published.protocol {
                Protocol::Tcp => proxy
                    .tasks
                    .push(runtime.spawn(carrier.listen(TcpListener::from_std(socket.into())?))),
                Protocol::Udp => proxy
                    .tasks
                    .push(runtime.spawn(carrier.receive(UdpSocket::from_std(socket.into())?))),
                // Redirection only; the socket just holds the port, and the supervisor holds it.
                Protocol::Sctp => {}
            }
        }
        Ok(proxy)
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

    async fn listen(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let Ok(permit) = self.room.clone().acquire_owned().await else {
                        return;
                    };
                    tokio::spawn(carry(client, self.target(), permit));
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection to a published port was lost");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Each client has a socket of its own towards the container, so that answers find back.
    async fn receive(self, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut clients: HashMap<SocketAddr, (Arc<UdpSocket>, JoinHandle<()>)> = HashMap::new();
        while socket.readable().await.is_ok() {
            clients.retain(|_, (_, task)| !task.is_finished());
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = socket.try_recv_from(&mut buffer) {
                if !clients.contains_key(&from)
                    && let Some(client) = self.client(&socket, from).await
                {
                    clients.insert(from, client);
                }
                if let Some((to, _)) = clients.get(&from) {
                    // A container that does not listen is its own affair.
                    let _ = to.send(&buffer[..length]).await;
                }
            }
        }
    }

    async fn client(
        &self,
        socket: &Arc<UdpSocket>,
        from: SocketAddr,
    ) -> Option<(Arc<UdpSocket>, JoinHandle<()>)> {
        let permit = self.room.clone().try_acquire_owned().ok()?;
        let target = self.target()?;
        let any: IpAddr = if target.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let inner = Arc::new(UdpSocket::bind((any, 0)).await.ok()?);
        inner.connect(target).await.ok()?;
        let task = tokio::spawn(answer(inner.clone(), socket.clone(), from, permit));
        Some((inner, task))
    }
}

async fn carry(mut client: TcpStream, target: Option<SocketAddr>, _permit: OwnedSemaphorePermit) {
    let Some(target) = target else { return };
    match timeout(PATIENCE, TcpStream::connect(target)).await {
        Ok(Ok(mut container)) => {
            // Either side may end the conversation at any time: that is no error of ours.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut container).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %target, "a container does not accept"),
        Err(_) => tracing::debug!(%target, "a container does not answer"),
    }
}

async fn answer(
    inner: Arc<UdpSocket>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    while let Ok(Ok(())) = timeout(SILENCE, inner.readable()).await {
        let mut buffer = vec![0; 65_535];
        while let Ok(length) = inner.try_recv(&mut buffer) {
            if socket.send_to(&buffer[..length], to).await.is_err() {
                return;
            }
        }
    }
}
