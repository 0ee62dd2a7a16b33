//! Input: a client's bytes on their way to the process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::{Client, Hub};
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
    /// A client's way to write to the process, from when it runs on. `ended` is called when the
    /// client has closed it and everything has been written.
    pub(crate) fn writer<F>(&self, client: &Client, ended: impl FnOnce() -> F + Send + 'static) -> Input
    where
        F: Future<Output = ()> + Send,
    {
        let (sender, chunks) = mpsc::channel(BACKLOG);
        let detached = Arc::new(AtomicBool::new(false));
        let (state, leaving, client) = (self.input(), detached.clone(), client.clone());
        tokio::spawn(async move {
            let written = carry(chunks, state, client).await;
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
    client: Client,
) -> io::Result<bool> {
    let open = tokio::select! {
        // Who wants no output drops it at once, and writes to a process that runs all the same.
        biased;
        open = state.wait_for(|state| !matches!(state, InputState::Waiting)) => {
            open.map(|state| state.clone())
        }
        // A process that is waited for may never run; what a client that has gone wrote is nobody's.
        () = client.gone() => return Ok(false),
    };
    // Whoever holds a client holds its output open.
    drop(client);
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
    Ok(!matches!(*state.borrow(), InputState::Ended))
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;
    use crate::supervised::Streams;

    #[tokio::test]
    async fn who_wants_no_output_writes_all_the_same() {
        for _ in 0..64 {
            let hub = Arc::new(Hub::default());
            let (mut reader, writer) = io::pipe().unwrap();
            hub.open(Streams {
                input: Some(Arc::new(writer.into())),
                ..Streams::default()
            });
            let (client, output) = Client::new(false, false);
            let (done, written) = tokio::sync::oneshot::channel();
            let input = hub.writer(&client, || async move {
                let _ = done.send(());
            });
            drop((client, output));
            input.write(Bytes::from_static(b"heard")).await.unwrap();
            drop(input);
            assert!(written.await.is_ok(), "its input is not carried");
            let mut heard = [0; 5];
            reader.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"heard");
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_run_that_never_comes_leaves_nothing_when_it_goes() {
        let hub = Hub::default();
        let (client, output) = Client::new(true, true);
        let input = hub.writer(&client, || async {});
        hub.add(client);
        assert!(hub.has_clients());
        input.write(Bytes::from_static(b"early")).await.unwrap();
        drop(output);
        let left = tokio::time::timeout(Duration::from_secs(20), input.sender.closed()).await;
        assert!(left.is_ok(), "its writer goes on waiting");
        assert!(!hub.has_clients());
    }
}
