//! Where registries are and how they are spoken to, from the files that people already have.
//!
//! What is most special counts: a registry's own directory under `certs.d`, then its entry in `registries.yaml`, then
//! (for Docker Hub) the daemon's mirrors, then the two files' defaults for all. Mirrors come in the file's order and the
//! registry itself last; only it takes pushes unless a file says otherwise. Credentials and TLS settings go by the host
//! that is spoken to, never by the one that a mirror stands for.

mod address;
mod docker;
mod follow;
mod hosts;
mod insecure;
mod load;
mod proxies;
mod registries;
mod tls;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Uri};

use crate::Credentials;
use hosts::{HostOptions, HostsFile};
use insecure::Insecure;
use registries::{HostConfig, Mirrors};

pub use docker::{DockerConfig, ProxyConfig};
pub use proxies::{Proxies, ProxyError};
pub use registries::Rewrite;

pub(crate) use follow::Followed;
pub(crate) use insecure::Network;
pub(crate) use proxies::Proxy;
pub(crate) use tls::Tls;

/// Where configuration is looked for. A file or directory that does not exist says nothing.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// containerd's: directories `HOST/` with a `hosts.toml`.
    pub hosts: Vec<PathBuf>,
    /// Docker's: directories `HOST/` with `*.crt`, and `*.cert` beside `*.key`.
    pub certificates: Vec<PathBuf>,
    /// k3s-shaped mirrors and configs.
    pub registries: Vec<PathBuf>,
    /// `insecure-registries` of Docker's daemon: hosts and networks.
    pub insecure: Vec<String>,
    /// `registry-mirrors` of Docker's daemon: mirrors of Docker Hub.
    pub mirrors: Vec<String>,
    /// Files with the authorities that this machine trusts, PEM: the first that exists counts.
    pub authorities: Vec<PathBuf>,
}

impl Sources {
    /// The places in `/etc`.
    #[must_use]
    pub fn usual() -> Self {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            hosts: paths(&["/etc/containerd/certs.d"]),
            certificates: paths(&["/etc/docker/certs.d"]),
            registries: paths(&["/etc/gantry/registries.yaml"]),
            authorities: paths(AUTHORITIES),
            ..Self::default()
        }
    }
}

/// Where Linux distributions keep them (Go's crypto/x509, root_linux.go).
const AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A file that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {key}: {problem}", file.display())]
pub struct ConfigError {
    /// Which file.
    pub file: PathBuf,
    /// Which key in it, with dots; `TOML` or `YAML` where the whole is none.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// What every registry is configured to be.
#[derive(Clone, Debug, Default)]
pub struct Config {
    hosts: BTreeMap<String, HostsDirectory>,
    all_hosts: Option<HostsDirectory>,
    mirrors: BTreeMap<String, Mirrors>,
    hub_mirrors: Mirrors,
    configs: BTreeMap<String, (HostConfig, Tls)>,
    certificates: BTreeMap<String, Tls>,
    insecure: Insecure,
    machine: Bytes,
}

/// A directory under `certs.d`, with the files that it names.
#[derive(Clone, Debug, Default)]
struct HostsDirectory {
    file: HostsFile,
    own: Tls,
    mirrors: Vec<Tls>,
}

/// What an endpoint is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent words of one list")]
pub struct Capabilities {
    /// Content by digest.
    pub pull: bool,
    /// What a tag is.
    pub resolve: bool,
    /// Taking content.
    pub push: bool,
    /// What refers to a manifest.
    pub referrers: bool,
}

impl Capabilities {
    pub(crate) const NONE: Self = Self {
        pull: false,
        resolve: false,
        push: false,
        referrers: false,
    };
    /// Those of a registry itself.
    pub const ALL: Self = Self {
        pull: true,
        resolve: true,
        push: true,
        referrers: true,
    };
    /// Those of a mirror in `registries.yaml`, and of the daemon's.
    pub const MIRROR: Self = Self {
        push: false,
        ..Self::ALL
    };
}

/// Whether a server may turn out to be insecure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fallback {
    /// It is what its address says.
    Strict,
    /// TLS without verification where it is spoken, and no TLS where not.
    Insecure,
    /// The same, if the address that its name has lies in one of these networks.
    Networks(Arc<[Network]>),
}

