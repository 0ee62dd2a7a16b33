//! Work that must not stop where its asker does, and work that may block.

use std::panic::resume_unwind;

use crate::engine::Inner;
use crate::error::Error;

/// Runs an operation to its end, even if whoever waits for it goes away.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    joined(tokio::spawn(work).await)
}

/// Runs what may block on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work).await)
}

/// A task's own panic is its asker's; tasks are never cancelled.
fn joined<T>(joined: Result<T, tokio::task::JoinError>) -> T {
    match joined {
        Ok(value) => value,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

/// Waits until nothing of the ended containers is being cleared away any more.
pub(crate) async fn settled(inner: &Inner) {
    for entry in inner.table.entries() {
        drop(entry.operation.lock().await);
    }
}
