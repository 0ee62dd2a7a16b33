//! The Engine API's door: its socket, which outlives the daemon, and the task that serves it.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use builder::Builder;
use disk::Disk;
use distribution::Registries;
use driver::{Clock, Rng};
use engine::Engine;
use engine::supervised::Supervisor;
use engine_api::{Api, HostInfo};
use network::Holder;
use store::{Expect, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::listen;
use crate::node::Error;

/// The engine version whose shapes are spoken (`ApiVersion` 1.50).
const ENGINE_VERSION: &str = "28.2.2";
/// What the supervisor keeps the listening socket under: clients that come while no daemon runs wait.
const HELD: &str = "cluster.docker";
/// How long requests that are under way may still take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the door leads to.
pub(crate) struct Rooms {
    pub(crate) engine: Engine,
    pub(crate) builder: Builder,
    pub(crate) registries: Registries,
    pub(crate) disk: Disk,
}

/// The served door.
pub(crate) struct Docker {
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Docker {
    /// Begins to serve.
    ///
    /// # Errors
    /// The socket is somebody else's, or cannot be made.
    pub(crate) fn serve(
        config: &Config,
        holder: &dyn Holder,
        rooms: Rooms,
        store: &dyn Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let listener = tokio::net::UnixListener::from_std(listener(config, holder)?)?;
        let host = HostInfo::read(&node_id(store)?, ENGINE_VERSION, &config.data_dir);
        let Rooms {
            engine,
            builder,
            registries,
            disk,
        } = rooms;
        let api = Api::new((engine, builder), registries, disk, host, clock);
        let (shutdown, told) = oneshot::channel();
        let task = tokio::spawn(engine_api::serve(listener, api, async {
            // Dropping the sender means the same.
            drop(told.await);
        }));
        Ok(Self { shutdown, task })
    }

    /// Ends it. With `handover` the socket stays, for the next daemon.
    pub(crate) async fn close(mut self, config: &Config, holder: &Supervisor, handover: bool) {
        // A door that has ended by itself does not listen.
        let _ = self.shutdown.send(());
        if tokio::time::timeout(PATIENCE, &mut self.task).await.is_err() {
            self.task.abort();
        }
        if !handover {
            drop(std::fs::remove_file(&config.docker_socket));
            // It may have gone first.
            drop(tokio::task::block_in_place(|| holder.release(HELD)));
        }
    }
}

/// The socket of the daemon before, if its name is still there, or a new one.
fn listener(config: &Config, holder: &dyn Holder) -> Result<UnixListener, Error> {
    let kept = holder.retrieve(HELD)?.pop();
    if let Some(kept) = kept.filter(|_| config.docker_socket.exists()) {
        return Ok(kept.into());
    }
    let group = listen::group("docker");
    let listener = listen::bind(&config.docker_socket, 0o660, group)?;
    holder.hold(HELD, &[listener.as_fd()])?;
    Ok(listener)
}

/// The node's own id, which it got when it was new.
fn node_id(store: &dyn Store) -> Result<String, Error> {
    const KEY: &[u8] = b"/node/id";
    if let Some(row) = store.get(KEY).wait()? {
        return Ok(String::from_utf8_lossy(&row.value).into_owned());
    }
    let id = uuid(&mut Rng::from_os()?);
    store.put(KEY.into(), id.clone().into(), Expect::Absent).wait()?;
    Ok(id)
}

/// RFC 9562 version 4.
fn uuid(rng: &mut Rng) -> String {
    let (high, low) = (rng.next_u64(), rng.next_u64());
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let (high, low) = (format!("{high:016x}"), format!("{low:016x}"));
    [&high[..8], &high[8..12], &high[12..], &low[..4], &low[4..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_its_version_and_variant() {
        let id = uuid(&mut Rng::from_seed(1));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
