//! A listening door: accepts within its limits, and drains.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::connection::{Phase, Shared, attend};
use crate::{Identity, Limits, Plain, Service, TlsError};

/// What is waited when the kernel has no descriptor or memory for another connection.
const SHORT_OF: Duration = Duration::from_millis(50);
/// How long connections have to end after they were cut.
const CUT: Duration = Duration::from_secs(1);

/// A served port.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<()>,
    seats: Arc<Semaphore>,
    limits: Limits,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Whole,
    /// So many connections were cut off in the middle.
    Cut(usize),
}

impl Door {
    /// Serves `listener` on the current executor.
    ///
    /// # Errors
    /// The identity is unusable, or the executor cannot watch the socket.
    pub fn open<S: Service>(
        listener: StdListener,
        identity: Identity,
        limits: Limits,
        service: S,
    ) -> Result<Self, OpenError> {
        Self::open_also_plain(listener, identity, Plain::Never, limits, service)
    }

    /// The same, where some may also speak plain HTTP: a connection's first byte says whether it begins with TLS.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_also_plain<S: Service>(
        listener: StdListener,
        identity: Identity,
        plain: Plain,
        limits: Limits,
        service: S,
    ) -> Result<Self, OpenError> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let tls = TlsAcceptor::from(identity.server()?);
        let (phase, seats) = (
            watch::Sender::new(Phase::Open),
            Arc::new(Semaphore::new(limits.connections)),
        );
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(
                listener,
                Arc::new(Shared::new(service, limits, tls, plain)),
                seats.clone(),
                phase.clone(),
            )),
            phase,
            seats,
            limits,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, answers what has been asked, and ends; after `patience` connections are cut.
    /// The service should end its endless answers first.
    pub async fn drain(self, patience: Duration) -> Drained {
        self.accepting.abort();
        self.phase.send_replace(Phase::Draining);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        if timeout(patience, self.seats.acquire_many(all)).await.is_ok() {
            return Drained::Whole;
        }
        let left = self.limits.connections - self.seats.available_permits();
        self.phase.send_replace(Phase::Cut);
        drop(timeout(CUT, self.seats.acquire_many(all)).await);
        Drained::Cut(left)
    }
}

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The identity is unusable.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The executor cannot watch the socket.
    #[error(transparent)]
    Io(#[from] io::Error),
}

async fn accept<S: Service>(
    listener: TcpListener,
    shared: Arc<Shared<S>>,
    seats: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
) {
    loop {
        let Some(seat) = seat(&seats, &shared.crowded).await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let connection = attend(stream, address, shared.clone(), phase.subscribe());
                tokio::spawn(async move {
                    connection.await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(SHORT_OF).await;
            }
        }
    }
}

/// A seat for the next connection. Where there is none, idle ones make room.
async fn seat(seats: &Arc<Semaphore>, crowded: &watch::Sender<bool>) -> Option<OwnedSemaphorePermit> {
    if let Ok(seat) = seats.clone().try_acquire_owned() {
        return Some(seat);
    }
    crowded.send_replace(true);
    let seat = seats.clone().acquire_owned().await;
    crowded.send_replace(false);
    seat.ok()
}
