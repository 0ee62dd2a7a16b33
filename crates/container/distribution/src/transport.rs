//! Bytes to and from servers: HTTP/1.1 over TLS or not, through proxies, with time limits.
//!
//! One [`Transport`] serves all registries. It knows no credentials: whoever makes a request puts them in. Connections are
//! kept by where they lead and how they are secured, so that nobody's certificate serves somebody else.

mod body;
mod connect;
mod error;
mod speech;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use https::{ClientTls, Pool};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::config::{Fallback, Proxies, Proxy, Tls};

pub(crate) use body::{Payload, Progress, read_all};
pub use error::TransportError;
use speech::Speech;

/// How to reach a server, whatever is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) tls: Arc<Tls>,
    pub(crate) fallback: Fallback,
    pub(crate) dial_timeout: Option<Duration>,
    /// Whether it was named by whoever asks or by the configuration, and not by another server.
    pub(crate) named: bool,
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Route {
    host: String,
    port: u16,
    /// Nothing, if it is plain.
    tls: Option<Arc<Tls>>,
    proxy: Option<Proxy>,
    /// As in [`Access`]: a connection of this process is not for those whom others name.
    named: bool,
}

pub(crate) struct Transport {
    pool: Pool<Route, Payload>,
    proxies: Proxies,
    machine: Bytes,
    connectors: Mutex<HashMap<Arc<Tls>, ClientTls>>,
    speeches: Mutex<HashMap<(String, u16), Speech>>,
    /// How long an answer may take to begin.
    idle: Duration,
}

/// Servers that are remembered; with more, all are forgotten.
const MOST: usize = 256;

impl Transport {
    /// `machine`: the machine's own authorities, PEM.
    pub(crate) fn new(machine: Bytes, proxies: Proxies, idle: Duration) -> Self {
        Self {
            pool: Pool::default(),
            proxies,
            machine,
            connectors: Mutex::default(),
            speeches: Mutex::default(),
            idle,
        }
    }

    /// Sends a request, whose URI is absolute. The answer's URI is the one that was asked in the end: a server that may
    /// speak without TLS changes the scheme.
    pub(crate) async fn send(
        &self,
        access: &Access,
        mut request: Request<Payload>,
    ) -> Result<(Uri, Response<Incoming>), TransportError> {
        let (route, uri) = self.route(access, request.uri()).await?;
        let progress = request.body().progress();
        // Once it has all, a registry may take its time to put it away.
        let last = if request.method() == Method::PUT {
            self.idle * 10
        } else {
            self.idle
        };
        address(&mut request, &route, &uri);
        let dial = access.dial_timeout;
        let sending = self.pool.send(&route, request, || self.connect(&route, dial));
        let answered = self.within(sending, &progress, last).await;
        if access.fallback != Fallback::Strict && may_be_another(&answered) {
            self.forget(&uri);
        }
        Ok((uri, answered?))
    }

    /// The answer, unless nothing moves: neither the request's body nor its connection.
    async fn within(
        &self,
        sending: impl Future<Output = Result<Response<Incoming>, TransportError>>,
        progress: &Progress,
        last: Duration,
    ) -> Result<Response<Incoming>, TransportError> {
        let mut sending = std::pin::pin!(sending);
        let mut seen = progress.get();
        loop {
            let patience = if progress.is_complete() { last } else { self.idle };
            match timeout(patience, sending.as_mut()).await {
                Ok(answered) => return answered,
                Err(_) if progress.get() != seen => seen = progress.get(),
                Err(_) => return Err(TransportError::Idle(patience)),
            }
        }
    }

    /// The next piece of an answer's body.
    pub(crate) async fn piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, TransportError> {
        body::piece(body, self.idle).await
    }

    fn connector(&self, tls: &Arc<Tls>) -> Result<ClientTls, TransportError> {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = connectors.get(tls) {
            return Ok(connector.clone());
        }
        let connector = tls.connector(&self.machine)?;
        if connectors.len() >= MOST {
            connectors.clear();
        }
        connectors.insert(tls.clone(), connector.clone());
        Ok(connector)
    }
}

/// Whether somebody else may listen there by now, who speaks otherwise: a server of TLS answers a plain request with 400
/// or not at all.
fn may_be_another(answered: &Result<Response<Incoming>, TransportError>) -> bool {
    match answered {
        Ok(answer) => answer.status() == StatusCode::BAD_REQUEST,
        Err(error) => error.is_connecting() || matches!(error, TransportError::Http(_)),
    }
}

/// HTTP/1.1 names the path in its first line and the host in a header (RFC 9112 §3.2.1); a proxy that forwards plain
/// requests is told all of the address (§3.2.2).
fn address(request: &mut Request<Payload>, route: &Route, uri: &Uri) {
    let host = uri.authority().map_or("", |authority| authority.as_str());
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers_mut().insert(HOST, host);
    }
    let forwarded = route.proxy.as_ref().filter(|_| route.tls.is_none());
    if let Some(proxy) = forwarded {
        let authorization = proxy.authorization.as_deref();
        if let Some(value) = authorization.and_then(|value| HeaderValue::from_str(value).ok()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        *request.uri_mut() = uri.clone();
        return;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(path) = path.parse() {
        *request.uri_mut() = path;
    }
}

/// The host (an IPv6 address without its brackets) and the port of an absolute URI.
pub(crate) fn place(uri: &Uri) -> Option<(String, u16)> {
    let host = uri.host()?.trim_matches(['[', ']']);
    let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), uri.port_u16().unwrap_or(usual)))
}
