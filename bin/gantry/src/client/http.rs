//! The Engine API as requests over the unix socket. One connection for each request: making one costs less
//! than knowing whether an old one is still good.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// The version that these commands speak.
const VERSION: &str = "/v1.50";
/// At most so many bytes of an answer that is one JSON value.
const MAX_ANSWER: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot connect to the node at unix://{}; is it up (`gantry up -d`)?", .socket.display())]
    Connect { socket: PathBuf, source: io::Error },
    /// The daemon's own words.
    #[error("{message}")]
    Daemon { status: u16, message: String },
    #[error("the connection to the node broke")]
    Broken(#[from] hyper::Error),
    #[error("the connection to the node broke")]
    Stream(#[from] io::Error),
    #[error("the node's answer is not what it should be: {0}")]
    Answer(String),
}

impl Error {
    /// Whether the daemon says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Daemon { status: 404, .. })
    }
}

/// A request's body: whole, or as it comes.
type Body = Either<Full<Bytes>, Pieces>;

/// A body that somebody else writes, a piece at a time.
pub(super) struct Pieces(pub(super) mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|bytes| bytes.map(Frame::data)))
    }
}

/// A path of the API, with its query.
pub(crate) struct Target {
    path: String,
    query: form_urlencoded::Serializer<'static, String>,
}

impl Target {
    /// The segments of a path; what a user typed in one of them stays in that one.
    pub(crate) fn new(segments: &[&str]) -> Self {
        let encoded = segments.iter().flat_map(|segment| {
            std::iter::once("/").chain(form_urlencoded::byte_serialize(segment.as_bytes()))
        });
        Self {
            path: encoded.collect(),
            query: form_urlencoded::Serializer::new(String::new()),
        }
    }

    pub(crate) fn with(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.query.append_pair(key, value.as_ref());
        self
    }

    pub(crate) fn with_all<'a>(self, pairs: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        pairs
            .into_iter()
            .fold(self, |target, (key, value)| target.with(key, value))
    }

    fn uri(mut self) -> String {
        format!("{VERSION}{}?{}", self.path, self.query.finish())
    }
}

/// The node's Engine API.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    socket: PathBuf,
}

impl Daemon {
    pub(crate) fn new(socket: impl AsRef<Path>) -> Self {
        Self {
            socket: socket.as_ref().to_owned(),
        }
    }

    pub(crate) async fn get(&self, target: Target) -> Result<Value, Error> {
        json(self.stream(Method::GET, target).await?).await
    }

    /// Without a body; null if the answer has none.
    pub(crate) async fn post(&self, target: Target) -> Result<Value, Error> {
        json(self.stream(Method::POST, target).await?).await
    }

    pub(crate) async fn post_json(&self, target: Target, value: &Value) -> Result<Value, Error> {
        json(self.send(with_json(target), Some(value)).await?).await
    }

    /// An answer that is read as it comes.
    pub(crate) async fn stream(&self, method: Method, target: Target) -> Result<Response<Incoming>, Error> {
        self.stream_with(method, target, &[]).await
    }

    /// The same with headers; empty ones are left out.
    pub(super) async fn stream_with(
        &self,
        method: Method,
        target: Target,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Error> {
        let request = Request::builder().method(method).uri(target.uri());
        let said = headers.iter().filter(|(_, value)| !value.is_empty());
        let request = said.fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request, None).await
    }

    /// Sends a tar archive as it comes.
    pub(super) async fn upload(&self, target: Target, tar: Pieces) -> Result<Response<Incoming>, Error> {
        let request = Request::post(target.uri()).header(CONTENT_TYPE, "application/x-tar");
        self.exchange(request, Either::Right(tar)).await
    }

    /// Leaves HTTP for a container's streams.
    pub(super) async fn upgrade(
        &self,
        target: Target,
        value: Option<&Value>,
    ) -> Result<TokioIo<Upgraded>, Error> {
        let request = match value {
            Some(_) => with_json(target),
            None => Request::post(target.uri()),
        };
        let request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        let response = self.send(request, value).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::Answer(format!("{} to an upgrade", response.status())));
        }
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    }

    async fn send(&self, request: Builder, body: Option<&Value>) -> Result<Response<Incoming>, Error> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.exchange(request, Either::Left(Full::from(body))).await
    }

    async fn exchange(&self, request: Builder, body: Body) -> Result<Response<Incoming>, Error> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| Error::Connect {
            socket: self.socket.clone(),
            source,
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let request = request.header(HOST, "docker").body(body);
        let request = request.map_err(|error| Error::Answer(error.to_string()))?;
        let response = sender.send_request(request).await?;
        if response.status().is_client_error() || response.status().is_server_error() {
            return Err(refusal(response).await);
        }
        Ok(response)
    }
}

fn with_json(target: Target) -> Builder {
    Request::post(target.uri()).header(CONTENT_TYPE, "application/json")
}

async fn json(response: Response<Incoming>) -> Result<Value, Error> {
    let bytes = whole(response).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| Error::Answer(error.to_string()))
}

/// The rest of an answer.
pub(super) async fn whole(response: Response<Incoming>) -> Result<Bytes, Error> {
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| Error::Answer(error.to_string()))
}

async fn refusal(response: Response<Incoming>) -> Error {
    let status = response.status();
    let said = json(response).await.ok();
    let message = said.as_ref().and_then(|body| body["message"].as_str());
    Error::Daemon {
        status: status.as_u16(),
        message: message.map_or_else(|| status.to_string(), ToOwned::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_typed_stays_in_its_segment_and_its_value() {
        let target = Target::new(&["containers", "a/../b?c", "json"]).with("t", "x&y=z");
        assert_eq!(target.uri(), "/v1.50/containers/a%2F..%2Fb%3Fc/json?t=x%26y%3Dz");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nobody_listening_is_said_with_the_remedy() {
        let daemon = Daemon::new("/nowhere/docker.sock");
        let error = daemon.get(Target::new(&["_ping"])).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot connect to the node at unix:///nowhere/docker.sock; is it up (`gantry up -d`)?"
        );
    }
}
