//! Work that must not stop where its asker does, and work that may block.

use std::panic::resume_unwind;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::error::Error;

/// Runs an operation to its end, even if whoever waits for it goes away.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    joined(tokio::spawn(work)).await
}

/// Runs what may block on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// A task's own panic is its asker's. One is cancelled only when the executor ends, and its asker
/// with it.
async fn joined<T>(handle: JoinHandle<T>) -> T {
    match handle.await.map_err(JoinError::try_into_panic) {
        Ok(value) => value,
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => std::future::pending().await,
    }
}

/// Work that nobody waits for but the end of the engine.
#[derive(Debug)]
pub(crate) struct Background(watch::Sender<usize>);

impl Default for Background {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Background {
    /// Counts as work for as long as the answer lives.
    pub(crate) fn begin(&self) -> Running {
        Running::of(&self.0)
    }

    /// Runs a task.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let running = self.begin();
        tokio::spawn(async move {
            work.await;
            drop(running);
        });
    }

    /// Runs what may block.
    pub(crate) fn block(&self, work: impl FnOnce() + Send + 'static) {
        let running = self.begin();
        tokio::task::spawn_blocking(move || {
            work();
            drop(running);
        });
    }

    /// Waits until nothing runs.
    pub(crate) async fn settled(&self) {
        // The sender is our own.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// Counts a task for as long as it lives, also one that panics.
#[derive(Debug)]
pub(crate) struct Running(watch::Sender<usize>);

impl Running {
    fn of(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
