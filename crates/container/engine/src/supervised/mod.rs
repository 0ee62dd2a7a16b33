//! The daemon's end of the supervisor's protocol (`docs/formats/supervisor-protocol.md`).
//!
//! One task reads the connection: answers go to whoever asked, by request id; events go to the
//! engine, through a queue longer than all processes a supervisor may have. The daemon holds what
//! a killed supervisor would take with it (pidfds, inputs, the read ends that are logged from) and
//! hands it to the next one, so that a container notices the death of neither.

mod blocking;
mod error;
mod link;
mod process;
mod tended;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor::protocol::{
    Event, ExitRecord, Key, Leftovers, LogStats, Name, OLDEST, Reply, Request, Role, VERSION,
};
use sys::socket::SeqPacket;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};

pub use error::SupervisorError;
use link::{Answer, Link};
pub(crate) use process::Streams;
pub use process::{Launch, Started};
use tended::Tended;
pub(crate) use tended::{Entry, Found};

/// Requests under way at once; more wait for their turn.
const MAX_REQUESTS: usize = 512;
/// Events that wait for the engine: twice what a full supervisor could have to tell.
const MAX_EVENTS: usize = 4096;
/// Pause between two attempts to reach a supervisor that is not there.
const RETRY: Duration = Duration::from_millis(100);
/// How long a request waits for a supervisor that was lost; the next one takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts a supervisor in place of one that was killed.
pub trait Successor: std::fmt::Debug + Send + Sync {
    /// Called again and again, from a thread that may block, while nobody listens at the socket:
    /// starts one unless one is starting.
    ///
    /// # Errors
    /// It cannot be started.
    fn start(&self) -> io::Result<()>;
}

/// How the supervisor is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its socket: where to connect, and to connect again when it was killed. Without one a
    /// connection that is lost stays lost.
    pub socket: Option<PathBuf>,
    /// The executable that workers run. `/proc/self/exe` is the supervisor's own, sealed image.
    pub worker: PathBuf,
    /// Who starts the next supervisor when this one was killed; without one it is waited for.
    pub successor: Option<Arc<dyn Successor>>,
}

impl Config {
    /// A supervisor at `socket` whose workers run its own image.
    #[must_use]
    pub fn at(socket: PathBuf) -> Self {
        Self {
            socket: Some(socket),
            worker: "/proc/self/exe".into(),
            successor: None,
        }
    }
}

/// What the supervisor tells the engine.
#[derive(Debug)]
pub enum Notice {
    /// A process has ended and its output is logged.
    Exited(ExitRecord),
    /// A process's init program could not do something that it may leave undone.
    Warning {
        /// Whose.
        key: Key,
        /// The operation's index.
        operation: u32,
        /// What the kernel said.
        errno: i32,
    },
    /// A log began or ceased to drop entries.
    Log {
        /// Whose.
        key: Key,
        /// The log as it is now.
        log: LogStats,
    },
    /// There is a connection again, perhaps to another supervisor, which counts exits anew: whatever was
    /// told meanwhile must be asked for.
    Reconnected,
    /// A newer daemon has taken over.
    Superseded,
}

/// A handle to the supervisor. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Supervisor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    handle: Handle,
    link: watch::Sender<Option<Arc<Link>>>,
    requests: Semaphore,
    notices: mpsc::Sender<Notice>,
    /// Until the engine takes it.
    inbox: Mutex<Option<mpsc::Receiver<Notice>>>,
    tended: Mutex<Tended>,
    workers: std::sync::atomic::AtomicU64,
}

impl Supervisor {
    /// Connects and says hello. `handle` runs the task that reads the connection.
    ///
    /// # Errors
    /// Nobody listens there, or it speaks another version.
    pub async fn connect(config: Config, handle: Handle) -> io::Result<Self> {
        let path = config.socket.clone().ok_or(io::ErrorKind::InvalidInput)?;
        let socket = SeqPacket::connect(&path)?;
        Self::greet(socket, config, handle).await
    }

