//! Files over plain HTTP/1.1, sent by the kernel: no byte of them comes into this process.
//!
//! A request's head is looked at while it still lies in the socket. If its answer may be a file, it is answered here, and
//! so is the next one; the first that is anything else is left where it lies, and the connection goes on with hyper, to
//! its end. What asks, who may, and what the headers of the answer are, is the [`Service`]'s as ever.

use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use driver::{Clock, SystemClock};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::BodyExt;
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use crate::account::PROGRESS;
use crate::connection::{Phase, Shared};
use crate::file::{CHUNK, in_memory};
use crate::idle::Presence;
use crate::{FilePart, Limits, Peer, RequestBody, Service};

/// A head that is longer is hyper's.
const HEAD: usize = 8 << 10;
/// So is one with more lines.
const LINES: usize = 32;
/// Headers that say that there is more to a request than its head.
const MORE: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, EXPECT];

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is over.
    Ended,
    /// The next request is somebody else's.
    Another,
}

/// Answers requests for files as long as there are no others.
pub(crate) async fn serve<S: Service>(
    stream: &mut TcpStream,
    peer: &Peer,
    shared: &Shared<S>,
    mut phase: watch::Receiver<Phase>,
) -> io::Result<Next> {
    let presence = Presence::default();
    let idle = presence
        .clone()
        .idle(shared.limits.head, shared.crowded.subscribe());
    let mut idle = pin!(idle);
    let mut buffer = vec![0; HEAD];
    loop {
        let seen = tokio::select! {
            // Nothing is owed between two requests, and looking takes nothing.
            biased;
            () = until(&mut phase, |phase| phase != Phase::Open) => return Ok(Next::Ended),
            // Who has asked already is no idler, however crowded the door is.
            seen = stream.peek(&mut buffer) => seen?,
            () = idle.as_mut() => return Ok(Next::Ended),
        };
        let Some((request, length)) = request::<S>(&buffer[..seen]) else {
            return Ok(if seen == 0 { Next::Ended } else { Next::Another });
        };
        let busy = presence.enter();
        stream.read_exact(&mut buffer[..length]).await?;
        let goes_on = tokio::select! {
            biased;
            () = until(&mut phase, |phase| phase == Phase::Cut) => return Ok(Next::Ended),
            goes_on = answer(stream, request, peer, shared) => goes_on?,
        };
        drop(busy);
        if !goes_on {
            return Ok(Next::Ended);
        }
    }
}

/// A door that is gone is as good as cut.
async fn until(phase: &mut watch::Receiver<Phase>, wanted: impl Fn(Phase) -> bool) {
    drop(phase.wait_for(|phase| wanted(*phase)).await);
}

/// A whole head whose answer may be a file, and its length. It was looked at, and is hyper's in every case of doubt.
fn request<S: Service>(bytes: &[u8]) -> Option<(Request<RequestBody>, usize)> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut head = httparse::Request::new(&mut lines);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else {
        return None;
    };
    let method = match head.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    let uri: Uri = head.path?.parse().ok()?;
    if head.version != Some(1) || !S::may_be_file(uri.path()) {
        return None;
    }
    let mut request = Request::new(RequestBody::none());
    for line in &*head.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        if MORE.contains(&name) {
            return None;
        }
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Some((request, length))
}

/// Whether the connection goes on.
async fn answer<S: Service>(
    stream: &mut TcpStream,
    request: Request<RequestBody>,
    peer: &Peer,
    shared: &Shared<S>,
) -> io::Result<bool> {
    let closes = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
    let close = request.headers().get_all(CONNECTION).iter().any(closes);
    let without_body = request.method() == Method::HEAD;
    let response = {
        // A client that has gone is not answered.
        let answered = Box::pin(shared.service.call(request, peer.clone()));
        tokio::select! {
            biased;
            response = answered => response,
            () = gone(stream) => return Ok(false),
        }
    };
    let mut out = Out::new(stream, &shared.limits, shared.crowded.subscribe());
    let (parts, body) = response.into_parts();
    // These have no body by their status, and say nothing of one.
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = body.size_hint().exact();
    let goes_on = !close && length.is_some();
    let head = head(
        &Response::from_parts(parts, ()),
        length.filter(|_| !bodiless),
        goes_on,
    );
    let follows = !without_body && length != Some(0);
    out.bytes(
        &head,
        if follows {
            SendFlags::MORE
        } else {
            SendFlags::empty()
        },
    )
    .await?;
    match S::file(&body) {
        _ if !follows => {}
        Some(part) => out.file(part.clone()).await?,
        None => out.body::<S>(body).await?,
    }
    Ok(goes_on)
}

