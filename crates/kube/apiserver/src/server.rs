//! The server as its callers see it, and the state that its rooms share.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use driver::{Env, Rng};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kinds::alloc::Allocators;
use store::Store;

use crate::admission::{Ledger, Policies, Rules, Webhooks};
use crate::aggregation::{self, Aggregation};
use crate::authn::Authn;
use crate::authz::Authz;
use crate::cache::Cache;
use crate::fairness::{self, Fairness};
use crate::pipeline::{self, Flight, Health, Metrics};
use crate::registry::{EventLease, Services, settle_addresses};
use crate::show::Documents;
use crate::special::Components;
use crate::{Body, Config, Incoming, Peer, Resources, bootstrap, custom, ids};

/// Why the server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    /// The configured range of Service addresses is none.
    #[error("{0} is not a range of addresses")]
    ServiceCidr(String),
    /// What a new cluster needs could not be written.
    #[error("the first objects: {0}")]
    Bootstrap(String),
}

/// What every room of the server works with. A room keeps its own state in its own type, as a field here.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) resources: Resources,
    pub(crate) cache: Cache,
    pub(crate) authn: Authn,
    pub(crate) authz: Authz,
    pub(crate) flight: Flight,
    pub(crate) fairness: Fairness,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) documents: Documents,
    pub(crate) services: Services,
    pub(crate) event_lease: EventLease,
    pub(crate) rules: Rules,
    pub(crate) webhooks: Webhooks,
    pub(crate) policies: Policies,
    pub(crate) components: Components,
    pub(crate) quotas: Ledger,
    pub(crate) aggregation: Aggregation,
    rng: Mutex<Rng>,
}

impl State {
    /// A new random UUID.
    pub(crate) fn uuid(&self) -> String {
        self.with_rng(ids::uuid)
    }

    /// Draws from the server's stream of random numbers.
    pub(crate) fn with_rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the store answers a read at once: reads are in memory, and only a failed store keeps one waiting.
    pub(crate) fn store_answers(&self) -> bool {
        let mut read = std::pin::pin!(self.store.get(b"/registry/health"));
        let mut cx = Context::from_waker(Waker::noop());
        matches!(read.as_mut().poll(&mut cx), Poll::Ready(Ok(_)))
    }
}

/// A running API server. Clones share it.
#[derive(Clone)]
pub struct ApiServer(pub(crate) Arc<State>);

impl ApiServer {
    /// Opens a server over a store: fills the watch cache, writes what a new cluster needs, and starts its tasks on
    /// `env`.
    ///
    /// # Errors
    /// The store's, and what it says of the first objects.
    pub fn open(
        config: Config,
        store: Arc<dyn Store>,
        env: Arc<dyn Env>,
    ) -> BoxFuture<'static, Result<Self, OpenError>> {
        Box::pin(Self::opened(config, store, env))
    }

    async fn opened(config: Config, store: Arc<dyn Store>, env: Arc<dyn Env>) -> Result<Self, OpenError> {
        let cache = Cache::open(store.clone(), env.clone()).await?;
        let state = Arc::new(State {
            resources: Resources::builtin(),
            authn: Authn::default(),
            authz: Authz::default(),
            flight: Flight::default(),
            fairness: Fairness::default(),
            health: Health::default(),
            metrics: Metrics::default(),
            documents: Documents::default(),
            services: services(&config)?,
            event_lease: EventLease::default(),
            rules: Rules::default(),
            webhooks: Webhooks::default(),
            policies: Policies::default(),
            components: Components::default(),
            quotas: Ledger::default(),
            aggregation: Aggregation::default(),
            rng: Mutex::new(env.rng()),
            cache,
            config,
            store,
            env,
        });
        bootstrap::run(&state).await?;
        // Only now: the first Service of a new cluster has an address too.
        settle_addresses(&state).await;
        state.env.spawn(Box::pin(fairness::keep(state.clone())));
        state
            .env
            .spawn(Box::pin(bootstrap::own_service::keep(state.clone())));
        let custom = custom::open(&state).await;
        let custom = custom.map_err(|refused| OpenError::Bootstrap(refused.0.message))?;
        state
            .env
            .spawn(Box::pin(custom::run(custom, Arc::downgrade(&state))));
        state
            .env
            .spawn(Box::pin(aggregation::follow(Arc::downgrade(&state))));
        state.health.bootstrapped();
        Ok(Self(state))
    }

    /// Every object, as of now and as it changes: what informers of this process stand on.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// What is served now.
    pub fn resources(&self) -> &Resources {
        &self.0.resources
    }

    /// Says how a part of the control plane beside this server is (`scheduler`, `controller-manager`): what
    /// `componentstatuses` show. The probe is asked at each request and does not wait; its error tells what is wrong.
    pub fn register(
        &self,
        component: &'static str,
        probe: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.0.components.register(component, Arc::new(probe));
    }

    /// Answers one request. Boxed here, so that the code of all verbs stands in this crate and not in each caller's.
    pub fn handle(&self, request: Request<Incoming>, peer: Peer) -> BoxFuture<'_, Response<Body>> {
        Box::pin(pipeline::run(&self.0, request, peer))
    }

    /// Refuses new requests, waits for those in flight, and ends watches and background tasks.
    pub async fn drain(&self) {
        self.0.flight.close();
        self.0.cache.close();
        self.0.flight.empty().await;
    }
}

/// The allocators, before it is known what the Services have.
fn services(config: &Config) -> Result<Services, OpenError> {
    let cidr = config.service_cidr.parse();
    let cidr = cidr.map_err(|_| OpenError::ServiceCidr(config.service_cidr.clone()))?;
    Ok(Services::new(Allocators::new(vec![cidr], config.node_port_range)))
}
