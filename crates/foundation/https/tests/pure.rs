//! The door over loopback, with certificates made here: what a client sees of it.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(clippy::disallowed_methods, reason = "TLS goes by the real clock")]

use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use https::{
    CallError, Caller, Client, Door, Drained, Endpoint, Identity, Limits, Peer, RequestBody, ServerTrust,
    Service, Target,
};
use pki::{Authority, Leaf, Profile, SubjectName, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// Echoes bodies, waits at `/wait`, and hands connections over at `/upgrade`.
#[derive(Clone)]
struct Echo {
    arrived: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Service for Echo {
    type Body = Full<Bytes>;

    async fn call(&self, mut request: Request<RequestBody>, peer: Peer) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/wait" => {
                self.arrived.add_permits(1);
                drop(self.go.acquire().await);
                Response::new("waited".into())
            }
            "/certificates" => Response::new(peer.certificates.len().to_string().into()),
            "/refuse" => answer(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            "/upgrade" => {
                let Some(connection) = https::upgraded(&mut request) else {
                    return answer(StatusCode::BAD_REQUEST, "no upgrade");
                };
                tokio::spawn(async move {
                    let (mut read, mut write) = tokio::io::split(connection.await.unwrap());
                    tokio::io::copy(&mut read, &mut write).await.unwrap();
                });
                let mut switched = answer(StatusCode::SWITCHING_PROTOCOLS, "");
                for (name, value) in [("connection", "upgrade"), ("upgrade", "echo")] {
                    switched.headers_mut().insert(name, value.parse().unwrap());
                }
                switched
            }
            _ => Response::new(request.into_body().collect().await.unwrap().to_bytes().into()),
        }
    }
}

fn answer(code: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(text.into());
    *response.status_mut() = code;
    response
}

struct Setup {
    door: Door,
    echo: Echo,
    authority: Authority,
}

fn leaf(authority: &Authority, usage: Usage) -> Leaf {
    let profile = Profile {
        common_name: "test",
        organizations: &[],
        names: &[SubjectName::from("127.0.0.1")],
        usage,
        validity: Duration::from_secs(3600),
    };
    authority.issue(&profile, SystemTime::now()).unwrap()
}

fn identity(leaf: &Leaf) -> Identity {
    Identity::from_pem(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes()).unwrap()
}

fn open(limits: Limits) -> Setup {
    let authority = Authority::generate("ca", SystemTime::now()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let echo = Echo {
        arrived: Arc::new(Semaphore::new(0)),
        go: Arc::new(Semaphore::new(0)),
    };
    let serving = identity(&leaf(&authority, Usage::Server));
    let door = Door::open(listener, serving, limits, echo.clone()).unwrap();
    Setup {
        door,
        echo,
        authority,
    }
}

impl Setup {
    fn client(&self, identity: Option<Identity>) -> Client {
        let endpoint = Endpoint {
            authority: self.door.address().to_string(),
            trust: self.authority.certificate_pem().as_bytes().to_vec(),
            identity,
        };
        Client::new(endpoint).unwrap()
    }

    /// A connection that speaks HTTP/1.1.
    async fn raw(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        self.stream(&[]).await
    }

    async fn stream(&self, protocols: &[&[u8]]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|each| each.to_vec()).collect();
        let stream = TcpStream::connect(self.door.address()).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }
}

