//! One connection: handshake, then HTTP/1.1 or HTTP/2 as ALPN says, until its end or the door's.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::account::{ACCOUNT, Account, Stalled};
use crate::idle::{Busy, Presence};
use crate::outgoing::Outgoing;
use crate::plain::{First, Plain};
use crate::wire::Wire;
use crate::{Limits, Peer, RequestBody, Rest, Service, files, plain};

/// How long connections shall go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Until what has been asked is answered.
    Draining,
    Cut,
}

/// What every connection of a door shares.
pub(crate) struct Shared<S> {
    pub(crate) service: S,
    pub(crate) limits: Limits,
    pub(crate) tls: TlsAcceptor,
    pub(crate) plain: Plain,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<Streams>,
    /// Whether somebody waits for a seat.
    pub(crate) crowded: watch::Sender<bool>,
}

impl<S> Shared<S> {
    pub(crate) fn new(service: S, limits: Limits, tls: TlsAcceptor, plain: Plain) -> Self {
        Self {
            service,
            limits,
            tls,
            plain,
            http1: http1(&limits),
            http2: http2(&limits),
            crowded: watch::Sender::new(false),
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // A head that does not come is `idle`'s: until it is whole, nothing is under way.
    builder
        .max_headers(limits.headers)
        .max_buf_size(limits.send_buffer)
        .max_header_size(limits.head_bytes as usize)
        // A client that shuts its sending side has left, as Go's servers see it: nobody works for it any more.
        .half_close(false);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams {
        unread: limits.unread,
    });
    let whole = limits.stream_window.saturating_mul(limits.streams.min(64));
    builder
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(whole)
        .max_header_list_size(limits.head_bytes)
        .max_send_buf_size(limits.send_buffer);
    builder
}

/// Runs the streams of HTTP/2 connections, each with an account of its own, until they end or stand still. A stream that
/// is dropped is reset, and what h2 holds of it goes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    unread: Duration,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        // Only connections start streams.
        let account = ACCOUNT.try_with(Account::stream);
        let account = account.unwrap_or_else(|_| Account::of_connection(usize::MAX));
        let stalled = Stalled::new(account.clone(), self.unread);
        tokio::spawn(ACCOUNT.scope(account, async move {
            let (stream, stalled) = (pin!(stream), pin!(stalled));
            tokio::select! {
                biased;
                _ = stream => {}
                () = stalled => tracing::debug!("a stream that nobody reads is reset"),
            }
        }));
    }
}

