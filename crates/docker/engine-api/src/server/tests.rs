//! The HTTP layer with a real client on a real socket, and handlers of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::call::Call;
use super::dispatch::Dispatch;
use super::reply::{JSON, Reply};
use super::router::{Route, route};
use super::version::NEWEST;
use super::{COMMON_HEADERS, serve};
use crate::error::ApiError;
use crate::stream::frame::{Channel, Framing};
use crate::stream::hijack::{head, take_over};

type Handled = Result<Reply, ApiError>;

async fn echo(call: Call<()>) -> Handled {
    let seen = json!({ "version": call.version.to_string(), "name": call.name, "a": call.query.get("a") });
    let body = call.json_value().await?;
    Reply::json(&json!({ "seen": seen, "body": body }))
}

async fn unchanged(_call: Call<()>) -> Handled {
    Err(ApiError::new(http::StatusCode::NOT_MODIFIED, "never sent"))
}

async fn endless(_call: Call<()>) -> Handled {
    let (sender, reply) = Reply::stream(JSON);
    tokio::spawn(async move { while sender.send(vec![b'x'; 60_000]).await {} });
    Ok(reply)
}

async fn torn(_call: Call<()>) -> Handled {
    let (sender, reply) = Reply::stream(JSON);
    tokio::task::spawn_blocking(move || {
        sender.blocking_send("begun");
        sender.blocking_tear(std::io::Error::other("torn"));
    });
    Ok(reply)
}

async fn hijacked(call: Call<()>) -> Handled {
    Ok(take_over(
        head(call.wants_upgrade(), false),
        |client| async move {
            client.say(Framing::Raw, Channel::Stdout, "naked".into()).await;
        },
    ))
}

/// Takes what begins as HTTP/2 does, and answers in words.
async fn second(mut stream: UnixStream) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    stream.write_all(b"seen").await.unwrap();
}

const ROUTES: &[Route<()>] = &[
    route!(POST "/echo/{}/x" => echo),
    route!(POST "/unchanged" => unchanged),
    route!(GET "/endless" => endless),
    route!(GET "/torn" => torn),
    route!(POST "/hijacked" => hijacked),
];