async fn ask(client: &Client, path: &str, body: &'static str) -> (StatusCode, String) {
    let request = Request::post(path).body(body.into()).unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_client_is_answered_and_its_certificate_handed_on_unjudged() {
    let setup = open(Limits::default());
    let stranger = Authority::generate("nobody's", SystemTime::now()).unwrap();
    let foreign = identity(&leaf(&stranger, Usage::Client));
    assert_eq!(
        ask(&setup.client(None), "/", "hello").await,
        (StatusCode::OK, "hello".into())
    );
    assert_eq!(ask(&setup.client(None), "/certificates", "").await.1, "0");
    assert_eq!(
        ask(&setup.client(Some(foreign)), "/certificates", "").await.1,
        "1"
    );
}

#[tokio::test]
async fn a_drain_answers_what_was_asked() {
    let setup = open(Limits::default());
    let client = setup.client(None);
    let asked = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "/wait", "").await }
    });
    drop(setup.echo.arrived.acquire().await);
    let go = setup.echo.go.clone();
    let draining = tokio::spawn(setup.door.drain(Duration::from_secs(20)));
    go.add_permits(1);
    assert_eq!(asked.await.unwrap(), (StatusCode::OK, "waited".into()));
    assert_eq!(draining.await.unwrap(), Drained::Whole);
    let request = Request::get("/").body(Full::default()).unwrap();
    assert!(client.send(request).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_is_cut_off_in_the_end() {
    let setup = open(Limits::default());
    let client = setup.client(None);
    let asked = tokio::spawn(async move {
        let request = Request::get("/wait").body(Full::default()).unwrap();
        client.send(request).await.is_err()
    });
    drop(setup.echo.arrived.acquire().await);
    assert_eq!(setup.door.drain(Duration::from_millis(1)).await, Drained::Cut(1));
    assert!(asked.await.unwrap());
}

#[tokio::test]
async fn http_1_keeps_its_connection_and_upgrades_it() {
    let setup = open(Limits::default());
    let mut stream = setup.raw().await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    let first = head(&mut stream).await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    let mut body = [0; 2];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"hi");
    stream
        .write_all(b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let second = head(&mut stream).await;
    assert!(second.starts_with("HTTP/1.1 101 "), "{second}");
    stream.write_all(b"raw!").await.unwrap();
    let mut raw = [0; 4];
    stream.read_exact(&mut raw).await.unwrap();
    assert_eq!(&raw, b"raw!");
}

async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A client in the middle of its upload would not hear why, were the connection closed on it.
#[tokio::test]
async fn a_refused_upload_is_read_and_its_answer_heard() {
    let setup = open(Limits::default());
    let mut stream = setup.raw().await;
    let length = 4 << 20;
    let request = format!("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; length]).await.unwrap();
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn who_speaks_no_tls_is_told() {
    let setup = open(Limits::default());
    let mut stream = TcpStream::connect(setup.door.address()).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{told}");
    assert!(
        told.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{told}"
    );
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_and_makes_room() {
    let limits = Limits {
        connections: 1,
        handshake: Duration::from_secs(1),
        ..Limits::default()
    };
    let setup = open(limits);
    let mut silent = TcpStream::connect(setup.door.address()).await.unwrap();
    // The one seat is taken: this waits in the kernel's queue until it is free again.
    assert_eq!(ask(&setup.client(None), "/", "late").await.1, "late");
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty());
}

fn target(setup: &Setup, trust: ServerTrust) -> Target {
    Target {
        host: ("hooks.example.com".to_owned(), 443),
        address: Some(setup.door.address()),
        server_name: "127.0.0.1".to_owned(),
        trust,
        identity: None,
    }
}

fn trusted(setup: &Setup) -> ServerTrust {
    ServerTrust::Authorities(setup.authority.certificate_pem().to_owned().into())
}

async fn call(caller: &Caller, target: &Target, body: &'static str) -> Result<String, CallError> {
    let request = Request::post("https://hooks.example.com/admit?timeout=1s")
        .body(body.into())
        .unwrap();
    let response = caller.send(target, request).await?;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_caller_asks_who_it_trusts_and_keeps_the_connection() {
    // A second connection would wait for the first to end.
    let setup = open(Limits {
        connections: 1,
        ..Limits::default()
    });
    let caller = Caller::new(Bytes::new(), Vec::new());
    let target = target(&setup, trusted(&setup));
    for body in ["one", "two"] {
        assert_eq!(call(&caller, &target, body).await.unwrap(), body);
    }
    // The kept connection has ended; the next request goes out on a new one.
    assert_eq!(setup.door.drain(Duration::from_secs(5)).await, Drained::Whole);
    let refused = call(&caller, &target, "three").await.unwrap_err();
    assert!(matches!(refused, CallError::Connect { .. }), "{refused}");
}

#[tokio::test]
async fn a_caller_refuses_whom_it_does_not_trust() {
    let setup = open(Limits::default());
    let caller = Caller::new(Bytes::new(), Vec::new());
    let other = Authority::generate("other", SystemTime::now()).unwrap();
    let foreign = ServerTrust::Authorities(other.certificate_pem().to_owned().into());
    let refused = call(&caller, &target(&setup, foreign), "x").await.unwrap_err();
    assert!(matches!(refused, CallError::Tls(_)), "{refused}");
    let misnamed = Target {
        server_name: "hooks.example.com".to_owned(),
        ..target(&setup, trusted(&setup))
    };
    let refused = call(&caller, &misnamed, "x").await.unwrap_err();
    assert!(matches!(refused, CallError::Tls(_)), "{refused}");
    let anyone = target(&setup, ServerTrust::Anyone);
    assert_eq!(call(&caller, &anyone, "x").await.unwrap(), "x");
}

#[tokio::test]
async fn a_caller_shows_the_identity_that_is_asked_for() {
    let setup = open(Limits::default());
    let own = identity(&leaf(&setup.authority, Usage::Client));
    let caller = Caller::new(Bytes::new(), vec![own]);
    for (identity, expected) in [(None, "0"), (Some(0), "1")] {
        let target = Target {
            identity,
            ..target(&setup, trusted(&setup))
        };
        let request = Request::post("https://hooks.example.com/certificates")
            .body("".into())
            .unwrap();
        let response = caller.send(&target, request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected);
    }
}

/// Answers without end, and tells when it is not wanted any more; `/N` has N pieces of 64 KiB.
#[derive(Clone)]
struct Endless {
    given: Arc<AtomicUsize>,
    dropped: Arc<Semaphore>,
}

struct Given {
    endless: Endless,
    left: usize,
}

impl Service for Endless {
    type Body = Given;

    async fn call(&self, request: Request<RequestBody>, _: Peer) -> Response<Given> {
        let left = request.uri().path()[1..].parse().unwrap_or(usize::MAX);
        Response::new(Given {
            endless: self.clone(),
            left,
        })
    }
}

impl http_body::Body for Given {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        self.endless.given.fetch_add(PIECE, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; PIECE])))))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.endless.dropped.add_permits(1);
    }
}