/// Serves one connection to its end.
pub(crate) async fn attend<S: Service>(
    stream: TcpStream,
    address: SocketAddr,
    shared: Arc<Shared<S>>,
    phase: watch::Receiver<Phase>,
) {
    let shaken = tokio::select! {
        // A handshake that is cut off has lost no answer.
        biased;
        () = cut(phase.clone()) => return,
        shaken = shake_hands(stream, address, &shared) => shaken,
    };
    let served = match shaken {
        Ok(Some(stream)) => serve(stream, address, shared, phase).await,
        Ok(None) => return,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = served {
        tracing::debug!(%address, error = &*error, "connection ended");
    }
}

/// Returns when the door is cut. Takes a receiver of its own: the connection's must not have seen what came
/// during the handshake.
async fn cut(mut phase: watch::Receiver<Phase>) {
    drop(phase.wait_for(|phase| *phase == Phase::Cut).await);
}

/// None if the client speaks no TLS, and has been told.
async fn shake_hands<S>(
    stream: TcpStream,
    address: SocketAddr,
    shared: &Shared<S>,
) -> io::Result<Option<Wire>> {
    kernel_limits(&stream, &shared.limits)?;
    let shaken = timeout(shared.limits.handshake, async {
        match plain::first(&stream, shared.plain.allows(address)).await? {
            First::Tls => {
                let stream = shared.tls.accept(stream).await?;
                Ok(Some(Wire::Tls(Box::new(stream))))
            }
            First::Plain { http2 } => Ok(Some(Wire::Plain { stream, http2 })),
            First::Refused => plain::refuse(stream).await.map(|()| None),
            First::Nothing => Ok(None),
        }
    });
    shaken
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What the kernel watches for us: a peer that has gone, or does not read.
fn kernel_limits(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, limits.silent)?;
    let unread = u32::try_from(limits.unread.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(stream, unread)?)
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn serve<S: Service>(
    mut stream: Wire,
    address: SocketAddr,
    shared: Arc<Shared<S>>,
    phase: watch::Receiver<Phase>,
) -> Ended {
    let http2 = stream.speaks_http2();
    let peer = Peer {
        address,
        local: stream.socket().local_addr()?,
        encrypted: matches!(stream, Wire::Tls(_)),
        certificates: stream.certificates(),
        vouched: Arc::default(),
    };
    if let Wire::Plain { stream, http2: false } = &mut stream
        && S::FILES
        && files::serve(stream, &peer, &shared, phase.clone()).await? == files::Next::Ended
    {
        return Ok(());
    }
    let service = shared.service.clone();
    let presence = Presence::default();
    let idle = presence
        .clone()
        .idle(shared.limits.head, shared.crowded.subscribe());
    let service = service_fn(move |request: Request<Incoming>| {
        let (service, peer, busy) = (service.clone(), peer.clone(), presence.enter());
        let request = request.map(|body| RequestBody::new(body, (!http2).then(Rest::default)));
        async move { Ok::<_, Infallible>(answer(&service, request, peer, busy).await) }
    });
    let io = TokioIo::new(stream);
    let account = Account::of_connection(shared.limits.connection_buffer);
    // A stream is cut off alone first; a whole connection only if that was not enough.
    let stalled = Stalled::new(account.clone(), shared.limits.unread * if http2 { 2 } else { 1 })
        .when_full(shared.crowded.subscribe(), shared.limits.unread_when_full);
    let served = async {
        if http2 {
            let connection = shared.http2.serve_connection(io, service);
            until_drained(
                connection,
                http2::Connection::graceful_shutdown,
                phase,
                (stalled, idle),
            )
            .await
        } else {
            let connection = shared.http1.serve_connection(io, service).with_upgrades();
            let shut = http1::UpgradeableConnection::graceful_shutdown;
            until_drained(connection, shut, phase, (stalled, idle)).await
        }
    };
    Ok(ACCOUNT.scope(account, served).await?)
}

/// Boxed, so that what answering took is given back once the head is there: a watch lives for hours, and what a
/// connection holds for its next request is a pointer.
async fn answer<S: Service>(
    service: &S,
    request: Request<RequestBody>,
    peer: Peer,
    busy: Busy,
) -> Response<Outgoing<S::Body>> {
    let response = Box::pin(service.call(request, peer)).await;
    response.map(|body| Outgoing::new(body, ACCOUNT.get(), busy))
}

/// How long a connection has to end by itself that is idle and was told to.
const GOODBYE: Duration = Duration::from_secs(1);

/// Runs a connection until its client takes nothing any more, or asks nothing; when the door drains (`shut`), until it
/// owes no answer.
async fn until_drained<C: Future<Output = Result<(), hyper::Error>>>(
    connection: C,
    shut: fn(Pin<&mut C>),
    mut phase: watch::Receiver<Phase>,
    (stalled, idle): (Stalled, impl Future<Output = ()>),
) -> Result<(), hyper::Error> {
    let (mut connection, mut stalled, mut idle) = (pin!(connection), pin!(stalled), pin!(idle));
    loop {
        // All arms keep what they have not finished: they are pinned outside, the phase is a value.
        tokio::select! {
            biased;
            changed = phase.changed() => {
                let now = *phase.borrow_and_update();
                match (changed, now) {
                    (Ok(()), Phase::Open) => {}
                    (Ok(()), Phase::Draining) => shut(connection.as_mut()),
                    _ => return Ok(()),
                }
            }
            ended = connection.as_mut() => return ended,
            () = stalled.as_mut() => return Ok(()),
            () = idle.as_mut() => {
                shut(connection.as_mut());
                return timeout(GOODBYE, connection).await.unwrap_or(Ok(()));
            }
        }
    }
}