/// A server with a client's way to it.
struct Served {
    socket: PathBuf,
    _directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Served {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let dispatch = Dispatch {
            routes: ROUTES,
            state: Arc::new(()),
            server: HeaderValue::from_static("Docker/28.2.2 (linux)"),
            http2: Some(|_, stream| Box::pin(second(stream))),
        };
        let server = tokio::spawn(serve(listener, Arc::new(dispatch), async { drop(stopped.await) }));
        Self {
            socket,
            _directory: directory,
            stop: Some(stop),
            server,
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    async fn raw(&self, text: &str) -> Vec<u8> {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    async fn end(mut self) {
        drop(self.stop.take());
        self.server.await.unwrap().unwrap();
    }
}

fn post(path: &str, media_type: &str, body: &str) -> Request<Full<Bytes>> {
    let builder = Request::post(path).header("Host", "d");
    let builder = if media_type.is_empty() {
        builder
    } else {
        builder.header("Content-Type", media_type)
    };
    builder.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn value(response: Response<Incoming>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

#[test]
fn the_common_headers_tell_the_newest_version() {
    assert_eq!(COMMON_HEADERS[0].1, NEWEST.to_string());
}

#[tokio::test]
async fn requests_reach_their_handler() {
    let served = Served::new();
    let response = served
        .send(post("/v1.41/echo/a%2Fb/x?a=1", "application/json", "{\"k\":1}"))
        .await;
    assert_eq!(response.headers()["server"], "Docker/28.2.2 (linux)");
    assert_eq!(
        (&response.headers()["api-version"], &response.headers()["ostype"]),
        (
            &HeaderValue::from_static("1.50"),
            &HeaderValue::from_static("linux")
        )
    );
    let answer = value(response).await;
    assert_eq!(
        answer,
        json!({"seen": {"version": "1.41", "name": "a/b", "a": "1"}, "body": {"k": 1}})
    );
    served.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_protocols_form() {
    let served = Served::new();
    for (path, media_type, body, status, message) in [
        ("/nowhere", "", "", 404, "page not found"),
        ("/v1.41/nowhere", "", "", 404, "page not found"),
        ("/endless", "", "", 404, "page not found"),
        (
            "/v1.99/echo/a/x",
            "",
            "",
            400,
            "client version 1.99 is too new. Maximum supported API version is 1.50",
        ),
        ("/echo/a/x?a=%zz", "", "", 400, "invalid URL escape \"%zz\""),
        (
            "/echo/a/x",
            "text/plain",
            "{}",
            400,
            "unsupported Content-Type header (text/plain): must be 'application/json'",
        ),
        (
            "/echo/a/x",
            "",
            "{}",
            400,
            "malformed Content-Type header (): mime: no media type",
        ),
        (
            "/echo/a/x",
            "application/json",
            "{",
            400,
            "invalid JSON: unexpected EOF",
        ),
        (
            "/echo/a/x",
            "application/json",
            "{} x",
            400,
            "unexpected content after JSON",
        ),
    ] {
        let response = served.send(post(path, media_type, body)).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(value(response).await, json!({ "message": message }), "{path}");
    }
    let large = served
        .send(post("/echo/a/x", "application/json", &" ".repeat((4 << 20) + 1)))
        .await;
    assert_eq!(large.status().as_u16(), 413);
    served.end().await;
}

#[tokio::test]
async fn ancient_clients_get_plain_text() {
    let served = Served::new();
    let response = served.send(post("/v1.18/echo/a/x", "", "")).await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(
        text(response)
            .await
            .starts_with("client version 1.18 is too old.")
    );
    served.end().await;
}

#[tokio::test]
async fn not_modified_has_no_body() {
    let served = Served::new();
    let response = served.send(post("/unchanged", "", "")).await;
    assert_eq!(
        (response.status().as_u16(), response.headers().get("content-type")),
        (304, None)
    );
    assert_eq!(text(response).await, "");
    served.end().await;
}

#[tokio::test]
async fn header_names_have_upstreams_case() {
    let served = Served::new();
    let answer = served
        .raw("GET /none HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        .await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.contains("\r\nContent-Type: application/json\r\n"),
        "{answer}"
    );
    served.end().await;
}

#[tokio::test]
async fn quotes_need_no_escape_in_a_query() {
    let served = Served::new();
    let head = "Host: d\r\nConnection: close\r\n\r\n";
    let answer = served
        .raw(&format!(
            "POST /echo/n/x?a={{\"b\":[\"<c>\"]}} HTTP/1.1\r\n{head}"
        ))
        .await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains(r#""a":"{\"b\":[\"<c>\"]}""#), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn a_refused_upload_is_read_before_the_answer() {
    let served = Served::new();
    let mut stream = UnixStream::connect(&served.socket).await.unwrap();
    let head = "POST /unchanged HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // More than a socket holds: it goes through only because somebody reads it.
    stream.write_all(&vec![b'x'; 200_000]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 304"), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn a_torn_answer_is_seen_as_torn() {
    let served = Served::new();
    let answer = served.raw("GET /torn HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(!answer.ends_with(b"0\r\n\r\n"), "the last chunk is missing");
    served.end().await;
}

#[tokio::test]
async fn a_client_that_goes_ends_its_stream() {
    let served = Served::new();
    let request = Request::get("/endless")
        .header("Host", "d")
        .body(Full::default())
        .unwrap();
    let mut response = served.send(request).await;
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    drop(response);
    // The server drains only when no request is under way any more: it ends well before its limit.
    tokio::time::timeout(Duration::from_secs(4), served.end())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_hijacked_connection_is_naked_in_both_forms() {
    let served = Served::new();
    let upgraded = served
        .raw("POST /hijacked HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        .await;
    assert_eq!(
        String::from_utf8(upgraded).unwrap(),
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nnaked"
    );
    let plain = served
        .raw("POST /hijacked HTTP/1.1\r\nHost: d\r\n\r\nearly input")
        .await;
    assert_eq!(
        String::from_utf8(plain).unwrap(),
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nnaked"
    );
    served.end().await;
}

#[tokio::test]
async fn http2_is_known_by_its_first_bytes() {
    let served = Served::new();
    let answer = served.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(answer, b"seen");
    served.end().await;
}