#[tokio::test]
async fn where_the_door_is_full_who_asks_nothing_makes_room() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let setup = open(limits);
    // One has asked and waits, the other has shaken hands and says nothing.
    let mut busy = http2(&setup, 1 << 16).await;
    let (go, asked) = (
        setup.echo.go.clone(),
        tokio::spawn(async move { get(&mut busy, "/wait").await }),
    );
    drop(setup.echo.arrived.acquire().await.unwrap());
    let idle = http2(&setup, 1 << 16).await;
    assert_eq!(ask(&setup.client(None), "/", "in time").await.1, "in time");
    go.add_permits(1);
    assert_eq!(asked.await.unwrap().status(), StatusCode::OK);
    drop(idle);
}

#[tokio::test]
async fn who_asks_nothing_for_long_is_sent_away() {
    let limits = Limits {
        head: Duration::from_secs(1),
        ..Limits::default()
    };
    let setup = open(limits);
    let mut client = http2(&setup, 1 << 16).await;
    assert_eq!(get(&mut client, "/").await.status(), StatusCode::OK);
    while client.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn half_a_head_is_not_waited_for() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let setup = open(limits);
    let mut stream = setup.raw().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Cut off: without a word, and perhaps without TLS's.
    drop(stream.read_to_end(&mut answer).await);
    assert!(answer.is_empty());
}

const PIECE: usize = 64 << 10;

struct Unread {
    setup: Setup,
    endless: Endless,
}

/// A door whose clients have `unread` to take what they were given.
fn endless(unread: Duration) -> Unread {
    endless_for(Limits {
        unread,
        ..Limits::default()
    })
}

