//! The distribution API as a client sees it, after the groups of upstream's conformance suite: pull, push, content
//! discovery, content management. One suite for every registry: ours over a store in memory, ours over the node's store,
//! and Debian's docker-registry, which proves the suite itself.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(dead_code, reason = "not every test binary runs every group")]

pub(crate) mod content;
pub(crate) mod discovery;
pub(crate) mod http;
pub(crate) mod management;
pub(crate) mod pull;
pub(crate) mod push;

use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Sent in pieces of unknown number, as a stream is.
    pub(crate) streamed: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A registry.
pub(crate) trait Registry: Send + Sync {
    fn send(&self, ask: Ask) -> BoxFuture<'_, Got>;
    /// Whether it has what the specification's main branch and 1.1 add; docker-registry 2.8 has none of it.
    fn is_ours(&self) -> bool {
        true
    }
}

pub(crate) fn ask(method: &'static str, path: impl Into<String>) -> Ask {
    Ask {
        method,
        path: path.into(),
        ..Ask::default()
    }
}

impl Ask {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    /// Sends it and expects a status.
    pub(crate) async fn expect(self, registry: &dyn Registry, status: u16) -> Got {
        let what = format!("{} {} {:?}", self.method, self.path, self.headers);
        let got = registry.send(self).await;
        assert_eq!(
            got.status.as_u16(),
            status,
            "{what}: {:?} {:?}",
            got.headers,
            got.body
        );
        got
    }
}

impl Got {
    pub(crate) fn text(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing in {:?}", self.headers));
        value.to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The code of its first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    /// The path of its location, whether it is given with a host or not.
    pub(crate) fn location(&self) -> String {
        let location = self.text("location");
        match location.split_once("://") {
            Some((_, rest)) => rest[rest.find('/').unwrap()..].to_owned(),
            None => location.to_owned(),
        }
    }
}

/// Adds a parameter to a location that may have some.
pub(crate) fn with(location: &str, parameter: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}{parameter}")
}

/// Every group.
pub(crate) async fn run(registry: &dyn Registry) {
    push::run(registry).await;
    pull::run(registry).await;
    discovery::run(registry).await;
    management::run(registry).await;
}
