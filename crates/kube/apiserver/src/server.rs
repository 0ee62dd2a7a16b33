//! The server as its callers see it, and the state that its rooms share.

use std::sync::Arc;

use driver::Env;
use http::{Request, Response};
use store::Store;

use crate::cache::Cache;
use crate::registry::Chance;
use crate::{Body, Config, Incoming, Peer, Resources};

/// Why the server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] store::Error),
}

/// What every room of the server works with. A room keeps its own state in its own type, as a field here.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) resources: Resources,
    pub(crate) cache: Cache,
    pub(crate) chance: Chance,
}

/// A running API server. Clones share it.
#[derive(Clone)]
pub struct ApiServer(pub(crate) Arc<State>);

impl ApiServer {
    /// Opens a server over a store: fills the watch cache, writes what a new cluster needs, and starts its tasks on
    /// `env`.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(config: Config, store: Arc<dyn Store>, env: Arc<dyn Env>) -> Result<Self, OpenError> {
        let resources = Resources::builtin();
        let cache = Cache::open(store.clone(), env.clone()).await?;
        let chance = Chance::new(env.rng());
        Ok(Self(Arc::new(State {
            config,
            store,
            env,
            resources,
            cache,
            chance,
        })))
    }

    /// Answers one request.
    #[expect(clippy::unused_async, reason = "WRITE fills this in")]
    pub async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let state = &self.0;
        tracing::trace!(path = request.uri().path(), ?peer, now = ?state.env.now(), revision = state.store.revision().0, port = state.config.port, epoch = state.resources.epoch());
        Response::new(Body::empty())
    }

    /// Ends watches and background tasks; returns when none is left. Requests that come later get 503.
    #[expect(clippy::unused_async, reason = "WRITE fills this in")]
    pub async fn drain(&self) {}
}
