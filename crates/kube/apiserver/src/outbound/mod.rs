//! Requests that the server itself makes: to admission and conversion webhooks, and to servers behind an APIService.
//!
//! The server knows no socket: [`Outbound`] is what its owner gives it. Where a request goes is decided here, from the
//! cache (`service`); names are only resolved outside for URLs that are no Service's. Whoever sends sets the deadline
//! and the bound of the answer, so that a peer can hang or talk without end at nobody's cost but its own.

pub(crate) mod hook;
mod refusal;
pub(crate) mod service;

pub(crate) use refusal::said;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use driver::Instant;
use http::{Request, Response};
use http_body_util::BodyExt;

use crate::Body;
use crate::nodes::Upgrade;
use crate::server::State;

/// Whose certificates the other side may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The authorities that the machine trusts.
    Host,
    /// These authorities alone, PEM.
    Authorities(Bytes),
    /// Anybody's (`insecureSkipTLSVerify` of an APIService, proxies).
    Anyone,
    /// Nobody's: there is no TLS (proxies).
    Plain,
}

/// Who the server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Nobody in particular.
    None,
    /// The front proxy, which is believed when it says for whom it asks.
    FrontProxy,
}

/// A request with all that is needed to send it.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its URI is absolute, of scheme `https`, or `http` with [`Trust::Plain`].
    pub request: Request<Bytes>,
    /// Where to connect to, if the address is known.
    pub address: Option<SocketAddr>,
    /// Host and port to look up and connect to, if they are not the URI's.
    pub dial: Option<(String, u16)>,
    /// Whom the certificate must name; none: the URI's host.
    pub server_name: Option<String>,
    /// Who may have signed it.
    pub trust: Trust,
    /// Who asks.
    pub credentials: Credentials,
    /// The connection of a client whose request this is: joined with this one if the answer is 101.
    pub upgrade: Upgrade,
}

/// Why there is no answer. The texts are Go's, which users know from events and answers.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// No connection.
    #[error("dial tcp {address}: connect: {}", dialled(why))]
    Connect {
        /// Where to.
        address: String,
        /// What the kernel said.
        why: io::Error,
    },
    /// The host has no address.
    #[error("dial tcp: lookup {0}: no such host")]
    Lookup(String),
    /// The certificate is not accepted, or there is no TLS.
    #[error("{0}")]
    Tls(String),
    /// The connection broke, or the answer is no HTTP.
    #[error("{0}")]
    Http(String),
    /// The answer did not come in time.
    #[error("context deadline exceeded")]
    Deadline,
    /// The answer is longer than this, in bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The caller is in a place without a network.
    #[error("this server sends no requests")]
    Offline,
}

/// As Go says it, without the number.
fn dialled(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => error.to_string(),
    }
}

/// An answer that is under way. Dropping it gives the request up.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<Body>, OutboundError>> + Send>>;

/// Sends requests to servers outside. It keeps connections, sends nothing twice, and has no deadline of its own but
/// for connecting.
pub trait Outbound: Send + Sync {
    /// Sends a request. The answer's body is streamed and not bounded.
    fn send(&self, outgoing: Outgoing) -> Sending;
}

/// Sends nothing: for servers in tests and simulations.
#[derive(Clone, Copy, Debug)]
pub struct Offline;

impl Outbound for Offline {
    fn send(&self, _: Outgoing) -> Sending {
        Box::pin(async { Err(OutboundError::Offline) })
    }
}

/// Sends a request and reads the whole answer, until `deadline` and up to `limit` bytes.
///
/// # Errors
/// See [`OutboundError`].
pub(crate) async fn exchange(
    state: &State,
    outgoing: Outgoing,
    limit: usize,
    deadline: Instant,
) -> Result<Response<Bytes>, OutboundError> {
    let sending = state.config.outbound.send(outgoing);
    let work = async {
        let (head, body) = sending.await?.into_parts();
        Ok(Response::from_parts(head, collect(body, limit).await?))
    };
    let timely = driver::env::timeout(state.env.sleep_until(deadline), work).await;
    timely.unwrap_or(Err(OutboundError::Deadline))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, OutboundError> {
    let mut all = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(OutboundError::TooLarge(limit));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}
