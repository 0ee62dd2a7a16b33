//! A registry without a port, over a store in memory.

use std::sync::Arc;

use bytes::Bytes;
use driver::ManualClock;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use registry::{
    Access, Config, Ends, Htpasswd, Limits, MirrorConfig, Owners, Parts, Rules, Service, Upstream,
};

use crate::memory::Memory;
use crate::suite::{Ask, Got, Registry, http::request};

/// `Basic` of `ann:secret`.
pub(crate) const ANN: &str = "Basic YW5uOnNlY3JldA==";

pub(crate) struct Setup {
    pub(crate) service: Service,
    pub(crate) memory: Memory,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) credentials: Option<&'static str>,
    pub(crate) ends: Ends,
}

pub(crate) fn ends(client: &str) -> Ends {
    Ends {
        client: client.parse().unwrap(),
        server: "192.0.2.1:5000".parse().unwrap(),
        vouched: Arc::default(),
    }
}

pub(crate) fn config() -> Config {
    Config {
        domain: "localhost:5000".to_owned(),
        access: Access {
            owners: Owners::default(),
            users: None,
            tokens: None,
            rules: Rules::default(),
            anonymous_pull: true,
            names: Vec::new(),
        },
        read_only: false,
        plain: https::Plain::Loopback,
        limits: Limits::default(),
        webhooks: Vec::new(),
        authorities: Bytes::new(),
        mirror: MirrorConfig::default(),
    }
}

impl Setup {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_upstream(change, None)
    }

    pub(crate) fn with_upstream(
        change: impl FnOnce(&mut Config),
        upstream: Option<Arc<dyn Upstream>>,
    ) -> Self {
        Self::over(Memory::default(), Arc::new(ManualClock::new()), change, upstream)
    }

    /// Over what there is.
    pub(crate) fn over(
        memory: Memory,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Config),
        upstream: Option<Arc<dyn Upstream>>,
    ) -> Self {
        let mut config = config();
        config.access.users = Some(Arc::new(Htpasswd::parse(&users(), clock.clone()).unwrap()));
        change(&mut config);
        let parts = Parts {
            content: Arc::new(memory.clone()),
            clock: clock.clone(),
            upstream,
        };
        Self {
            service: Service::new(config, parts),
            memory,
            clock,
            credentials: Some(ANN),
            ends: ends("192.0.2.7:4242"),
        }
    }
}

/// `ann` with the password `secret`, hashed at the least cost that there is.
fn users() -> String {
    format!("ann:{}\n", bcrypt::hash("secret", 4).unwrap())
}

impl Registry for Setup {
    fn send(&self, mut ask: Ask) -> BoxFuture<'_, Got> {
        let own = ask.headers.iter().any(|(name, _)| *name == "authorization");
        if let Some(credentials) = self.credentials.filter(|_| !own) {
            ask = ask.header("authorization", credentials);
        }
        Box::pin(async move {
            let response = self.service.answer(request(&ask), self.ends.clone()).await;
            let (mut head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            // What the connection adds.
            head.headers
                .entry("content-length")
                .or_insert_with(|| body.len().into());
            Got {
                status: head.status,
                headers: head.headers,
                body,
            }
        })
    }
}
