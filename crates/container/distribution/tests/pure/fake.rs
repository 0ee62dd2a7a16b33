//! A registry that does what a test tells it, on the loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use distribution::config::Sources;
use distribution::{Client, Config, Credentials, Repository, Settings};
use driver::Rng;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use https::{Door, Identity, Limits, Peer, RequestBody, Service};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use image::{Descriptor, Digest};
use pki::{Authority, Profile, SubjectName, Usage};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request, as the registry saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// With the query; of a proxy, the whole address.
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// How many requests came before.
    pub(crate) nth: usize,
    /// Certificates that the client showed.
    pub(crate) certificates: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `GET /v2/a/tags/list`
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum End {
    #[default]
    Whole,
    /// The connection ends after so many bytes.
    Broken(usize),
    /// Nothing comes after so many bytes.
    Stalled(usize),
}

pub(crate) fn reply(status: u16) -> Reply {
    Reply {
        status,
        ..Reply::default()
    }
}

impl Reply {
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn broken_after(mut self, bytes: usize) -> Self {
        self.end = End::Broken(bytes);
        self
    }

    pub(crate) fn stalled_after(mut self, bytes: usize) -> Self {
        self.end = End::Stalled(bytes);
        self
    }
}

type Answering = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Handler {
    answering: Answering,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The next body is read so far, and then the connection ends.
    cut: Arc<Mutex<Option<usize>>>,
}

type Content = UnsyncBoxBody<Bytes, io::Error>;

impl Handler {
    async fn answer<B>(&self, request: Request<B>, certificates: usize) -> io::Result<Response<Content>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Debug,
    {
        let (head, mut body) = request.into_parts();
        let has_body = head
            .headers
            .get("content-length")
            .is_some_and(|length| length != "0");
        let cut = if has_body {
            self.cut.lock().unwrap().take()
        } else {
            None
        };
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            read.extend_from_slice(&frame.unwrap().into_data().unwrap());
            if cut.is_some_and(|cut| read.len() >= cut) {
                break;
            }
        }
        read.truncate(cut.unwrap_or(usize::MAX));
        let mut seen = Seen {
            method: head.method,
            path: head.uri.to_string(),
            headers: head.headers,
            body: read.into(),
            nth: 0,
            certificates,
        };
        if let Some(path) = head
            .uri
            .path_and_query()
            .filter(|_| certificates > 0 || head.uri.scheme_str() == Some("https"))
        {
            seen.path = path.to_string();
        }
        let mut all = self.seen.lock().unwrap();
        seen.nth = all.len();
        all.push(seen.clone());
        drop(all);
        let reply = (self.answering)(&seen);
        if cut.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(respond(reply, seen.method == Method::HEAD))
    }
}

fn respond(reply: Reply, head: bool) -> Response<Content> {
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    let mut length = Some(reply.body.len().to_string());
    for (name, value) in &reply.headers {
        if name == "content-length" {
            length = None;
        }
        if value != "none" {
            response = response.header(name, value);
        }
    }
    if let Some(length) = length {
        response = response.header("content-length", length);
    }
    let frame = |bytes: Bytes| Ok(Frame::data(bytes));
    let content = match reply.end {
        _ if head => StreamBody::new(stream::empty()).boxed_unsync(),
        End::Whole => StreamBody::new(stream::iter([frame(reply.body)])).boxed_unsync(),
        End::Broken(after) => {
            // What comes before the end is on its way first.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::ErrorKind::BrokenPipe.into())
            });
            let first = stream::iter([frame(reply.body.slice(..after))]);
            StreamBody::new(first.chain(broken)).boxed_unsync()
        }
        End::Stalled(after) => {
            let first = stream::iter([frame(reply.body.slice(..after))]);
            StreamBody::new(first.chain(stream::pending())).boxed_unsync()
        }
    };
    response.body(content).unwrap()
}

impl Service for Handler {
    type Body = Content;

    async fn call(&self, request: Request<RequestBody>, peer: Peer) -> Response<Content> {
        let answered = self.answer(request, peer.certificates.len()).await;
        answered.unwrap_or_else(|_| respond(reply(500), false))
    }
}

/// A registry; it ends with the test.
pub(crate) struct Fake {
    handler: Handler,
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
    door: Option<Door>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Fake {
    /// Ends it; its port is free then.
    pub(crate) async fn end(mut self) -> u16 {
        if let Some(task) = self.task.take() {
            task.abort();
            drop(task.await);
        }
        if let Some(door) = self.door.take() {
            door.drain(Duration::from_secs(5)).await;
        }
        self.port()
    }
}

impl Fake {
    /// Without TLS.
    pub(crate) async fn plain(answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::plain_at(0, answering).await
    }

