//! Our own registry: the OCI distribution API (distribution-spec 1.1.1 and what main adds) over the node's one store.
//!
//! `route` is the table of endpoints; one file for each area answers them (`manifests`, `blobs`, `uploads`, `lists`);
//! `names`, `range`, `page`, `uploads::session`, `access::rules` decide without I/O. What is pushed is an image of the
//! node at once, and what the node has can be pulled: nothing is copied, since [`Content`] is the node's store itself.
//!
//! Who may do what is `access`; what happened others hear of through `hooks`; names of other registries are fetched by
//! `mirror`; `upkeep` clears up.
#![forbid(unsafe_code)]

mod access;
mod blobs;
mod cache;
mod call;
mod content;
mod error;
mod hooks;
mod lists;
mod manifests;
mod mirror;
mod names;
mod page;
mod query;
mod range;
mod reply;
mod route;
mod settings;
mod state;
mod upkeep;
mod uploads;
mod upstream;

#[cfg(test)]
mod coverage;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::Clock;
use http::{Request, Response};
use https::{Caller, Door, Drained, FilePart, Identity, Plain, RequestBody};
use image::Collected;

pub use access::{
    Access, Ends, Htpasswd, InvalidHtpasswd, InvalidKeys, InvalidRule, Keys, Owners, Rule, Rules,
    TokenService,
};
pub use content::{Arrived, Content, Incoming};
pub use hooks::Webhook;
pub use mirror::{ComingBody, MirrorConfig};
pub use reply::Body;
pub use settings::{Exposed, InvalidSettings, Settings};
pub use state::Limits;
pub use upstream::{BlobStream, Upstream, UpstreamBlob, UpstreamError};

use state::State;

/// How a registry shall be.
#[derive(Debug)]
pub struct Config {
    /// What its names belong to: `/v2/NAME` are the references `DOMAIN/NAME`. `localhost:PORT`.
    pub domain: String,
    /// Who may do what.
    pub access: Access,
    /// Whether nobody may push or delete.
    pub read_only: bool,
    /// Who may do without TLS.
    pub plain: Plain,
    /// What clients may take.
    pub limits: Limits,
    /// Who hears of what happens.
    pub webhooks: Vec<Webhook>,
    /// The authorities that webhooks' certificates are judged by, PEM.
    pub authorities: Bytes,
    /// Which other registries are fetched from.
    pub mirror: MirrorConfig,
}

/// What a registry works on.
pub struct Parts {
    /// The node's images.
    pub content: Arc<dyn Content>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way to other registries; none, and nothing is fetched.
    pub upstream: Option<Arc<dyn Upstream>>,
}

/// The registry without its port, for whoever has one.
#[derive(Clone)]
pub struct Service(Arc<State>);

impl Service {
    /// Begins to clear up and to send webhooks, on the current executor.
    #[must_use]
    pub fn new(config: Config, parts: Parts) -> Self {
        let limits = config.limits;
        let caller = Caller::new(config.authorities, Vec::new());
        let bounds = uploads::table::Bounds {
            all: limits.uploads,
            of_one_client: limits.uploads_of_one_client,
            idle: limits.idle_upload,
        };
        let hooks = hooks::Hooks::open(
            config.webhooks,
            &caller,
            config.domain.clone(),
            parts.clock.clone(),
        );
        let uploads = uploads::table::Uploads::new(bounds);
        uploads::left::take_up(&uploads, &*parts.content, &*parts.clock, limits.idle_upload);
        let state = Arc::new(State {
            content: parts.content,
            domain: config.domain,
            access: config.access,
            read_only: config.read_only,
            limits,
            uploads,
            manifests: cache::Manifests::default(),
            unfinished: https::Budget::new(state::UNFINISHED),
            hooks,
            mirror: mirror::Mirror::new(config.mirror, parts.upstream),
            upkeep: Arc::new(upkeep::Upkeep::new(parts.clock.clone(), limits.grace)),
            clock: parts.clock,
        });
        tokio::spawn(upkeep::run(Arc::downgrade(&state)));
        Self(state)
    }

    /// Answers a request that came over a connection between `ends`.
    pub async fn answer<B>(&self, request: Request<B>, ends: Ends) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
    {
        call::answer(&self.0, request, ends).await
    }

    /// Takes away what no manifest names and nobody has asked for in a while ([`Limits::grace`]).
    ///
    /// # Errors
    /// The disk's or the store's, as a line.
    pub async fn collect(&self) -> Result<Collected, String> {
        let collected = self.0.upkeep.collect(&self.0.content).await;
        collected.map_err(|_| "the garbage was not collected: see the log".to_owned())
    }
}

impl https::Service for Service {
    type Body = Body;

    const FILES: bool = true;

    fn may_be_file(path: &str) -> bool {
        path.starts_with("/v2/") && path.contains("/blobs/sha")
    }

    fn file(body: &Body) -> Option<&FilePart> {
        body.file()
    }

    async fn call(&self, request: Request<RequestBody>, peer: https::Peer) -> Response<Body> {
        let ends = Ends {
            client: peer.address,
            server: peer.local,
            vouched: peer.vouched,
        };
        self.answer(request, ends).await
    }
}

/// A registry on its port.
pub struct Registry {
    service: Service,
    door: Door,
}

impl Registry {
    /// Serves on the current executor.
    ///
    /// # Errors
    /// The certificate cannot be used, or the socket.
    pub fn open(
        config: Config,
        parts: Parts,
        listener: TcpListener,
        identity: Identity,
    ) -> Result<Self, https::OpenError> {
        let limits = https::Limits {
            connections: config.limits.connections,
            // Blobs go in and out in large pieces.
            stream_window: 1 << 20,
            connection_buffer: 2 << 20,
            head_bytes: 64 << 10,
            headers: 64,
            ..https::Limits::default()
        };
        let plain = config.plain;
        let service = Service::new(config, parts);
        let door = Door::open_also_plain(listener, identity, plain, limits, service.clone())?;
        Ok(Self { service, door })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The registry behind the port.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// Ends it once what was asked is answered, or `patience` is over. Uploads that are open are given up.
    pub async fn close(self, patience: Duration) -> Drained {
        self.door.drain(patience).await
    }
}
