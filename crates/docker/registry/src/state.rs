//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use driver::Clock;
use https::Budget;
use tokio::task::spawn_blocking;

use crate::access::Access;
use crate::cache::Manifests;
use crate::content::Content;
use crate::error::{Fault, internal};
use crate::hooks::Hooks;
use crate::mirror::Mirror;
use crate::upkeep::Upkeep;
use crate::uploads::table::Uploads;

/// Bytes of manifests that are on their way in, all clients together.
pub(crate) const UNFINISHED: usize = 64 << 20;

/// What the registry takes from clients at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a blob.
    pub blob: u64,
    /// Uploads that are open at once.
    pub uploads: usize,
    /// Of those, one client's (a user, an address or everybody on loopback).
    pub uploads_of_one_client: usize,
    /// How long nobody may work on an upload before it is given up.
    pub idle_upload: Duration,
    /// Connections at once.
    pub connections: usize,
    /// How long a blob that no manifest names is kept after it was last pushed, mounted or asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob: 256 << 30,
            uploads: 1024,
            uploads_of_one_client: 512,
            idle_upload: Duration::from_secs(3600),
            connections: 1024,
            grace: Duration::from_secs(3600),
        }
    }
}

pub(crate) struct State {
    pub(crate) content: Arc<dyn Content>,
    /// `localhost:PORT`: what names belong to.
    pub(crate) domain: String,
    pub(crate) access: Access,
    pub(crate) read_only: bool,
    pub(crate) limits: Limits,
    pub(crate) uploads: Uploads,
    pub(crate) manifests: Manifests,
    /// Manifests that are not whole yet.
    pub(crate) unfinished: Budget,
    pub(crate) hooks: Hooks,
    pub(crate) mirror: Mirror,
    pub(crate) upkeep: Arc<Upkeep>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Runs what waits for the disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static, E: Into<Fault> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Fault> {
    let done = spawn_blocking(work).await.map_err(|ended| internal(&ended))?;
    done.map_err(Into::into)
}