    pub(crate) async fn plain_at(
        port: u16,
        answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let handler = handler(answering);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = handler.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let serving = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let serving = serving.clone();
                        async move { serving.answer(request, 0).await }
                    });
                    drop(
                        http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self {
            handler,
            address,
            task: Some(task),
            door: None,
        }
    }

    /// With TLS, by a certificate of `authority` for `name`.
    pub(crate) fn tls(
        authority: &Authority,
        name: &str,
        answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (chain, key) = certificate(authority, name, Usage::Server);
        Self::identified(0, &chain, &key, answering)
    }

    pub(crate) fn identified(
        port: u16,
        chain: &str,
        key: &str,
        answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let handler = handler(answering);
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let door = Door::open(listener, identity, Limits::default(), handler.clone()).unwrap();
        Self {
            handler,
            address: door.address(),
            task: None,
            door: Some(door),
        }
    }

    /// `127.0.0.1:5000`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.handler.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    /// Ends the connection when it has read so much of the next body.
    pub(crate) fn cut_after(&self, bytes: usize) {
        *self.handler.cut.lock().unwrap() = Some(bytes);
    }
}

fn handler(answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Handler {
    Handler {
        answering: Arc::new(answering),
        seen: Arc::default(),
        cut: Arc::default(),
    }
}

#[allow(clippy::disallowed_methods, reason = "certificates are good now")]
pub(crate) fn authority() -> Authority {
    Authority::generate("test", SystemTime::now()).unwrap()
}

/// Chain and key, PEM, good for an hour from now.
#[allow(clippy::disallowed_methods, reason = "certificates are good now")]
pub(crate) fn certificate(authority: &Authority, name: &str, usage: Usage) -> (String, String) {
    certificate_from(authority, name, usage, SystemTime::now())
}

/// The same, as it was two hours ago.
#[allow(clippy::disallowed_methods, reason = "certificates were good then")]
pub(crate) fn expired(authority: &Authority, name: &str) -> (String, String) {
    certificate_from(
        authority,
        name,
        Usage::Server,
        SystemTime::now() - Duration::from_secs(7200),
    )
}

fn certificate_from(authority: &Authority, name: &str, usage: Usage, from: SystemTime) -> (String, String) {
    let profile = Profile {
        common_name: "test",
        organizations: &[],
        names: &[SubjectName::from(name)],
        usage,
        validity: Duration::from_secs(3600),
    };
    let leaf = authority.issue(&profile, from).unwrap();
    (leaf.certificate_pem().to_owned(), leaf.key_pem().to_owned())
}

/// Less patience than a busy machine may need, for what never comes.
pub(crate) fn impatient() -> Settings {
    Settings {
        idle: Duration::from_millis(500),
        ..settings()
    }
}

/// A wait between attempts that a test does not notice.
pub(crate) fn settings() -> Settings {
    Settings {
        idle: Duration::from_secs(20),
        attempts: 3,
        backoff: Duration::from_millis(1),
        ..Settings::default()
    }
}

pub(crate) fn client() -> Client {
    Client::new(Config::default(), settings(), Rng::from_seed(1))
}

/// A client with files: `certs.d/HOST/hosts.toml`, `registries.yaml`.
pub(crate) fn configured(files: &[(&str, &str)], settings: Settings) -> Client {
    let directory = written(files);
    let at = |name: &str| vec![directory.path().join(name)];
    let sources = Sources {
        hosts: at("certs.d"),
        registries: at("registries.yaml"),
        ..Sources::default()
    };
    let (config, warnings) = Config::load(&sources).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    Client::new(config, settings, Rng::from_seed(1))
}

fn written(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

/// Repository `a/b` of a registry, as nobody.
pub(crate) fn repository(fake: &Fake) -> Repository {
    client().repository(&fake.host(), "a/b", Credentials::Anonymous)
}

pub(crate) fn jane() -> Credentials {
    Credentials::of_user("jane".to_owned(), "secret".to_owned())
}

/// The header that shows [`jane`].
pub(crate) const JANE: &str = "Basic amFuZTpzZWNyZXQ=";

pub(crate) fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::new("application/octet-stream", Digest::of(bytes), bytes.len() as u64)
}

/// All bytes of a blob.
pub(crate) async fn read(
    repository: &Repository,
    descriptor: &Descriptor,
) -> Result<Vec<u8>, distribution::Error> {
    let mut stream = repository.blob(descriptor, image::Hasher::default());
    let mut all = Vec::new();
    while let Some(piece) = stream.piece().await? {
        all.extend_from_slice(&piece);
    }
    assert_eq!(stream.position(), descriptor.size);
    Ok(all)
}