fn endless_for(limits: Limits) -> Unread {
    let mut setup = open(Limits::default());
    let endless = Endless {
        given: Arc::default(),
        dropped: Arc::new(Semaphore::new(0)),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let serving = identity(&leaf(&setup.authority, Usage::Server));
    setup.door = Door::open(listener, serving, limits, endless.clone()).unwrap();
    Unread { setup, endless }
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// An HTTP/2 connection whose streams have windows of this size until somebody reads them.
async fn http2(setup: &Setup, window: u32) -> Sender {
    let stream = setup.stream(&[b"h2"]).await;
    let executor = hyper_util::rt::TokioExecutor::new();
    let mut builder = hyper::client::conn::http2::Builder::new(executor);
    builder.initial_stream_window_size(window);
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut Sender, path: &str) -> Response<hyper::body::Incoming> {
    let uri = format!("https://127.0.0.1{path}");
    let request = Request::get(uri).body(Full::default()).unwrap();
    sender.ready().await.unwrap();
    sender.send_request(request).await.unwrap()
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_cut_off() {
    const STREAMS: u32 = 60;
    let unread = endless(Duration::from_millis(300));
    for window in [0, 1] {
        let given = unread.endless.given.load(Ordering::Relaxed);
        let mut sender = http2(&unread.setup, window).await;
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            answers.push(get(&mut sender, "/endless").await);
        }
        // Every answer has begun; the next requests of this client are answered all the same.
        let given = unread.endless.given.load(Ordering::Relaxed) - given;
        assert!(
            given <= (1 << 20) + PIECE,
            "{given} bytes wait for a client that reads nothing"
        );
        // They are reset while the client does nothing, those that waited for room at their turn.
        drop(unread.endless.dropped.acquire_many(STREAMS).await.unwrap());
        unread.endless.dropped.forget_permits(STREAMS as usize);
        for answer in answers {
            assert!(answer.into_body().collect().await.is_err());
        }
    }
}

#[tokio::test]
async fn whoever_reads_gets_all_of_a_long_answer() {
    let unread = endless(Duration::from_secs(60));
    let mut sender = http2(&unread.setup, 1000).await;
    for pieces in [0, 1, 50] {
        let answer = get(&mut sender, &format!("/{pieces}")).await;
        let whole = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(whole.len(), pieces * PIECE);
        drop(unread.endless.dropped.acquire().await);
    }
    // One that leaves in the middle frees it at once.
    let answer = get(&mut sender, "/endless").await;
    unread.endless.dropped.forget_permits(10);
    drop(answer);
    drop(unread.endless.dropped.acquire().await);
}

#[tokio::test]
async fn http_1_is_cut_off_as_well() {
    let unread = endless(Duration::from_millis(300));
    let mut stream = unread.setup.raw().await;
    let request = b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    drop(unread.endless.dropped.acquire().await);
    let mut rest = Vec::new();
    // What the kernel still has is read; then it is torn.
    assert!(stream.read_to_end(&mut rest).await.is_err());
}

#[tokio::test]
async fn work_for_a_client_that_left_ends() {
    let setup = open(Limits::default());
    let mut stream = setup.raw().await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    drop(setup.echo.arrived.acquire().await);
    stream.shutdown().await.unwrap();
    drop(stream);
    // Nobody lets it go on: the door is empty because nobody waits for it.
    assert_eq!(setup.door.drain(Duration::from_secs(20)).await, Drained::Whole);
}

/// Sends every request on to a server without TLS.
#[derive(Clone)]
struct Proxy {
    caller: Caller,
    target: Target,
}

impl Service for Proxy {
    type Body = Pin<Box<dyn http_body::Body<Data = Bytes, Error = hyper::Error> + Send>>;

    async fn call(&self, request: Request<RequestBody>, _: Peer) -> Response<Self::Body> {
        let (mut head, body) = request.into_parts();
        let client = std::mem::take(&mut head.extensions);
        let body = body.collect().await.unwrap().to_bytes();
        let request = Request::from_parts(head, Full::new(body));
        let mut answer = self.caller.send(&self.target, request).await.unwrap();
        https::pass_on(client, &mut answer);
        answer.map(|body| Box::pin(body) as Self::Body)
    }
}

/// A server that speaks something else than HTTP from its first answer on: it greets, and echoes.
async fn switching() -> Target {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        head(&mut connection).await;
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello ";
        connection.write_all(answer).await.unwrap();
        let (mut reading, mut writing) = connection.split();
        tokio::io::copy(&mut reading, &mut writing).await.unwrap();
    });
    Target {
        host: ("localhost".to_owned(), address.port()),
        address: Some(address),
        server_name: String::new(),
        trust: ServerTrust::Plain,
        identity: None,
    }
}

