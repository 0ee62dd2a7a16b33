//! Requests to many servers: webhooks, aggregated API servers, kubelets, pods. HTTP/1.1, mostly over TLS, with the
//! connections kept.
//!
//! Each server is asked as often as somebody needs it and trusted for itself, so connections are kept by where they lead,
//! whom they trust and who asks. HTTP/1.1 spreads concurrent requests over what stands behind a name, which one HTTP/2
//! connection would not (upstream asks webhooks so for this reason).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{Connection, Identity, Pool, TlsError, identity};

/// For connecting and the TLS handshake.
const CONNECT: Duration = Duration::from_secs(30);

/// Whose certificates a server may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerTrust {
    /// Those of the authorities that the caller was made with.
    Host,
    /// Those of these authorities, PEM.
    Authorities(Bytes),
    /// Anybody's, as long as it holds the key.
    Anyone,
    /// Nobody's: there is no TLS.
    Plain,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Host and port to look up, unless `address` says where that is.
    pub host: (String, u16),
    /// Where to connect to.
    pub address: Option<SocketAddr>,
    /// Whom the certificate must name.
    pub server_name: String,
    /// Who may have signed it.
    pub trust: ServerTrust,
    /// Which of the caller's identities is shown, if any.
    pub identity: Option<usize>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection.
    #[error("cannot connect to {address}: {why}")]
    Connect {
        /// Where to.
        address: String,
        /// What the kernel said.
        why: io::Error,
    },
    /// The host has no address.
    #[error("{0} has no address")]
    Lookup(String),
    /// The authorities, the name or the identity cannot be used.
    #[error(transparent)]
    Setup(#[from] TlsError),
    /// The server speaks no TLS, or its certificate is not accepted.
    #[error(transparent)]
    Tls(io::Error),
    /// The connection ended, or the server does not keep to HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Sends requests. Clones share their connections.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    host_trust: Bytes,
    identities: Vec<Identity>,
    kept: Pool<Target, Full<Bytes>>,
}

impl Caller {
    /// `host_trust`: the authorities of [`ServerTrust::Host`], PEM; `identities`: those that targets may name.
    pub fn new(host_trust: Bytes, identities: Vec<Identity>) -> Self {
        Self(Arc::new(Inner {
            host_trust,
            identities,
            kept: Pool::default(),
        }))
    }

    /// Sends a request; the answer's body comes as it is read. Apart from connecting it has no deadline: that is the
    /// caller's, who drops the future.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        origin_form(&mut request);
        self.0.kept.send(target, request, || self.connect(target)).await
    }

    async fn connect(&self, target: &Target) -> Result<Connection<Full<Bytes>>, CallError> {
        let late = |_| failed(target, io::ErrorKind::TimedOut.into());
        if target.trust == ServerTrust::Plain {
            let dialled = timeout(CONNECT, dial(target)).await;
            return Ok(Connection::begin(dialled.map_err(late)??).await?);
        }
        let name = ServerName::try_from(target.server_name.clone())
            .map_err(|_| CallError::Lookup(target.server_name.clone()))?;
        let tls = self.tls(target)?;
        let secured = timeout(CONNECT, async {
            let stream = dial(target).await?;
            let connected = TlsConnector::from(tls).connect(name, stream).await;
            connected.map_err(CallError::Tls)
        });
        Ok(Connection::begin(secured.await.map_err(late)??).await?)
    }

    fn tls(&self, target: &Target) -> Result<Arc<rustls::ClientConfig>, TlsError> {
        let identity = target.identity.and_then(|at| self.0.identities.get(at)).cloned();
        match &target.trust {
            ServerTrust::Host => identity::http1_client(Some(&self.0.host_trust), identity),
            ServerTrust::Authorities(pem) => identity::http1_client(Some(pem), identity),
            ServerTrust::Anyone | ServerTrust::Plain => identity::http1_client(None, identity),
        }
    }
}

async fn dial(target: &Target) -> Result<TcpStream, CallError> {
    let (host, port) = &target.host;
    let addresses: Vec<SocketAddr> = match target.address {
        Some(address) => vec![address],
        None => {
            let found = tokio::net::lookup_host((host.as_str(), *port)).await;
            found.map_err(|_| CallError::Lookup(host.clone()))?.collect()
        }
    };
    let mut last = CallError::Lookup(host.clone());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is one small write; it must not wait for more.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Err(why) => {
                last = CallError::Connect {
                    address: address.to_string(),
                    why,
                }
            }
        }
    }
    Err(last)
}

fn failed(target: &Target, why: io::Error) -> CallError {
    let (host, port) = &target.host;
    let address = target
        .address
        .map_or_else(|| format!("{host}:{port}"), |address| address.to_string());
    CallError::Connect { address, why }
}

/// HTTP/1.1 names the path in its first line and the host in a header (RFC 9112 §3.2.1).
fn origin_form(request: &mut Request<Full<Bytes>>) {
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    if let Some(host) = host.and_then(|host| HeaderValue::try_from(host).ok()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    if let Ok(target) = target.parse() {
        *request.uri_mut() = target;
    }
}
