//! One request on its way through the server.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use auth::UserInfo;
use bytes::Bytes;
use driver::Instant;
use http::{HeaderMap, Method, Uri};
use schema::status::Status;

use crate::{Answer, RequestInfo, Served};

/// Where a request came from, as its transport knows it.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The client's address; none in-process.
    pub address: Option<SocketAddr>,
    /// The client's certificates as DER, its own first. The transport has checked that the client holds the key,
    /// and nothing else: who it is decides `authn`.
    pub certificates: Arc<[Vec<u8>]>,
    /// Set by in-process callers only: the identity they act under, already authenticated.
    pub internal: Option<Arc<UserInfo>>,
}

/// The query's parameters, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Of a request's target.
    pub fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.map(|(key, value)| (own(key), own(value))).collect())
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

fn own(text: Cow<'_, str>) -> String {
    text.into_owned()
}

/// Warnings that an answer carries as `Warning` headers. Bounded by the kinds' own rules; duplicates are dropped.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    /// Adds one.
    pub fn add(&self, warning: impl Into<String>) {
        let warning = warning.into();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&warning) {
            all.push(warning);
        }
    }

    /// What was added so far.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that passed the pipeline: authenticated, authorised, read.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// What the path and the method mean.
    pub info: RequestInfo,
    /// The query.
    pub query: Query,
    /// Who acts (after impersonation).
    pub user: Arc<UserInfo>,
    /// The resource, for requests on one that is served.
    pub served: Option<Served>,
    /// The whole body, at most [`schema::MAX_REQUEST_BYTES`].
    pub body: Bytes,
    /// When the answer is due; watches have their own.
    pub deadline: Instant,
    /// Where it came from.
    pub peer: Peer,
    /// What the client shall be warned of.
    pub warnings: Warnings,
}

impl Call {
    /// The resource that is asked for.
    ///
    /// # Errors
    /// 404 if there is none.
    pub(crate) fn served(&self) -> Answer<&Served> {
        Ok(self.served.as_ref().ok_or_else(Status::no_such_resource)?)
    }
}
