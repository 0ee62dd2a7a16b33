//! One request on its way through the server.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use auth::UserInfo;
use bytes::Bytes;
use driver::Instant;
use http::{HeaderMap, Method, Uri};
use schema::status::Status;

use crate::nodes::Upgrade;
use crate::{Annotations, Answer, RequestInfo, Served};

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

/// What all warnings of an answer may have together, in characters; if they have more, each is cut.
const MAX_WARNINGS: usize = 4096;
/// What one has then.
const MAX_CUT_WARNING: usize = 256;

/// Warnings that an answer carries as `Warning` headers, each once, bounded as upstream bounds them.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    seen: HashSet<String>,
    ordered: Vec<String>,
}

impl Warnings {
    /// Adds one.
    pub fn add(&self, warning: impl Into<String>) {
        let warning = warning.into();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.seen.insert(warning.clone()) {
            told.ordered.push(warning);
        }
    }

    /// What was added so far, as much as an answer carries.
    pub fn take(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let length = |warning: &String| warning.chars().count();
        if told.ordered.iter().map(length).sum::<usize>() <= MAX_WARNINGS {
            return told.ordered;
        }
        let mut written = 0;
        let cut = told
            .ordered
            .iter()
            .map(|warning| warning.chars().take(MAX_CUT_WARNING).collect());
        let room = |warning: &String| {
            let fits = written < MAX_WARNINGS;
            written += length(warning);
            fits
        };
        cut.take_while(room).collect()
    }
}

/// Whether a request has handed a write to the store. From then on it must not be dropped, though its client leaves.
#[derive(Clone, Debug, Default)]
pub struct Writing(Option<Arc<AtomicBool>>);

impl Writing {
    /// Of a request with this method; one that reads never writes.
    pub(crate) fn of(method: &Method) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if reads { Self(None) } else { Self::possible() }
    }

    pub(crate) fn possible() -> Self {
        Self(Some(Arc::default()))
    }

    pub(crate) fn is_possible(&self) -> bool {
        self.0.is_some()
    }

    /// What follows must not be dropped.
    pub(crate) fn begin(&self) {
        self.set(true);
    }

    /// What was written is done with, and nothing more has been.
    pub(crate) fn pause(&self) {
        self.set(false);
    }

    pub(crate) fn begun(&self) -> bool {
        let begun = self.0.as_ref();
        begun.is_some_and(|begun| begun.load(Ordering::Acquire))
    }

    fn set(&self, value: bool) {
        if let Some(begun) = &self.0 {
            begun.store(value, Ordering::Release);
        }
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
    /// What the audit log shall be told.
    pub annotations: Annotations,
    /// Whether it has begun to write.
    pub writing: Writing,
    /// The connection that it came on, where it may be taken over.
    pub upgrade: Upgrade,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_told_once_and_never_fill_an_answer() {
        let warnings = Warnings::default();
        ["a", "b", "a"].into_iter().for_each(|text| warnings.add(text));
        assert_eq!(warnings.take(), ["a", "b"]);
        for at in 0..5_000 {
            warnings.add(format!("{at}{}", "ö".repeat(500)));
        }
        let told = warnings.take();
        assert_eq!(told.len(), MAX_WARNINGS / MAX_CUT_WARNING);
        assert!(told.iter().all(|text| text.chars().count() == MAX_CUT_WARNING));
    }
}
