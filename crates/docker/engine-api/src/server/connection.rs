//! One client: HTTP until it closes, or until a handler takes the stream over.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::body::Body;
use super::dispatch::Dispatch;
use super::gate::{Gate, Gated};
use super::reply::{Hijack, Reply};

/// How long a client may take for a request's head; upstream's figure.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// Largest head of a request in bytes; upstream's figure (Go's default).
const HEAD_LIMIT: usize = 1 << 20;

/// Where a service leaves the connection's next owner.
type Next = Arc<Mutex<Option<Hijack>>>;

/// Serves one client until it goes, takes the stream over, or `stop` is set.
pub(crate) async fn run<S: Send + Sync + 'static>(
    stream: UnixStream,
    dispatch: Arc<Dispatch<S>>,
    mut stop: watch::Receiver<bool>,
) {
    if let Some(answer) = dispatch.http2 {
        let first = tokio::time::timeout(HEAD_TIMEOUT, speaks_http2(&stream));
        // Looking takes nothing from the stream.
        let http2 = tokio::select! {
            biased;
            _ = stop.changed() => return,
            first = first => first.unwrap_or(false),
        };
        if http2 {
            return answer(dispatch.state.clone(), stream).await;
        }
    }
    let (gate, next) = (Gate::default(), Next::default());
    let service = service_fn(|request| Box::pin(answer(request, &dispatch, &gate, &next)));
    let io = TokioIo::new(Gated::new(stream, gate.clone()));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // `Api-Version`, as upstream writes it: scripts look for it in that case.
        .title_case_headers(true)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(io, service);
    // Both arms only poll what lives outside the select, so dropping either loses nothing.
    let ended = tokio::select! {
        biased;
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
        _ = stop.changed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(%cause, "connection broke off");
    }
    let parts = connection.into_parts();
    let taken = next.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(hijack) = taken {
        let (stream, ahead) = parts.io.into_inner().into_inner();
        let read = match ahead.is_empty() {
            true => parts.read_buf,
            false => [&parts.read_buf[..], &ahead[..]].concat().into(),
        };
        (hijack.run)(stream, read).await;
    }
}

/// Whether a client begins with HTTP/2's preface, which it sends in one piece. Waits for its first bytes.
async fn speaks_http2(stream: &UnixStream) -> bool {
    const PREFACE: [u8; 4] = *b"PRI ";
    let mut first = [0; PREFACE.len()];
    let look = || Ok(recv(stream, &mut first[..], RecvFlags::PEEK).map(drop)?);
    let looked = stream.async_io(Interest::READABLE, look).await;
    looked.is_ok() && first == PREFACE
}

async fn answer<S: Send + Sync + 'static>(
    request: Request<Incoming>,
    dispatch: &Dispatch<S>,
    gate: &Gate,
    next: &Next,
) -> Result<Response<Body>, Infallible> {
    match dispatch.answer(request).await {
        Reply::Http(response) => Ok(response),
        Reply::Hijack(hijack) => {
            gate.shut();
            *next.lock().unwrap_or_else(PoisonError::into_inner) = Some(hijack);
            let mut swallowed = Response::new(Body::empty());
            swallowed
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
            Ok(swallowed)
        }
    }
}
