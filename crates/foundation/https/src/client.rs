//! A small HTTPS client: one HTTP/2 connection to one server, made when it is needed and again when it has ended.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::identity;
use crate::{Identity, TlsError};

/// For connecting and the TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// A server, and who asks it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `HOST:PORT`; the certificate has to name HOST.
    pub authority: String,
    /// The authorities that are trusted, PEM.
    pub trust: Vec<u8>,
    /// The client's certificate.
    pub identity: Option<Identity>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The endpoint's certificates or name cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The authority is no `HOST:PORT`.
    #[error("{0:?} is no HOST:PORT")]
    Authority(String),
    /// No connection, or no TLS over it.
    #[error("cannot reach {0}: {1}")]
    Connect(String, #[source] io::Error),
    /// The connection ended, or the server does not keep to HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// A client of one server. Clones share its connection.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    authority: String,
    name: ServerName<'static>,
    tls: TlsConnector,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// A client; it connects with its first request.
    ///
    /// # Errors
    /// What is wrong with the endpoint.
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let tls = identity::client(&endpoint.trust, endpoint.identity)?;
        let host = endpoint
            .authority
            .rsplit_once(':')
            .map(|(host, _)| host.trim_matches(['[', ']']));
        let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
        let name = name.ok_or_else(|| ClientError::Authority(endpoint.authority.clone()))?;
        Ok(Self(Arc::new(Inner {
            authority: endpoint.authority,
            name,
            tls: TlsConnector::from(tls),
            connection: Mutex::default(),
        })))
    }

    /// Sends a request whose target is a path; the answer's body comes as it is read. It has no deadline: that is the
    /// caller's, who drops the future.
    ///
    /// # Errors
    /// No connection, or it broke. Nothing is sent twice.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let mut connection = self.connection().await?;
        let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri = http::Uri::builder()
            .scheme("https")
            .authority(self.0.authority.as_str());
        if let Ok(uri) = uri.path_and_query(target).build() {
            *request.uri_mut() = uri;
        }
        Ok(connection.send_request(request).await?)
    }

    /// The connection, or a new one. Two who find none at once both make one, and one of them stays.
    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let kept = self.kept().clone().filter(|connection| !connection.is_closed());
        if let Some(connection) = kept {
            return Ok(connection);
        }
        let made = timeout(CONNECT, self.connect()).await.unwrap_or_else(|_| {
            let error = io::ErrorKind::TimedOut.into();
            Err(ClientError::Connect(self.0.authority.clone(), error))
        })?;
        *self.kept() = Some(made.clone());
        Ok(made)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<SendRequest<Full<Bytes>>>> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let stream = self.stream().await;
        let stream = stream.map_err(|error| ClientError::Connect(self.0.authority.clone(), error))?;
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.initial_stream_window_size(1 << 20)
            .initial_connection_window_size(8 << 20);
        let (sender, connection) = http.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(sender)
    }

    async fn stream(&self) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&self.0.authority).await?;
        stream.set_nodelay(true)?;
        self.0.tls.connect(self.0.name.clone(), stream).await
    }
}
