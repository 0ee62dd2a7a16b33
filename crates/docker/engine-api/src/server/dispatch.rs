//! From a request to an answer: version, route, handler, headers; the same way for every route.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, SERVER};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::net::UnixStream;

use super::body::{self, Body};
use super::call::Call;
use super::query::Query;
use super::reply::{Boxed, Reply, failure};
use super::router::{Route, find};
use super::version::{self, ApiVersion};
use crate::error::ApiError;

/// Answers a client on its own.
pub(crate) type Direct<S> = fn(Arc<S>, UnixStream) -> Boxed<()>;

/// A table of routes over the state its handlers work on.
pub(crate) struct Dispatch<S: 'static> {
    /// The rows.
    pub routes: &'static [Route<S>],
    /// What the handlers work on.
    pub state: Arc<S>,
    /// `Docker/28.2.2 (linux)`: the value of the Server header.
    pub server: HeaderValue,
    /// Who answers a client that speaks HTTP/2 from its first byte.
    pub http2: Option<Direct<S>>,
}

impl<S: Send + Sync> Dispatch<S> {
    /// Answers a request. Never fails: an error is an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Reply {
        let Ok(path) = percent_decode_str(request.uri().path())
            .decode_utf8()
            .map(String::from)
        else {
            return Reply::Http(failure(&ApiError::bad("the path is not UTF-8"), false));
        };
        let (named, rest) = version::split(&path);
        if request.method() == Method::OPTIONS {
            return self.stamped(Ok(Reply::empty(StatusCode::OK)), false);
        }
        let Some((route, name)) = find(self.routes, request.method(), rest) else {
            return Reply::Http(failure(&ApiError::not_found("page not found"), false));
        };
        let plain = named.is_some_and(version::is_ancient);
        self.stamped(self.handle(request, route, named, name).await, plain)
    }

    async fn handle(
        &self,
        request: Request<Incoming>,
        route: &Route<S>,
        named: Option<&str>,
        name: &str,
    ) -> Result<Reply, ApiError> {
        let version = ApiVersion::negotiate(named)?;
        let query = Query::parse(request.uri().query().unwrap_or(""))?;
        let (head, body) = request.into_parts();
        let body = body::upload(body);
        let call = Call {
            state: self.state.clone(),
            version,
            method: head.method,
            name: name.to_owned(),
            query,
            headers: head.headers,
            body,
        };
        (route.handler)(call).await
    }

    /// Puts the headers on that every answer of a known route has, refusals included.
    fn stamped(&self, outcome: Result<Reply, ApiError>, plain: bool) -> Reply {
        let mut response: Response<Body> = match outcome {
            Ok(Reply::Hijack(hijack)) => return Reply::Hijack(hijack),
            Ok(Reply::Http(response)) => response,
            Err(error) => {
                if error.status.is_server_error() {
                    tracing::debug!(
                        status = error.status.as_u16(),
                        message = error.message,
                        "request failed"
                    );
                }
                failure(&error, plain)
            }
        };
        self.stamp(response.headers_mut());
        Reply::Http(response)
    }

    fn stamp(&self, headers: &mut HeaderMap) {
        headers.insert(SERVER, self.server.clone());
        for (name, value) in crate::server::COMMON_HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}