#[tokio::test]
async fn a_connection_is_passed_on_once_both_sides_have_switched() {
    let authority = Authority::generate("test", SystemTime::now()).unwrap();
    let proxy = Proxy {
        caller: Caller::new(Bytes::new(), Vec::new()),
        target: switching().await,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let serving = identity(&leaf(&authority, Usage::Server));
    let door = Door::open(listener, serving, Limits::default(), proxy).unwrap();
    let echo = Echo {
        arrived: Arc::new(Semaphore::new(0)),
        go: Arc::new(Semaphore::new(0)),
    };
    let mut client = Setup {
        door,
        echo,
        authority,
    }
    .raw()
    .await;
    let ask = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(ask).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 101"));
    client.write_all(b"world").await.unwrap();
    client.shutdown().await.unwrap();
    let mut all = String::new();
    client.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "hello world");
}

#[tokio::test]
async fn who_took_a_connection_over_may_leave_it_unread() {
    let setup = open(Limits {
        unread: Duration::from_secs(1),
        ..Limits::default()
    });
    let mut stream = setup.raw().await;
    let ask = b"GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 101"));
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sent = vec![b'x'; 16 << 20];
    let length = sent.len();
    let writer = tokio::spawn(async move { writing.write_all(&sent).await.map(|()| writing) });
    // Longer than the door lets others leave its answers: the time itself is what is tested.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut got = vec![0; length];
    reading.read_exact(&mut got).await.unwrap();
    drop(writer.await.unwrap().unwrap());
}

/// A file at `/file`, what it was asked at everything else.
#[derive(Clone)]
struct Files(Arc<std::fs::File>);

enum FileOr {
    File(https::FileBody),
    Text(Full<Bytes>),
}

impl http_body::Body for FileOr {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::File(body) => Pin::new(body).poll_frame(cx),
            Self::Text(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::File(body) => body.size_hint(),
            Self::Text(body) => body.size_hint(),
        }
    }
}

/// Of the file.
const LENGTH: u64 = 3 << 20;
/// Of what no socket's buffers hold.
const LONG: u64 = 256 << 20;

impl Service for Files {
    type Body = FileOr;

    const FILES: bool = true;

    fn may_be_file(path: &str) -> bool {
        path.starts_with("/file")
    }

    fn file(body: &FileOr) -> Option<&https::FilePart> {
        match body {
            FileOr::File(body) => Some(body.part()),
            FileOr::Text(_) => None,
        }
    }

    async fn call(&self, request: Request<RequestBody>, peer: Peer) -> Response<FileOr> {
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        if let "/file" | "/file/long" = &*path {
            let part = https::FilePart {
                file: self.0.clone(),
                start: 0,
                length: if path == "/file" { LENGTH } else { LONG },
            };
            return Response::new(FileOr::File(https::FileBody::new(part)));
        }
        let text = format!("{method} {path} {} {}", body.len(), peer.encrypted);
        Response::new(FileOr::Text(text.into()))
    }
}

fn open_files(plain: https::Plain) -> Door {
    open_files_for(plain, Limits::default())
}

fn open_files_for(plain: https::Plain, limits: Limits) -> Door {
    use std::os::unix::fs::FileExt;
    let file = tempfile::tempfile().unwrap();
    file.set_len(LONG).unwrap();
    file.write_all_at(b"end", LENGTH - 3).unwrap();
    let authority = Authority::generate("ca", SystemTime::now()).unwrap();
    let serving = identity(&leaf(&authority, Usage::Server));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    Door::open_also_plain(listener, serving, plain, limits, Files(Arc::new(file))).unwrap()
}