    /// Says hello on the connection that the supervisor gave its daemon as a descriptor.
    ///
    /// # Errors
    /// It is no such connection, or the supervisor speaks another version.
    pub async fn from_descriptor(socket: OwnedFd, config: Config, handle: Handle) -> io::Result<Self> {
        Self::greet(SeqPacket::from(socket), config, handle).await
    }

    async fn greet(socket: SeqPacket, config: Config, handle: Handle) -> io::Result<Self> {
        let (notices, inbox) = mpsc::channel(MAX_EVENTS);
        let supervisor = Self(Arc::new(Shared {
            config,
            handle,
            link: watch::Sender::new(None),
            requests: Semaphore::new(MAX_REQUESTS),
            notices,
            inbox: Mutex::new(Some(inbox)),
            tended: Mutex::default(),
            workers: 1.into(),
        }));
        let link = supervisor.open(socket).await?;
        if !supervisor.take_into_use(&link) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(supervisor)
    }

    /// Says hello on a new connection.
    async fn open(&self, socket: SeqPacket) -> io::Result<Arc<Link>> {
        let link = Arc::new(Link::new(socket)?);
        self.0.handle.spawn(self.clone().read(link.clone()));
        let hello = Request::Hello {
            oldest: OLDEST,
            newest: VERSION,
            role: Role::Daemon {},
            software: env!("CARGO_PKG_VERSION").into(),
        };
        match link.call(&hello, &[]).await.map_err(io::Error::other)? {
            (Reply::Welcome { .. }, _) => Ok(link),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Lets requests use a connection; false if it has ended by now.
    fn take_into_use(&self, link: &Arc<Link>) -> bool {
        self.0.link.send_replace(Some(link.clone()));
        !(link.has_ended() && self.take_out_of_use(link))
    }

    /// Whether it was in use: whoever takes it out looks for the next one.
    fn take_out_of_use(&self, link: &Arc<Link>) -> bool {
        self.0.link.send_if_modified(|current| {
            let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, link));
            if ours {
                *current = None;
            }
            ours
        })
    }

    /// Reads a connection to its end, then looks for the next.
    async fn read(self, link: Arc<Link>) {
        let superseded = link.read(|event| self.tell(event)).await;
        let used = self.take_out_of_use(&link);
        if superseded {
            // The engine ends; a full queue ends it too.
            let _ = self.0.notices.try_send(Notice::Superseded);
        } else if used {
            tracing::warn!("lost the supervisor");
            self.0.handle.spawn(self.clone().reconnect());
        }
    }

    /// Boxed, because the task that reads a connection begins the one that looks for the next.
    fn reconnect(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let path = self.0.config.socket.clone();
        Box::pin(async move {
            if let Some(path) = path {
                self.reconnect_at(&path).await;
            }
        })
    }

    async fn reconnect_at(&self, path: &Path) {
        loop {
            tokio::time::sleep(RETRY).await;
            if self.0.notices.is_closed() {
                continue;
            }
            let Ok(socket) = SeqPacket::connect(path) else {
                self.start_successor().await;
                continue;
            };
            // Before anything that is told on it: a new supervisor counts exits anew.
            let _ = self.0.notices.send(Notice::Reconnected).await;
            let Ok(link) = self.open(socket).await else {
                continue;
            };
            self.hand_back(&link).await;
            if self.take_into_use(&link) {
                tracing::info!("there is a supervisor again");
                return;
            }
        }
    }

    async fn start_successor(&self) {
        let Some(successor) = self.0.config.successor.clone() else {
            return;
        };
        let started = self.0.handle.spawn_blocking(move || successor.start()).await;
        if let Ok(Err(error)) = started {
            tracing::error!(%error, "cannot start a supervisor");
        }
    }

