//! Input: a client's bytes on their way to the process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::Hub;
use crate::readiness;

/// Chunks of input that wait for the process.
const BACKLOG: usize = 8;

/// Where a process's input is.
#[derive(Clone, Debug)]
pub(crate) enum InputState {
    /// The process is about to run.
    Waiting,
    /// It reads from the other end of this.
    Open(Arc<OwnedFd>),
    /// It has none (any more).
    Ended,
}

/// The input of a process: bytes arrive in order. Dropping it is the client's half close, which the
/// process sees as the end of its input if the container says so; [`Input::detach`] leaves without.
#[derive(Debug)]
pub struct Input {
    sender: mpsc::Sender<Bytes>,
    detached: Arc<AtomicBool>,
}

impl Input {
    /// Hands over input, waiting while the process does not read. Cancel-safe: input is handed over
    /// whole or not at all.
    ///
    /// # Errors
    /// The process has ended or has closed its input.
    pub async fn write(&self, bytes: Bytes) -> io::Result<()> {
        let sent = self.sender.send(bytes).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends the client's input.
    pub fn close(self) {}

    /// Leaves the process's input as it is (the detach keys).
    pub fn detach(self) {
        self.detached.store(true, Ordering::Relaxed);
    }
}

impl Hub {
    /// A way to write to the process, from when it runs on. `ended` is called when the client has
    /// closed it and everything has been written.
    pub(crate) fn writer<F>(self: &Arc<Self>, ended: impl FnOnce() -> F + Send + 'static) -> Input
    where
        F: Future<Output = ()> + Send,
    {
        let (sender, chunks) = mpsc::channel(BACKLOG);
        let detached = Arc::new(AtomicBool::new(false));
        let (state, leaving) = (self.input(), detached.clone());
        tokio::spawn(async move {
            let written = carry(chunks, state).await;
            if matches!(written, Ok(true)) && !leaving.load(Ordering::Relaxed) {
                ended().await;
            }
        });
        Input { sender, detached }
    }
}

/// Writes chunks until there are no more (true) or the process has ended (false).
async fn carry(
    mut chunks: mpsc::Receiver<Bytes>,
    mut state: watch::Receiver<InputState>,
) -> io::Result<bool> {
    let open = state
        .wait_for(|state| !matches!(state, InputState::Waiting))
        .await
        .map(|state| state.clone());
    let Ok(InputState::Open(fd)) = open else {
        return Ok(false);
    };
    // A duplicate: each writer waits for room by itself.
    let fd = fd.try_clone()?;
    sys::pipe::set_nonblocking(&fd)?;
    let pipe = readiness::watched(fd)?;
    while let Some(chunk) = chunks.recv().await {
        let ended = state.wait_for(|state| matches!(state, InputState::Ended));
        tokio::select! {
            written = write_all(&pipe, &chunk) => written?,
            _ = ended => return Ok(false),
        }
    }
    Ok(true)
}

async fn write_all(pipe: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = pipe
            .async_io(Interest::WRITABLE, |fd| sys::pipe::write(fd.as_fd(), bytes))
            .await?;
        bytes = &bytes[written..];
    }
    Ok(())
}