/// Returns when the client has ended its side: it sends nothing beside a request that it waits for.
async fn gone(stream: &TcpStream) {
    let mut byte = [0];
    // The next request may lie there already.
    if let Ok(1..) = stream.peek(&mut byte).await {
        std::future::pending::<()>().await;
    }
}

/// An answer's head. A length that the service has set stands (that of an answer to HEAD).
fn head(response: &Response<()>, length: Option<u64>, goes_on: bool) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let mut line = |name: &[u8], value: &[u8]| {
        for part in [name, b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    let headers = response.headers();
    headers
        .iter()
        .for_each(|(name, value)| line(name.as_str().as_bytes(), value.as_bytes()));
    if !headers.contains_key(DATE) {
        line(
            b"date",
            httpdate::fmt_http_date(SystemClock::new().wall()).as_bytes(),
        );
    }
    if let Some(length) = length.filter(|_| !headers.contains_key(CONTENT_LENGTH)) {
        line(b"content-length", length.to_string().as_bytes());
    }
    if !goes_on {
        line(b"connection", b"close");
    }
    head.extend_from_slice(b"\r\n");
    let status = response.status();
    let mut whole = Vec::with_capacity(head.len() + 32);
    let reason = status.canonical_reason().unwrap_or_default();
    // Writing to memory does not fail.
    drop(write!(
        whole,
        "{:?} {} {reason}\r\n",
        Version::HTTP_11,
        status.as_u16()
    ));
    whole.extend_from_slice(&head);
    whole
}

/// What is being sent, and how long it has stood still.
struct Out<'a> {
    stream: &'a TcpStream,
    unread: Duration,
    unread_when_full: Duration,
    crowded: watch::Receiver<bool>,
    /// Whether the time that runs is that of a full door.
    hurried: bool,
    stalled: Pin<Box<Sleep>>,
    moved: u64,
}

impl<'a> Out<'a> {
    fn new(stream: &'a TcpStream, limits: &Limits, crowded: watch::Receiver<bool>) -> Self {
        Self {
            stream,
            unread: limits.unread,
            unread_when_full: limits.unread_when_full,
            crowded,
            hurried: false,
            stalled: Box::pin(sleep(limits.unread)),
            moved: 0,
        }
    }

    /// Begins to count anew.
    fn count(&mut self, hurried: bool) {
        (self.hurried, self.moved) = (hurried, 0);
        let time = if hurried {
            self.unread_when_full
        } else {
            self.unread
        };
        self.stalled.as_mut().reset(Instant::now() + time);
    }

    async fn bytes(&mut self, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
        let flags = flags | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while !bytes.is_empty() {
            let stream = self.stream;
            let sent = self
                .writable(|| Ok(rustix::net::send(stream, bytes, flags)?))
                .await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    async fn file(&mut self, mut part: FilePart) -> io::Result<()> {
        while part.length > 0 {
            in_memory(&part).await?;
            let (stream, file) = (self.stream, part.file.clone());
            let count = usize::try_from(part.length.min(CHUNK)).unwrap_or_default();
            let mut at = part.start;
            let sent = self
                .writable(|| Ok(rustix::fs::sendfile(stream, &file, Some(&mut at), count)?))
                .await?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            part.start += sent as u64;
            part.length -= sent as u64;
        }
        Ok(())
    }

    async fn body<S: Service>(&mut self, mut body: S::Body) -> io::Result<()> {
        while let Some(bytes) = piece(&mut body).await? {
            self.bytes(&bytes, SendFlags::empty()).await?;
        }
        Ok(())
    }

    /// Sends as much as goes, once any does. A client that takes less than a little within the time for it is given up; there
    /// is less time where others wait for its seat.
    async fn writable(&mut self, mut send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        loop {
            tokio::select! {
                biased;
                sent = self.stream.async_io(Interest::WRITABLE, &mut send) => {
                    let sent = sent?;
                    self.moved += sent as u64;
                    return Ok(sent);
                }
                () = self.stalled.as_mut() => {
                    let due = !self.hurried || *self.crowded.borrow();
                    if self.moved < PROGRESS && due {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    self.count(false);
                }
                () = come(&mut self.crowded), if !self.hurried => self.count(true),
            }
        }
    }
}

/// Returns when others wait for a seat.
async fn come(crowded: &mut watch::Receiver<bool>) {
    drop(crowded.wait_for(|crowded| *crowded).await);
}

/// The next bytes of a body.
async fn piece<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin>(
    body: &mut B,
) -> io::Result<Option<Bytes>> {
    let Some(frame) = body.frame().await else {
        return Ok(None);
    };
    let frame = frame.map_err(io::Error::other)?;
    Ok(Some(frame.into_data().unwrap_or_default()))
}
