//! The registry's own configuration file (`--registry-config`), in TOML. What is not in it has its default; what is wrong
//! is said before any port opens. docs/formats/registry.md has all of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::Clock;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use https::{Identity, Plain, ServerTrust};
use serde::Deserialize;

use crate::access::{
    Access, Htpasswd, InvalidHtpasswd, InvalidKeys, InvalidRule, Keys, Owners, Rule, Rules, TokenService,
};
use crate::{Config, Limits, MirrorConfig, Webhook};

/// Where Debian and most others keep the authorities of the host.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    read_only: bool,
    anonymous_pull: bool,
    allow_plain: bool,
    allow_anyone: bool,
    names: Vec<String>,
    htpasswd: Option<PathBuf>,
    tls: Option<Tls>,
    token: Option<Token>,
    groups: BTreeMap<String, Vec<String>>,
    rule: Vec<Rule>,
    webhook: Vec<Hook>,
    mirror: Mirror,
    limits: Bounds,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_only: false,
            anonymous_pull: true,
            allow_plain: false,
            allow_anyone: false,
            names: Vec::new(),
            htpasswd: None,
            tls: None,
            token: None,
            groups: BTreeMap::new(),
            rule: Vec::new(),
            webhook: Vec::new(),
            mirror: Mirror::default(),
            limits: Bounds::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    realm: String,
    service: String,
    issuer: String,
    jwks: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Hook {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    ca: Option<PathBuf>,
    #[serde(default = "five")]
    timeout_seconds: u32,
    #[serde(default = "five")]
    attempts: u32,
    #[serde(default)]
    ignore: Vec<String>,
}