/// What is answered to a text on one connection, to its end.
async fn answered(door: &Door, text: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(door.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn files_and_all_else_share_a_plain_connection() {
    let door = open_files(https::Plain::Loopback);
    // Files, what could have been one, a body that makes it hyper's, and a file by hyper, in one go.
    let text = "GET /file HTTP/1.1\r\nhost: x\r\n\r\n\
        HEAD /file HTTP/1.1\r\nhost: x\r\n\r\n\
        GET /file/none HTTP/1.1\r\nhost: x\r\n\r\n\
        PUT /file/put HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc\
        GET /file HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let all = answered(&door, text).await;
    let heads = |needle: &str| {
        let needle = needle.as_bytes();
        all.windows(needle.len())
            .filter(|window| *window == needle)
            .count()
    };
    assert_eq!(heads("HTTP/1.1 200 OK\r\n"), 5);
    assert_eq!(heads(&format!("content-length: {LENGTH}\r\n")), 3);
    assert_eq!(
        (heads("GET /file/none 0 false"), heads("PUT /file/put 3 false")),
        (1, 1)
    );
    assert_eq!(heads("\0end"), 2);
    assert!(all.len() as u64 > 2 * LENGTH && (all.len() as u64) < 2 * LENGTH + 2000);
}

#[tokio::test]
async fn a_file_is_the_last_where_the_client_says_so() {
    let door = open_files(https::Plain::Loopback);
    let all = answered(
        &door,
        "GET /file HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(all.ends_with(b"end") && all.windows(17).any(|window| window == b"connection: close"));
    // A head in two pieces is hyper's.
    let mut stream = TcpStream::connect(door.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in ["GET /fi", "le HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert!(all.ends_with(b"end"));
}

/// A seat that is given while others wait for one is not taken away from who has asked.
#[tokio::test]
async fn whoever_has_asked_is_answered_at_a_crowded_plain_door() {
    use std::io::{Read, Write};
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let door = open_files_for(https::Plain::Loopback, limits);
    let connect = |text: &str| {
        let mut stream = std::net::TcpStream::connect(door.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    // All of it lies in the kernel before the door is looked at.
    let idle: Vec<_> = (0..4).map(|_| connect("GET /fi")).collect();
    let text = "GET /file/none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let asking: Vec<_> = (0..4).map(|_| connect(text)).collect();
    let read = |mut stream: std::net::TcpStream| {
        let mut all = String::new();
        stream.read_to_string(&mut all).map(|_| all)
    };
    let answers = tokio::task::spawn_blocking(move || asking.into_iter().map(read).collect::<Vec<_>>());
    for answer in answers.await.unwrap() {
        assert!(answer.unwrap().starts_with("HTTP/1.1 200 OK"));
    }
    drop(idle);
}

/// Who reads nothing, or next to nothing, keeps nobody out of a full door.
#[tokio::test]
async fn slow_readers_give_up_their_seats_where_others_wait() {
    let limits = Limits {
        connections: 1,
        unread: Duration::from_secs(3600),
        unread_when_full: Duration::from_millis(20),
        ..Limits::default()
    };
    let door = open_files_for(https::Plain::Loopback, limits);
    let mut slow = TcpStream::connect(door.address()).await.unwrap();
    slow.write_all(b"GET /file/long HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    slow.read_exact(&mut first).await.unwrap();
    let text = "GET /file/none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(answered(&door, text).await.starts_with(b"HTTP/1.1 200 OK"));
    drop(slow);
    // So over TLS.
    let unread = endless_for(limits);
    let mut sender = http2(&unread.setup, 1).await;
    let answer = get(&mut sender, "/endless").await;
    let mut other = http2(&unread.setup, 1 << 16).await;
    assert_eq!(get(&mut other, "/0").await.status(), StatusCode::OK);
    drop(answer);
}

#[tokio::test]
async fn plain_http_is_for_whom_it_is_allowed() {
    let refused = answered(
        &open_files(https::Plain::Never),
        "GET /file HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    assert!(refused.starts_with(b"HTTP/1.0 400 "));
    let door = open_files(https::Plain::Anybody);
    assert_eq!(
        answered(&door, "GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await[..15],
        *b"HTTP/1.1 200 OK"
    );
}

#[tokio::test]
async fn a_door_drains_while_a_file_goes_out() {
    let door = open_files(https::Plain::Loopback);
    let mut stream = TcpStream::connect(door.address()).await.unwrap();
    stream
        .write_all(b"GET /file HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    let mut rest = Vec::new();
    let (drained, read) = tokio::join!(door.drain(Duration::from_secs(30)), stream.read_to_end(&mut rest));
    assert_eq!((drained, read.is_ok()), (Drained::Whole, true));
    assert!(rest.ends_with(b"end"));
}