    /// Passes an event on. One that the queue has no room for is not lost: the engine asks for
    /// exits again when it finds a gap in their numbers.
    fn tell(&self, event: Event) {
        let notice = match event {
            Event::Exited { record } => Notice::Exited(record),
            Event::Warning {
                key,
                operation,
                errno,
            } => Notice::Warning {
                key,
                operation,
                errno,
            },
            Event::LogTrouble { key, log } => Notice::Log { key, log },
            Event::Superseded {} | Event::Synced { .. } => return,
        };
        if self.0.notices.try_send(notice).is_err() {
            tracing::debug!("an event of the supervisor found no room");
        }
    }

    /// What the supervisor tells; for the one engine of this daemon.
    pub(crate) fn take_notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn tended(&self) -> MutexGuard<'_, Tended> {
        self.0.tended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks and waits for the answer.
    async fn call(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<Answer, SupervisorError> {
        let _turn = self
            .0
            .requests
            .acquire()
            .await
            .map_err(|_| SupervisorError::Lost)?;
        let link = self.link().await.ok_or(SupervisorError::Lost)?;
        error::judge(link.call(request, fds).await?)
    }

    /// The connection in use, or the one that is next.
    async fn link(&self) -> Option<Arc<Link>> {
        let mut links = self.0.link.subscribe();
        let next = links.wait_for(Option::is_some);
        let link = tokio::time::timeout(PATIENCE, next).await.ok()?.ok()?;
        link.clone()
    }

    async fn done(&self, request: Request) -> Result<(), SupervisorError> {
        match self.call(&request, &[]).await? {
            (Reply::Done {}, _) => Ok(()),
            (other, _) => Err(SupervisorError::unexpected(&other)),
        }
    }

    /// Sends a signal to a process.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] if there is none.
    pub async fn signal(&self, key: &Key, number: u32) -> Result<(), SupervisorError> {
        let key = key.clone();
        self.done(Request::Signal { key, number }).await
    }

    /// Changes the size of a process's terminal.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] if it has none.
    pub async fn resize(&self, key: &Key, rows: u16, columns: u16) -> Result<(), SupervisorError> {
        let key = key.clone();
        self.done(Request::Resize { key, rows, columns }).await
    }

    /// Ends a process's input: nobody but whoever has attached it can write any more.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] if there is no such process, or it has a terminal.
    pub async fn close_stdin(&self, key: &Key) -> Result<(), SupervisorError> {
        self.tended().close_input(key);
        let key = key.clone();
        self.done(Request::CloseStdin { key }).await
    }

    /// Exit records after a sequence number, all of them.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn exits(&self, after: u64) -> Result<Vec<ExitRecord>, SupervisorError> {
        let mut all: Vec<ExitRecord> = Vec::new();
        loop {
            let after = all.last().map_or(after, |last| last.sequence);
            match self.call(&Request::Exits { after }, &[]).await? {
                (Reply::ExitList { records, more }, _) => {
                    all.extend(records);
                    if !more {
                        return Ok(all);
                    }
                }
                (other, _) => return Err(SupervisorError::unexpected(&other)),
            }
        }
    }

    /// Forgets exit records up to and including this one.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn ack(&self, through: u64) -> Result<(), SupervisorError> {
        self.done(Request::Ack { through }).await
    }

    /// Starts a log file anew; the old one is renamed first if there is a suffix.
    ///
    /// # Errors
    /// There is no such log, or the disk refuses.
    pub async fn reopen_log(&self, key: &Key, suffix: Option<Name>) -> Result<(), SupervisorError> {
        let key = key.clone();
        self.done(Request::ReopenLog { key, suffix }).await
    }

    /// Ends the daemon and the supervisor, after `grace`.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn shut_down(&self, kill: bool, grace: Duration) -> Result<(), SupervisorError> {
        let leftovers = if kill {
            Leftovers::Kill {}
        } else {
            Leftovers::Leave {}
        };
        let grace = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
        self.done(Request::Shutdown { leftovers, grace }).await
    }
}

/// Descriptors of a packet, as they are sent.
fn borrow<'a>(fds: impl IntoIterator<Item = &'a Arc<OwnedFd>>) -> Vec<BorrowedFd<'a>> {
    fds.into_iter().map(|fd| fd.as_fd()).collect()
}
