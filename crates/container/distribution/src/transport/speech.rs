//! What a server speaks that may be insecure: TLS where it answers it, without anybody checking its certificate, and plain
//! HTTP where not (Docker's `insecure-registries`). It is found out once for each server and remembered.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use tokio::time::timeout;

use super::{MOST, Route, Transport, TransportError, place};
use crate::config::{Fallback, Network, Tls};
use crate::transport::Access;

/// How long a server that may speak without TLS has to answer its first words. Go's servers refuse them at once; one
/// that waits for the end of a line waits for ever.
const PROBE: Duration = Duration::from_secs(3);

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// What its address says.
    Strict,
    /// TLS that nobody checks.
    Unverified,
    /// HTTP without TLS.
    Plain,
}

impl Transport {
    /// Where a request goes, and its address there.
    pub(super) async fn route(&self, access: &Access, uri: &Uri) -> Result<(Route, Uri), TransportError> {
        if uri.scheme_str() == Some("http") {
            return self.towards(access, uri.clone(), None);
        }
        let strict = || self.towards(access, uri.clone(), Some(access.tls.clone()));
        if access.fallback == Fallback::Strict {
            return strict();
        }
        match self.speech(access, uri).await? {
            Speech::Strict => strict(),
            Speech::Unverified => self.towards(access, uri.clone(), Some(unverified(&access.tls))),
            Speech::Plain => self.towards(access, plain(uri)?, None),
        }
    }

    fn towards(
        &self,
        access: &Access,
        uri: Uri,
        tls: Option<Arc<Tls>>,
    ) -> Result<(Route, Uri), TransportError> {
        let (host, port) = place(&uri).ok_or(TransportError::Address)?;
        let proxy = self.proxies.towards(&uri).cloned();
        let route = Route {
            host,
            port,
            tls,
            proxy,
            named: access.named,
        };
        Ok((route, uri))
    }

    pub(super) fn forget(&self, uri: &Uri) {
        let places = [Some(uri.clone()), secure(uri)];
        for place in places.iter().flatten().filter_map(place) {
            self.speeches().remove(&place);
        }
    }

    fn speeches(&self) -> MutexGuard<'_, std::collections::HashMap<(String, u16), Speech>> {
        self.speeches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn speech(&self, access: &Access, uri: &Uri) -> Result<Speech, TransportError> {
        let at = place(uri).ok_or(TransportError::Address)?;
        if let Some(known) = self.speeches().get(&at) {
            return Ok(*known);
        }
        let insecure = match &access.fallback {
            Fallback::Strict => false,
            Fallback::Insecure => true,
            // What only a proxy can reach has often no address here, and asking for it takes long.
            Fallback::Networks(_) if self.proxies.towards(uri).is_some() => false,
            Fallback::Networks(networks) => lies_in(networks, &at.0, at.1).await,
        };
        let found = if insecure {
            self.probe(access, uri).await?
        } else {
            Speech::Strict
        };
        let mut speeches = self.speeches();
        if speeches.len() >= MOST {
            speeches.clear();
        }
        speeches.insert(at, found);
        Ok(found)
    }

    /// Speaks TLS; the connection is kept for the request that is to come.
    async fn probe(&self, access: &Access, uri: &Uri) -> Result<Speech, TransportError> {
        let (route, _) = self.towards(access, uri.clone(), Some(unverified(&access.tls)))?;
        let connected = timeout(PROBE, self.connect(&route, access.dial_timeout)).await;
        match connected {
            Ok(Ok(connection)) => {
                self.pool.put(&route, connection);
                Ok(Speech::Unverified)
            }
            Ok(Err(TransportError::Tls(_))) => Ok(Speech::Plain),
            // Another port is another server.
            Ok(Err(TransportError::Connect { .. })) if uri.port().is_none() => Ok(Speech::Plain),
            Ok(Err(error)) => Err(error),
            Err(_) => self.listens(access, uri).await.map(|()| Speech::Plain),
        }
    }

    /// Whether the server's port takes connections, where it did not answer to TLS in time: one that takes none is not
    /// there, and does not speak anything.
    async fn listens(&self, access: &Access, uri: &Uri) -> Result<(), TransportError> {
        let (route, _) = self.towards(access, plain(uri)?, None)?;
        let limit = access.dial_timeout.unwrap_or(PROBE);
        let connection = timeout(limit, self.connect(&route, Some(limit))).await;
        let late = |_| TransportError::Connect {
            address: format!("{}:{}", route.host, route.port),
            why: io::ErrorKind::TimedOut.into(),
        };
        self.pool.put(&route, connection.map_err(late)??);
        Ok(())
    }
}

fn unverified(tls: &Arc<Tls>) -> Arc<Tls> {
    Arc::new(Tls {
        verify: false,
        ..Tls::clone(tls)
    })
}

/// The same address without TLS.
fn plain(uri: &Uri) -> Result<Uri, TransportError> {
    with_scheme(uri, Scheme::HTTP).ok_or(TransportError::Address)
}

fn secure(uri: &Uri) -> Option<Uri> {
    with_scheme(uri, Scheme::HTTPS)
}

fn with_scheme(uri: &Uri, scheme: Scheme) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(scheme);
    Uri::from_parts(parts).ok()
}

/// Whether any of a host's addresses lies in these networks.
async fn lies_in(networks: &[Network], host: &str, port: u16) -> bool {
    let within = |address: IpAddr| networks.iter().any(|network| network.contains(address));
    match host.parse() {
        Ok(address) => within(address),
        Err(_) => match tokio::net::lookup_host((host, port)).await {
            Ok(mut addresses) => addresses.any(|address| within(address.ip())),
            // Who has no address is told so when it is connected to.
            Err(_) => false,
        },
    }
}
