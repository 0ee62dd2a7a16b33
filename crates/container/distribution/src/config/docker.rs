//! `~/.docker/config.json` (docker/cli, cli/config).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::tree::{At, Node};
use super::{ConfigError, load};
use crate::Credentials;
use crate::auth::{Helper, HelperError, ask, basic};

/// Where Docker keeps what is for Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// What the file says that concerns registries and requests. The rest of it is for Docker's own command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerConfig {
    auths: BTreeMap<String, Credentials>,
    store: Option<String>,
    helpers: BTreeMap<String, String>,
    /// `HttpHeaders`: for requests to the daemon.
    pub headers: Vec<(String, String)>,
    /// `proxies`, by the daemon's address or `default`: for containers and builds.
    pub proxies: BTreeMap<String, ProxyConfig>,
}

/// Variables that containers and builds get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// `HTTP_PROXY`.
    pub http: Option<String>,
    /// `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `NO_PROXY`.
    pub no: Option<String>,
    /// `FTP_PROXY`.
    pub ftp: Option<String>,
    /// `ALL_PROXY`.
    pub all: Option<String>,
}

impl DockerConfig {
    /// Reads `file`; where there is none, it says nothing.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError {
            file: file.to_owned(),
            key: "file".to_owned(),
            problem,
        };
        match load::read(file) {
            Ok(Some(bytes)) => {
                let text = std::str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
                Self::parse(text, file)
            }
            Ok(None) => Ok(Self::default()),
            Err(error) => Err(wrong(format!("cannot be read: {error}"))),
        }
    }

    /// Reads `text`, which stands in `file`.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let node: Node = serde_json::from_str(text).map_err(|error| ConfigError {
            file: file.to_owned(),
            key: "JSON".to_owned(),
            problem: error.to_string(),
        })?;
        let ignored = RefCell::new(Vec::new());
        let mut config = Self::default();
        for (key, at) in At::root(file, &node, &ignored).entries()? {
            match key {
                "auths" => config.auths = each(&at, credentials)?,
                "credsStore" => config.store = Some(at.scalar()?).filter(|name| !name.is_empty()),
                "credHelpers" => config.helpers = each(&at, |at| at.scalar())?,
                "HttpHeaders" => config.headers = each(&at, |at| at.scalar())?.into_iter().collect(),
                "proxies" => config.proxies = each(&at, proxies)?,
                _ => {}
            }
        }
        Ok(config)
    }

    /// Who somebody is to registry `host` (a reference's domain): a helper of this registry, the store of all, or the
    /// file itself. Only helpers are programs, which `helper` runs.
    ///
    /// # Errors
    /// A helper that failed.
    pub fn credentials(&self, host: &str, helper: &dyn Helper) -> Result<Credentials, HelperError> {
        let key = key_of(host);
        let program = self
            .helpers
            .get(key)
            .or_else(|| self.helpers.get(host))
            .or(self.store.as_ref());
        let stored = match program {
            Some(program) => ask(helper, program, key)?,
            None => Credentials::Anonymous,
        };
        Ok(match stored {
            Credentials::Anonymous => self.written(key, host),
            stored => stored,
        })
    }

    /// Which helper keeps the credentials of `host`, if one does.
    #[must_use]
    pub fn helper(&self, host: &str) -> Option<&str> {
        let own = self.helpers.get(key_of(host)).or_else(|| self.helpers.get(host));
        own.or(self.store.as_ref()).map(String::as_str)
    }

    /// What stands in the file itself, under the host or an address with it.
    fn written(&self, key: &str, host: &str) -> Credentials {
        let exact = self.auths.get(key).or_else(|| self.auths.get(host));
        let same = |(key, _): &(&String, &Credentials)| host_of(key) == host_of(host);
        let found = exact.or_else(|| self.auths.iter().find(same).map(|(_, credentials)| credentials));
        found.cloned().unwrap_or_default()
    }
}

/// What Docker calls a registry in its file.
#[must_use]
pub(crate) fn key_of(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

/// `https://host:5000/v1/` → `host:5000`.
fn host_of(key: &str) -> &str {
    let bare = ["https://", "http://"]
        .iter()
        .find_map(|scheme| key.strip_prefix(scheme));
    let host = bare.unwrap_or(key).split('/').next().unwrap_or_default();
    match host {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        other => other,
    }
}

fn each<T>(
    at: &At<'_>,
    read: impl Fn(&At<'_>) -> Result<T, ConfigError>,
) -> Result<BTreeMap<String, T>, ConfigError> {
    let entries = at.entries()?.into_iter();
    entries
        .map(|(key, at)| read(&at).map(|value| (key.to_owned(), value)))
        .collect()
}

fn credentials(at: &At<'_>) -> Result<Credentials, ConfigError> {
    let (mut username, mut password) = (String::new(), String::new());
    let mut from_auth = Credentials::Anonymous;
    for (key, at) in at.entries()? {
        let value = at.scalar()?;
        match key {
            _ if value.is_empty() => {}
            "auth" => {
                let wrong = || at.wrong("must be base64 of USER:PASSWORD; `docker login` writes it");
                from_auth = basic(&value).ok_or_else(wrong)?;
            }
            "identitytoken" => return Ok(Credentials::IdentityToken(value)),
            "registrytoken" => return Ok(Credentials::RegistryToken(value)),
            "username" => username = value,
            "password" => password = value,
            _ => {}
        }
    }
    if from_auth != Credentials::Anonymous {
        return Ok(from_auth);
    }
    Ok(Credentials::of_user(username, password))
}

fn proxies(at: &At<'_>) -> Result<ProxyConfig, ConfigError> {
    let mut found = ProxyConfig::default();
    for (key, at) in at.entries()? {
        let which = match key {
            "httpProxy" => &mut found.http,
            "httpsProxy" => &mut found.https,
            "noProxy" => &mut found.no,
            "ftpProxy" => &mut found.ftp,
            "allProxy" => &mut found.all,
            _ => continue,
        };
        *which = Some(at.scalar()?);
    }
    Ok(found)
}
