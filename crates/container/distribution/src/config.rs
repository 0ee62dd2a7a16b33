//! Where registries are and how they are spoken to, from the files that people already have.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Uri};

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
        unimplemented!()
    }
}

/// What every registry is configured to be.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// A file that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}: {problem}")]
pub struct ConfigError {
    /// Which file.
    pub file: PathBuf,
    /// Which key in it, with dots.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Config {
    /// Reads all files; the texts are warnings about keys that nobody knows.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn load(_: &Sources) -> Result<(Self, Vec<String>), ConfigError> {
        unimplemented!()
    }

    /// Where the content of registry `host` (a reference's domain) is to be had, in the order in which to ask: mirrors,
    /// then the registry itself.
    #[must_use]
    pub fn endpoints(&self, _host: &str) -> Vec<Endpoint> {
        unimplemented!()
    }
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
    /// PEM; trusted beside the machine's authorities.
    pub authorities: Bytes,
}

/// The proxy variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `HTTP_PROXY`.
    pub http: String,
    /// `HTTPS_PROXY`.
    pub https: String,
    /// `NO_PROXY`.
    pub no: String,
}

impl Proxies {
    /// From variables, upper case before lower case, as Go has it.
    pub fn from_variables(_variable: impl Fn(&str) -> Option<String>) -> Self {
        unimplemented!()
    }
}
