//! What stands behind a door, and how it takes a connection over.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};
use hyper::upgrade::OnUpgrade;

#[cfg(doc)]
use crate::Limits;
use crate::{FilePart, RequestBody, Upgraded};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The address of this side.
    pub local: SocketAddr,
    /// Whether it speaks TLS.
    pub encrypted: bool,
    /// Its certificates as DER, its own first; empty if it has shown none. It holds the key of the first;
    /// whether anybody trusts it has not been asked.
    pub certificates: Arc<[Vec<u8>]>,
    /// Whether the service takes it for one of its own, once it has found that out: it need not ask for each request.
    pub vouched: Arc<OnceLock<bool>>,
}

/// Answers requests. A clone is the same service.
pub trait Service: Clone + Send + Sync + 'static {
    /// The body of answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Whether answers may be parts of files: then a door looks at requests of plain connections before anybody else, and
    /// sends files by sendfile(2).
    const FILES: bool = false;

    /// Whether an answer to a GET or HEAD of this path may be a part of a file.
    #[must_use]
    fn may_be_file(_path: &str) -> bool {
        false
    }

    /// The part of a file that is all of this body, if it is one.
    #[must_use]
    fn file(_body: &Self::Body) -> Option<&FilePart> {
        None
    }

    /// Answers one request. Dropped when the client leaves before the answer's head; the body is kept until all of it
    /// is sent, and dropped when the client leaves or takes nothing of it for too long ([`Limits::unread`]).
    fn call(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The connection under an HTTP/1.1 request, once a 101 has answered it; none where the client asked for no
/// upgrade or speaks HTTP/2. To be called before the answer, and awaited after it.
///
/// # Errors
/// The future's: the connection ended before.
pub fn upgraded<B>(
    request: &mut Request<B>,
) -> Option<impl Future<Output = Result<Upgraded, hyper::Error>> + Send + use<B>> {
    let connection = request.extensions_mut().remove::<OnUpgrade>()?;
    Some(async move { connection.await.map(Upgraded::new) })
}
