//! The server: what it stands on, and its two entrances.

use std::sync::Arc;

use apiserver::Body;
use bytes::Bytes;
use client::{Client, Informers};
use driver::Env;
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use https::{Peer, RequestBody};
use pki::ClientAuthorities;
use streaming::Node;

use crate::answer;
use crate::lookup::Lookup;
use crate::query::Query;
use crate::sessions::Sessions;
use crate::{auth, routes};

/// The most bytes of a request's body that are read; nothing here needs one.
const MAX_BODY: usize = 64 << 10;

/// What a server stands on.
pub struct Parts {
    /// The node's name.
    pub node: String,
    /// Speaks for the node: asks who a token's bearer is, and who may what.
    pub client: Client,
    /// Where the node's pods are seen.
    pub informers: Informers,
    /// Whose client certificates are believed.
    pub clients: ClientAuthorities,
    /// The node's containers.
    pub streams: Arc<dyn Node>,
    /// Tells whether the kubelet does its work; an error says what is wrong. Asked at each request, does not wait.
    pub healthy: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Clocks and tasks.
    pub env: Arc<dyn Env>,
}

/// A node's server. Clones share it.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<State>);

/// What every request works with.
pub(crate) struct State {
    pub(crate) parts: Parts,
    pub(crate) lookup: Lookup,
    pub(crate) sessions: Sessions,
}

/// A request that may be answered.
pub(crate) struct Call {
    pub(crate) request: Request<Bytes>,
    pub(crate) query: Query,
    /// The path's elements, decoded.
    pub(crate) path: Vec<String>,
    /// The connection under it, where it can be taken over.
    pub(crate) upgrade: Extensions,
}

impl Server {
    /// A server for a node.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(State {
            lookup: Lookup::new(&parts.informers, &parts.node),
            sessions: Sessions::default(),
            parts,
        }))
    }

    /// Answers a request that somebody else has judged: the API server of the same process. `upgrade` is what the
    /// transport has put into the client's request; whoever answers 101 takes the connection over from it.
    pub async fn call(&self, request: Request<Bytes>, upgrade: Extensions) -> Response<Body> {
        routes::answer(&self.0, Call::new(request, upgrade)).await
    }
}

impl Call {
    fn new(request: Request<Bytes>, upgrade: Extensions) -> Self {
        let uri = request.uri();
        let decoded = |part: &str| {
            let decoded = percent_encoding::percent_decode_str(part);
            decoded.decode_utf8_lossy().into_owned()
        };
        Self {
            query: Query::parse(uri.query()),
            path: uri.path().split('/').skip(1).map(decoded).collect(),
            request,
            upgrade,
        }
    }
}

impl https::Service for Server {
    type Body = Body;

    async fn call(&self, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        if let Err(refusal) = auth::judge(&self.0, &request, &peer).await {
            return refusal.answer();
        }
        let (mut head, body) = request.into_parts();
        let upgrade = std::mem::take(&mut head.extensions);
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Self::call(self, Request::from_parts(head, body.to_bytes()), upgrade).await,
            Err(_) => answer::error(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large"),
        }
    }
}