/// One server that has a registry's content.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Scheme, host and port, and the path before `/NAME/manifests`: `https://registry-1.docker.io/v2`.
    pub base: Uri,
    /// What it may be asked for.
    pub capabilities: Capabilities,
    /// Whether this is the registry itself and no mirror.
    pub upstream: bool,
    /// Headers that every request has.
    pub headers: HeaderMap,
    /// How long connecting may take.
    pub dial_timeout: Option<Duration>,
    /// Other names for repositories: the first that matches counts.
    pub rewrites: Arc<[Rewrite]>,
    /// Who the node is to this server, where nobody says who they are.
    pub credentials: Credentials,
    pub(crate) tls: Arc<Tls>,
    pub(crate) fallback: Fallback,
}

impl Endpoint {
    /// What repository `name` is called there.
    #[must_use]
    pub fn repository(&self, name: &str) -> String {
        let mut rewritten = self.rewrites.iter().filter_map(|each| each.apply(name));
        rewritten.next().unwrap_or_else(|| name.to_owned())
    }
}

impl Config {
    /// Reads all files; the texts are warnings about keys that nobody knows.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<String>), ConfigError> {
        load::load(sources)
    }

    /// Where the content of registry `host` (a reference's domain) is to be had, in the order in which to ask: mirrors,
    /// then the registry itself. None, if `host` is no host.
    #[must_use]
    pub fn endpoints(&self, host: &str) -> Vec<Endpoint> {
        let Some(upstream) = self.upstream(host) else {
            return Vec::new();
        };
        let mut endpoints = self.mirrors(host);
        for endpoint in &mut endpoints {
            // A file may say of a registry itself how it is spoken to.
            if endpoint.base.authority() == upstream.base.authority() {
                endpoint.upstream = true;
            }
        }
        let said = |each: &Endpoint| each.base == upstream.base && each.capabilities == Capabilities::ALL;
        if !endpoints.iter().any(said) {
            endpoints.push(upstream);
        }
        endpoints
    }

    /// The registry itself.
    fn upstream(&self, host: &str) -> Option<Endpoint> {
        let directory = self.directory(host);
        let said = directory.and_then(|directory| directory.file.server.clone());
        let fallback = match &said {
            Some(_) => None,
            None if self.insecure.names(host) => Some(Fallback::Insecure),
            None => Some(Fallback::Networks(self.insecure.networks.clone().into())),
        };
        let base = said.or_else(|| address::of_registry(host))?;
        let empty = HostsDirectory::default();
        let HostsDirectory { file, own, .. } = directory.unwrap_or(&empty);
        let mut endpoint = self.endpoint(base, &file.own, own, &[]);
        if file.server.is_none() {
            endpoint.capabilities = Capabilities::ALL;
        }
        endpoint.upstream = true;
        endpoint.fallback = fallback.unwrap_or(endpoint.fallback);
        Some(endpoint)
    }

    fn mirrors(&self, host: &str) -> Vec<Endpoint> {
        let of_file = |mirrors: &Mirrors| -> Vec<Endpoint> {
            let none = (HostOptions::default(), Tls::default());
            let endpoint = |base: &Uri| {
                let mut endpoint = self.endpoint(base.clone(), &none.0, &none.1, &mirrors.rewrites);
                // Nothing is pushed to a mirror that nobody says takes it; a registry by its own name is none.
                let own = base.authority().is_some_and(|authority| authority == host);
                endpoint.capabilities = if own {
                    Capabilities::ALL
                } else {
                    Capabilities::MIRROR
                };
                endpoint
            };
            mirrors.endpoints.iter().map(endpoint).collect()
        };
        if let Some(directory) = self.hosts.get(host) {
            return self.of_directory(directory);
        }
        if let Some(mirrors) = self.mirrors.get(host) {
            return of_file(mirrors);
        }
        if host == "docker.io" && !self.hub_mirrors.endpoints.is_empty() {
            return of_file(&self.hub_mirrors);
        }
        match (&self.all_hosts, self.mirrors.get("*")) {
            (Some(directory), _) => self.of_directory(directory),
            (None, Some(mirrors)) => of_file(mirrors),
            (None, None) => Vec::new(),
        }
    }

    fn of_directory(&self, directory: &HostsDirectory) -> Vec<Endpoint> {
        let mirrors = directory.file.mirrors.iter().zip(&directory.mirrors);
        mirrors
            .map(|((base, options), tls)| self.endpoint(base.clone(), options, tls, &[]))
            .collect()
    }

    fn directory(&self, host: &str) -> Option<&HostsDirectory> {
        let special = self.hosts.get(host);
        special.or_else(|| {
            self.all_hosts
                .as_ref()
                .filter(|_| !self.mirrors.contains_key(host))
        })
    }

    fn endpoint(&self, base: Uri, options: &HostOptions, tls: &Tls, rewrites: &[Rewrite]) -> Endpoint {
        let authority = base
            .authority()
            .map_or("", |authority| authority.as_str())
            .to_owned();
        let config = self.configs.get(&authority);
        // containerd's meaning of an address without TLS whose certificate need not be verified: whichever it speaks.
        let either = options.skip_verify && base.scheme_str() == Some("http") && base.port_u16() != Some(80);
        let base = if either { address::secure(&base) } else { base };
        Endpoint {
            capabilities: options.capabilities.unwrap_or(Capabilities::ALL),
            upstream: false,
            headers: options.headers.clone(),
            dial_timeout: options.dial_timeout,
            rewrites: rewrites.into(),
            credentials: config
                .map(|(config, _)| config.credentials.clone())
                .unwrap_or_default(),
            tls: Arc::new(self.judged(&authority, tls.clone().and(self.said(&authority)))),
            fallback: if either {
                Fallback::Insecure
            } else {
                Fallback::Strict
            },
            base,
        }
    }

    /// How TLS is spoken with a host (and its port, if it has one), whatever for.
    pub(crate) fn tls(&self, authority: &str) -> Tls {
        self.judged(authority, self.said(authority))
    }

    /// What files say of a host that is spoken to.
    fn said(&self, authority: &str) -> Tls {
        let config = self.configs.get(authority).or_else(|| self.configs.get("*"));
        let hub = (authority == "registry-1.docker.io").then_some("docker.io");
        let certificates = self.certificates.get(authority);
        let certificates = certificates.or_else(|| self.certificates.get(hub?));
        let all = [config.map(|(_, tls)| tls), certificates];
        let all = all.into_iter().flatten();
        all.fold(Tls::default(), |tls, more| tls.and(more.clone()))
    }

    /// Where somebody says whose certificates count, they count, on the loopback too.
    fn judged(&self, authority: &str, mut tls: Tls) -> Tls {
        tls.verify &= !tls.authorities.is_empty() || !self.insecure.names(authority);
        tls
    }

    /// The authorities that this machine trusts, PEM.
    pub(crate) const fn machine(&self) -> &Bytes {
        &self.machine
    }
}

/// For the property tests and fuzz targets: whatever a file holds, it is read or refused.
pub(crate) mod fuzz {
    use std::cell::RefCell;
    use std::path::Path;

    /// `hosts.toml`.
    pub fn hosts(bytes: &[u8]) {
        let warnings = RefCell::default();
        drop(super::hosts::parse(
            &String::from_utf8_lossy(bytes),
            Path::new("/hosts.toml"),
            &warnings,
        ));
    }

    /// `registries.yaml`.
    pub fn registries(bytes: &[u8]) {
        let warnings = RefCell::default();
        drop(super::registries::parse(
            &String::from_utf8_lossy(bytes),
            Path::new("/registries.yaml"),
            &warnings,
        ));
    }

    /// `config.json`.
    pub fn docker(bytes: &[u8]) {
        drop(super::DockerConfig::parse(
            &String::from_utf8_lossy(bytes),
            Path::new("/config.json"),
        ));
    }
}

#[cfg(test)]
mod tests;
