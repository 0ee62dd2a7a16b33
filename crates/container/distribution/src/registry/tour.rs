//! Which of a registry's endpoints are asked, and in which order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::time::Instant;

use super::Place;
use crate::config::{Capabilities, Endpoint};
use crate::transport::Access;
use crate::{Credentials, Error};

/// How long a mirror that was not there is left alone.
const REST: Duration = Duration::from_secs(30);

/// Mirrors that are remembered as not there.
const MOST: usize = 256;

/// Mirrors that were not there, and until when they are left alone.
#[derive(Default)]
pub(super) struct Resting(Mutex<HashMap<Uri, Instant>>);

impl Resting {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uri, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, base: &Uri) {
        let mut resting = self.lock();
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        if resting.len() < MOST {
            resting.insert(base.clone(), now + REST);
        }
    }

    fn has(&self, base: &Uri) -> bool {
        self.lock().get(base).is_some_and(|until| *until > Instant::now())
    }
}

/// What an endpoint is needed for.
#[derive(Clone, Copy)]
pub(super) enum Need {
    Pull,
    Resolve,
    Push,
    Referrers,
}

impl Need {
    const fn of(self, capabilities: Capabilities) -> bool {
        match self {
            Self::Pull => capabilities.pull,
            Self::Resolve => capabilities.resolve,
            Self::Push => capabilities.push,
            Self::Referrers => capabilities.referrers,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Resolve => "resolve",
            Self::Push => "push",
            Self::Referrers => "referrers",
        }
    }
}

/// One endpoint, as a repository uses it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) place: Arc<Place>,
    pub(super) at: usize,
    /// What the repository is called there.
    pub(super) name: String,
    pub(super) credentials: Credentials,
    pub(super) access: Access,
    /// How often it is asked for the same thing.
    pub(super) attempts: u32,
}

impl Server {
    /// Nobody else is asked after it.
    pub(super) fn alone(self) -> Self {
        let attempts = self.place.client.0.settings.attempts.max(1);
        Self { attempts, ..self }
    }

    /// Whoever asks counts attempts.
    pub(super) fn once_only(&self) -> Self {
        Self {
            attempts: 1,
            ..self.clone()
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.place.endpoints[self.at]
    }

    /// The address of `path` in the repository. A mirror is told which registry it stands for (`ns`).
    pub(super) fn uri(&self, path: &str, query: &[(&str, &str)]) -> Result<Uri, Error> {
        self.absolute(&format!("{}/{path}", self.name), query)
    }

    /// The address of `path` under the base.
    pub(super) fn absolute(&self, path: &str, query: &[(&str, &str)]) -> Result<Uri, Error> {
        let base = &self.endpoint().base;
        let full = format!("{}/{path}", base.path().trim_end_matches('/'));
        let mut pairs = query.to_vec();
        if !self.endpoint().upstream {
            pairs.push(("ns", &self.place.host));
        }
        let mut parts = base.clone().into_parts();
        parts.path_and_query = full.parse().ok();
        let uri = Uri::from_parts(parts).ok();
        uri.and_then(|uri| super::follow::with_query(&uri, &pairs))
            .ok_or_else(|| Error::Protocol {
                method: http::Method::GET,
                url: format!("{base}/{path}"),
                problem: "this is no address".to_owned(),
            })
    }
}

/// Goes from endpoint to endpoint.
pub(super) struct Tour {
    place: Arc<Place>,
    left: VecDeque<usize>,
    need: Need,
    last: Option<Error>,
}

impl Tour {
    /// Those that are there come before those that were not, and each in the order of the configuration. The registry
    /// itself is always asked in the end.
    pub(super) fn new(place: &Arc<Place>, need: Need) -> Self {
        let able = |at: &usize| need.of(place.endpoints[*at].capabilities);
        let able: Vec<usize> = (0..place.endpoints.len()).filter(able).collect();
        let distrusted = place.distrusted();
        // The only one is asked, whatever it did.
        let trusted = |at: &usize| able.len() == 1 || !distrusted.contains(at);
        let resting = |at: &usize| {
            let endpoint = &place.endpoints[*at];
            !endpoint.upstream && place.client.0.resting.has(&endpoint.base)
        };
        let (resting, ready): (Vec<usize>, Vec<usize>) =
            able.iter().copied().filter(trusted).partition(resting);
        Self {
            place: place.clone(),
            left: ready.into_iter().chain(resting).collect(),
            need,
            last: None,
        }
    }

    /// The next endpoint.
    pub(super) fn next(&mut self) -> Option<Server> {
        let at = self.left.pop_front()?;
        let endpoint = &self.place.endpoints[at];
        let own = &self.place.credentials;
        let credentials = if endpoint.upstream && *own != Credentials::Anonymous {
            own.clone()
        } else {
            endpoint.credentials.clone()
        };
        let attempts = self.place.client.0.settings.attempts.max(1);
        Some(Server {
            name: endpoint.repository(&self.place.name),
            credentials,
            access: Access {
                tls: endpoint.tls.clone(),
                fallback: endpoint.fallback.clone(),
                dial_timeout: endpoint.dial_timeout,
                named: true,
            },
            // Somebody else has it, too.
            attempts: if self.left.is_empty() {
                attempts
            } else {
                attempts.min(2)
            },
            place: self.place.clone(),
            at,
        })
    }

    /// The registry itself.
    pub(super) fn upstream(mut self) -> Result<Server, Error> {
        while let Some(server) = self.next() {
            if server.endpoint().upstream {
                return Ok(server.alone());
            }
        }
        Err(self.error())
    }

    /// The endpoint did not do it.
    pub(super) fn failed(&mut self, server: &Server, error: Error) {
        let endpoint = server.endpoint();
        tracing::debug!(endpoint = %endpoint.base, %error, "the registry's endpoint failed");
        if !endpoint.upstream && matches!(error, Error::NoAnswer { .. }) {
            server.place.client.0.resting.add(&endpoint.base);
        }
        // What the registry itself says counts more than what its mirrors say.
        let counts = self.last.is_none() || endpoint.upstream || !self.upstream_failed();
        if counts {
            self.last = Some(error);
        }
    }

    fn upstream_failed(&self) -> bool {
        let failed = |(at, endpoint): (usize, &Endpoint)| endpoint.upstream && !self.left.contains(&at);
        self.place.endpoints.iter().enumerate().any(failed)
    }

    /// Why nobody did it.
    pub(super) fn error(self) -> Error {
        self.last.unwrap_or_else(|| Error::NoEndpoint {
            host: self.place.host.clone(),
            action: self.need.name(),
        })
    }
}
