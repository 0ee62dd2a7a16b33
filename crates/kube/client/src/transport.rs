//! How a request reaches a server.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use apiserver::{ApiServer, Body, BodyError, Peer};
use auth::UserInfo;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// An answer's body, as it is read.
pub type AnswerBody = UnsyncBoxBody<Bytes, TransportError>;

/// What [`Transport::send`] gives.
pub type Answered<'a> =
    Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, TransportError>> + Send + 'a>>;

/// There was no answer, or it broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// Carries requests, whose targets are paths, to one server.
pub trait Transport: Send + Sync {
    /// Sends a request; the answer's body comes as it is read. Dropping either gives the request up. Nothing is
    /// sent twice.
    fn send(&self, request: Request<Bytes>) -> Answered<'_>;
}

/// The API server of this process: the same pipeline as everyone's, and no bytes on any wire.
pub struct InProcess {
    server: ApiServer,
    peer: Peer,
}

impl InProcess {
    /// Acts as this user, who is believed.
    pub fn new(server: ApiServer, user: UserInfo) -> Self {
        let internal = Some(Arc::new(user.authenticated()));
        let peer = Peer {
            internal,
            ..Peer::default()
        };
        Self { server, peer }
    }
}

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> Answered<'_> {
        let body = |bytes| {
            Full::new(bytes)
                .map_err(|never| -> BodyError { match never {} })
                .boxed()
        };
        Box::pin(async move {
            let answer = self.server.handle(request.map(body), self.peer.clone()).await;
            let readable = |body: Body| {
                body.map_err(|torn| TransportError(torn.to_string()))
                    .boxed_unsync()
            };
            Ok(answer.map(readable))
        })
    }
}