const fn five() -> u32 {
    5
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Mirror {
    hosts: Vec<String>,
    default: Option<String>,
    fresh_seconds: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Bounds {
    blob_bytes: Option<u64>,
    uploads: Option<u16>,
    uploads_of_one_client: Option<u16>,
    idle_upload_seconds: Option<u32>,
    connections: Option<u16>,
    grace_seconds: Option<u32>,
}

/// Why a registry cannot be as its file says.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// The file is no TOML, or says something that there is not.
    #[error("line {line}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A file that it names cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The passwords.
    #[error("htpasswd: {0}")]
    Htpasswd(#[from] InvalidHtpasswd),
    /// The rules.
    #[error("rule: {0}")]
    Rule(#[from] InvalidRule),
    /// The keys of tokens.
    #[error("token: {0}")]
    Keys(#[from] InvalidKeys),
    /// The certificate.
    #[error("tls: {0}")]
    Tls(#[from] https::TlsError),
    /// A value.
    #[error("{0}")]
    Value(String),
    /// The port would be open to everybody.
    #[error(transparent)]
    Exposed(#[from] Exposed),
}

/// A port beyond loopback that nobody could log in at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the registry would listen on {0}, where nobody could log in: set htpasswd or [token] in --registry-config, or allow-anyone"
)]
pub struct Exposed(IpAddr);

impl Settings {
    /// # Errors
    /// [`InvalidSettings::Syntax`].
    pub fn parse(text: &str) -> Result<Self, InvalidSettings> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(before).filter(|byte| *byte == b'\n').count() + 1;
            let message = error.message().to_owned();
            InvalidSettings::Syntax { line, message }
        })
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn read(path: &Path) -> Result<Self, InvalidSettings> {
        Self::parse(&read(path)?)
    }

    /// The certificate instead of the node's own, if there is one.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn identity(&self) -> Result<Option<Identity>, InvalidSettings> {
        let Some(tls) = &self.tls else { return Ok(None) };
        let (certificate, key) = (read(&tls.certificate)?, read(&tls.key)?);
        Ok(Some(Identity::from_pem(certificate.as_bytes(), key.as_bytes())?))
    }

    /// Reads what the file names. `domain` is what names belong to, `bind` where the registry will listen, `group` that of
    /// docker's socket.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn config(
        &self,
        domain: &str,
        bind: IpAddr,
        group: Option<u32>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Config, InvalidSettings> {
        let closed = self.htpasswd.is_some() || self.token.is_some();
        if !bind.is_loopback() && !closed && !self.allow_anyone {
            return Err(Exposed(bind).into());
        }
        Ok(Config {
            domain: domain.to_owned(),
            access: self.access(group, clock)?,
            read_only: self.read_only,
            plain: if self.allow_plain {
                Plain::Anybody
            } else {
                Plain::Loopback
            },
            limits: self.limits.limits(),
            webhooks: self.webhook.iter().map(Hook::webhook).collect::<Result<_, _>>()?,
            authorities: if self.webhook.is_empty() {
                Bytes::new()
            } else {
                authorities()
            },
            mirror: self.mirror.config(),
        })
    }

    fn access(&self, group: Option<u32>, clock: &Arc<dyn Clock>) -> Result<Access, InvalidSettings> {
        let users = self.htpasswd.as_deref().map(|path| {
            let users = Htpasswd::follow(path, &read(path)?, clock.clone())?;
            Ok::<_, InvalidSettings>(Arc::new(users))
        });
        let tokens = self.token.as_ref().map(|token| {
            Ok::<_, InvalidSettings>(Arc::new(TokenService {
                realm: quotable(&token.realm)?,
                service: quotable(&token.service)?,
                issuer: token.issuer.clone(),
                keys: Keys::parse(&read(&token.jwks)?)?,
            }))
        });
        Ok(Access {
            owners: Owners {
                group,
                ..Owners::default()
            },
            users: users.transpose()?,
            tokens: tokens.transpose()?,
            rules: Rules::new(self.groups.clone(), self.rule.clone())?,
            anonymous_pull: self.anonymous_pull,
            names: self.names.clone(),
        })
    }
}

fn read(path: &Path) -> Result<String, InvalidSettings> {
    std::fs::read_to_string(path).map_err(|source| InvalidSettings::File {
        path: path.to_owned(),
        source,
    })
}

/// A host without them judges webhooks by those that the file names.
fn authorities() -> Bytes {
    std::fs::read(AUTHORITIES).map(Bytes::from).unwrap_or_default()
}

/// What stands in a header between quotes.
fn quotable(text: &str) -> Result<String, InvalidSettings> {
    let bad = |character: char| character == '"' || character == '\\' || !character.is_ascii_graphic();
    if text.is_empty() || text.contains(bad) {
        return Err(InvalidSettings::Value(format!(
            "token: {text:?} cannot stand in a header"
        )));
    }
    Ok(text.to_owned())
}

impl Hook {
    fn webhook(&self) -> Result<Webhook, InvalidSettings> {
        let wrong = |why: &str| InvalidSettings::Value(format!("webhook {:?}: {why}", self.url));
        let url: Uri = self.url.parse().map_err(|_| wrong("this is no URL"))?;
        url.host().ok_or_else(|| wrong("it names no host"))?;
        let trust = match (url.scheme_str(), &self.ca) {
            (Some("http"), None) => ServerTrust::Plain,
            (Some("https"), None) => ServerTrust::Host,
            (Some("https"), Some(path)) => ServerTrust::Authorities(read(path)?.into()),
            _ => {
                return Err(wrong(
                    "it begins with neither http:// nor https://, or ca is for https alone",
                ));
            }
        };
        let known = ["push", "pull", "mount", "delete"];
        if let Some(action) = self
            .ignore
            .iter()
            .find(|action| !known.contains(&action.as_str()))
        {
            return Err(wrong(&format!("there is no event {action:?}")));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().map_err(|_| wrong("a header has no name"))?;
            headers.insert(
                name,
                HeaderValue::from_str(value).map_err(|_| wrong("a header has no value"))?,
            );
        }
        Ok(Webhook {
            url,
            headers,
            trust,
            timeout: Duration::from_secs(self.timeout_seconds.max(1).into()),
            retry: Duration::from_secs(1),
            attempts: self.attempts.clamp(1, 10),
            ignore: self.ignore.clone(),
        })
    }
}

impl Mirror {
    fn config(&self) -> MirrorConfig {
        let usual = MirrorConfig::default();
        MirrorConfig {
            hosts: self.hosts.clone(),
            default: self.default.clone(),
            fresh: self
                .fresh_seconds
                .map_or(usual.fresh, |seconds| Duration::from_secs(seconds.into())),
        }
    }
}

impl Bounds {
    fn limits(&self) -> Limits {
        let usual = Limits::default();
        let seconds =
            |given: Option<u32>, usual| given.map_or(usual, |seconds| Duration::from_secs(seconds.into()));
        Limits {
            blob: self.blob_bytes.unwrap_or(usual.blob),
            uploads: self.uploads.map_or(usual.uploads, usize::from),
            uploads_of_one_client: self
                .uploads_of_one_client
                .map_or(usual.uploads_of_one_client, usize::from),
            idle_upload: seconds(self.idle_upload_seconds, usual.idle_upload),
            connections: self
                .connections
                .map_or(usual.connections, |count| usize::from(count.max(1))),
            grace: seconds(self.grace_seconds, usual.grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::ManualClock;
    use std::net::Ipv4Addr;

    fn config(text: &str, bind: Ipv4Addr) -> Result<Config, String> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let settings = Settings::parse(text).map_err(|error| error.to_string())?;
        let config = settings.config("localhost:5000", bind.into(), None, &clock);
        config.map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_read() {
        let document = include_str!("../../../../docs/formats/registry.md");
        let text = document
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        let settings = Settings::parse(text.unwrap()).unwrap();
        assert_eq!(
            (
                settings.rule.len(),
                settings.webhook.len(),
                settings.mirror.hosts.len()
            ),
            (1, 1, 2)
        );
        let usual = Limits::default();
        let limits = settings.limits.limits();
        assert_eq!(
            (limits.blob, limits.uploads, limits.grace),
            (usual.blob, usual.uploads, usual.grace)
        );
    }

    #[test]
    fn a_port_beyond_loopback_asks_who_somebody_is() {
        let refused = config("", Ipv4Addr::UNSPECIFIED).unwrap_err();
        assert!(refused.contains("nobody could log in"), "{refused}");
        assert_eq!(
            config("allow-anyone = true", Ipv4Addr::UNSPECIFIED)
                .unwrap()
                .plain,
            Plain::Loopback
        );
        assert_eq!(config("", Ipv4Addr::LOCALHOST).unwrap().plain, Plain::Loopback);
        assert_eq!(
            config("allow-plain = true", Ipv4Addr::LOCALHOST).unwrap().plain,
            Plain::Anybody
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("\nread-onyl = true", "line 2: unknown field `read-onyl`"),
            ("htpasswd = '/nowhere/htpasswd'", "cannot read /nowhere/htpasswd"),
            (
                "[[rule]]\nusers = ['@x']\nrepositories = []\nrights = []",
                "there is no group \"x\"",
            ),
            (
                "[[rule]]\nusers = []\nrepositories = []\nrights = ['admin']",
                "unknown variant `admin`",
            ),
            ("[[webhook]]\nurl = 'ftp://x'", "neither http:// nor https://"),
            (
                "[[webhook]]\nurl = 'http://x'\nignore = ['tag']",
                "there is no event \"tag\"",
            ),
        ] {
            let error = config(text, Ipv4Addr::LOCALHOST).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
