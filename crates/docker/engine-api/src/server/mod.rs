//! HTTP as docker speaks it, knowing nothing about containers: connections, hijacking, versions,
//! queries, bodies, the router. Handlers see a [`call::Call`] and give back a [`reply::Reply`].

pub(crate) mod body;
pub(crate) mod call;
mod connection;
pub(crate) mod dispatch;
mod gate;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod router;
pub(crate) mod version;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use dispatch::Dispatch;

/// Headers that every answer has. The API version is [`version::NEWEST`] (a test compares them).
pub(crate) const COMMON_HEADERS: [(&str, &str); 3] = [
    ("api-version", "1.50"),
    ("docker-experimental", "false"),
    ("ostype", "linux"),
];

/// Clients at once; further ones wait in the listener's backlog. A container's attach, logs and
/// events hold a connection each, and the daemon's limit of descriptors is 20,000.
const CLIENTS: usize = 4096;
/// How long accepting rests after an error such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// How long running requests may take to end after `shutdown`.
const DRAIN: Duration = Duration::from_secs(5);

/// Accepts clients until `shutdown` resolves, then lets running requests end within five seconds.
pub(crate) async fn serve<S: Send + Sync + 'static>(
    listener: UnixListener,
    dispatch: Arc<Dispatch<S>>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CLIENTS));
    let (stop, stopping) = watch::channel(false);
    let mut clients = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        // Accepting is cancel-safe, and finished clients are only reaped here.
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = clients.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (dispatch, stopping) = (dispatch.clone(), stopping.clone());
                clients.spawn(async move {
                    connection::run(stream, dispatch, stopping).await;
                    drop(place);
                });
            }
            Err(cause) => {
                tracing::warn!(%cause, "accepting a client failed");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    stop.send_replace(true);
    let drained = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        clients.shutdown().await;
    }
    Ok(())
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(tokio::net::UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}
