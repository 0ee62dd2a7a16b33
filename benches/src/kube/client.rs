//! Connections to an API server: TLS with the administrator's certificate, HTTP/1.1 or HTTP/2, kept alive.
//!
//! The client is the same for every row and counts bytes as they come, without keeping them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes of a stream that may be under way: a large list is not to wait for the window.
const WINDOW: u32 = 4 << 20;

/// What the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A server, and who asks it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) authority: String,
    name: ServerName<'static>,
    config: ClientConfig,
}

impl Target {
    /// What a kubeconfig with inline credentials names, with its certificate or without.
    pub(crate) fn of(kubeconfig: &Path, certified: bool) -> io::Result<Self> {
        let text = std::fs::read_to_string(kubeconfig)?;
        let authority = value(&text, "server: https://")?.to_owned();
        let host = authority.rsplit_once(':').map_or(&*authority, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&text, "certificate-authority-data: ")? {
            roots.add(authority).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let config = if certified {
            let key = PrivateKeyDer::from_pem_slice(&data(&text, "client-key-data: ")?);
            let chain = certificates(&text, "client-certificate-data: ")?;
            let key = key.map_err(io::Error::other)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(io::Error::other)?
        } else {
            builder.with_no_client_auth()
        };
        Ok(Self {
            authority,
            name,
            config,
        })
    }

    /// A new connection.
    pub(crate) async fn connect(&self, protocol: Protocol) -> io::Result<Connection> {
        let stream = TokioIo::new(self.stream(protocol).await?);
        Ok(match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
                tokio::spawn(connection);
                Connection::Http1(sender)
            }
            Protocol::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(4 * WINDOW);
                let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
                tokio::spawn(connection);
                Connection::Http2(sender)
            }
        })
    }

    /// The bare connection.
    pub(crate) async fn stream(&self, protocol: Protocol) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.config.clone();
        let alpn = match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        };
        config.alpn_protocols = vec![alpn];
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config))
            .connect(self.name.clone(), stream)
            .await
    }

    /// A request for a path of this server.
    pub(crate) fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.authority))
            .header("host", &self.authority)
            .header("content-type", "application/json")
            .header("accept", "application/json");
        request
            .body(body.into())
            .unwrap_or_else(|error| panic!("{method} {path} is no request: {error}"))
    }
}

/// What follows `key` on its line.
fn value<'a>(text: &'a str, key: &str) -> io::Result<&'a str> {
    let found = text.lines().find_map(|line| line.trim().strip_prefix(key));
    found.ok_or_else(|| io::Error::other(format!("the kubeconfig has no {key:?}")))
}

fn data(text: &str, key: &str) -> io::Result<Vec<u8>> {
    STANDARD.decode(value(text, key)?).map_err(io::Error::other)
}

fn certificates(text: &str, key: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = data(text, key)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found.map_err(io::Error::other)
}

/// One connection. Clones of an HTTP/2 connection are streams of it.
pub(crate) enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Sends a request; the body of the answer comes as it is read.
    pub(crate) async fn send(&mut self, mut request: Request<Bytes>) -> io::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
                *request.uri_mut() = target.parse().map_err(io::Error::other)?;
                sender.ready().await.map_err(io::Error::other)?;
                sender
                    .send_request(request.map(Full::new))
                    .await
                    .map_err(io::Error::other)
            }
            Self::Http2(sender) => {
                request.headers_mut().remove("host");
                sender.ready().await.map_err(io::Error::other)?;
                sender
                    .send_request(request.map(Full::new))
                    .await
                    .map_err(io::Error::other)
            }
        }
    }

    /// Sends a request and reads its answer to the end: the status and how many bytes there were.
    pub(crate) async fn call(&mut self, request: Request<Bytes>) -> io::Result<(StatusCode, usize)> {
        let response = self.send(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
        }
        Ok((status, bytes))
    }

    /// Sends a request and reads the JSON of its answer.
    ///
    /// # Errors
    /// The server refuses it: what it says.
    pub(crate) async fn ask(&mut self, request: Request<Bytes>) -> io::Result<Value> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let response = self.send(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(io::Error::other)?;
        let body: Value = serde_json::from_slice(&body.to_bytes())?;
        match status.is_success() {
            true => Ok(body),
            false => Err(io::Error::other(format!("{what}: {status}: {}", body["message"]))),
        }
    }

    /// Another stream of the same connection; none where a connection has but one.
    pub(crate) fn stream(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }
}
