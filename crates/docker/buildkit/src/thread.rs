//! Work that waits for the disk and for a peer in turns.

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::grpc::{Boxed, Code, Status};

/// Runs a future that blocks on the disk where that is allowed; it ends when nobody waits any more.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: Boxed<'static, Result<T, Status>>,
) -> Result<T, Status> {
    let (_alive, waiting) = oneshot::channel::<()>();
    let thread = tokio::task::spawn_blocking(move || {
        Handle::current().block_on(async {
            tokio::select! {
                biased;
                done = work => done,
                _ = waiting => Err(Status::new(Code::Cancelled, "context canceled")),
            }
        })
    });
    thread.await.unwrap_or_else(|cause| {
        Err(Status::new(
            Code::Internal,
            format!("a thread ended unexpectedly: {cause}"),
        ))
    })
}
