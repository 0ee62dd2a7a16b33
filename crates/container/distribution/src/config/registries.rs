//! k3s-shaped `registries.yaml` (k3s docs, "Private Registry Configuration").

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::Uri;
use regex::{Regex, RegexBuilder};

use super::tree::{At, Node};
use super::{ConfigError, address};
use crate::Credentials;
use crate::auth::basic;

/// What a compiled pattern may take, in bytes.
const LARGEST: usize = 1 << 20;

/// What a file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegistriesFile {
    /// By host, or `*`.
    pub(crate) mirrors: BTreeMap<String, Mirrors>,
    /// By host, or `*`.
    pub(crate) configs: BTreeMap<String, HostConfig>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Mirrors {
    pub(crate) endpoints: Vec<Uri>,
    pub(crate) rewrites: Vec<Rewrite>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct HostConfig {
    pub(crate) credentials: Credentials,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    pub(crate) skip_verify: bool,
}

/// Another name for a repository at a mirror.
#[derive(Clone, Debug)]
pub struct Rewrite {
    pattern: Regex,
    replacement: String,
}

impl Rewrite {
    /// The repository's name there, if the pattern matches: `$1` is what the first group matched.
    #[must_use]
    pub fn apply(&self, name: &str) -> Option<String> {
        self.pattern.is_match(name).then(|| {
            self.pattern
                .replace_all(name, self.replacement.as_str())
                .into_owned()
        })
    }
}

/// Reads `text`, which stands in `file`.
pub(crate) fn parse(
    text: &str,
    file: &Path,
    warnings: &RefCell<Vec<String>>,
) -> Result<RegistriesFile, ConfigError> {
    let node = Node::yaml(text).map_err(|problem| ConfigError {
        file: file.to_owned(),
        key: "YAML".to_owned(),
        problem,
    })?;
    let fields = At::root(file, &node, warnings).fields(&["mirrors", "configs"])?;
    let mut found = RegistriesFile::default();
    for (host, at) in fields.get("mirrors").map_or(Ok(Vec::new()), At::entries)? {
        found.mirrors.insert(host.to_owned(), mirrors(&at)?);
    }
    for (host, at) in fields.get("configs").map_or(Ok(Vec::new()), At::entries)? {
        found.configs.insert(host.to_owned(), config(&at, file)?);
    }
    Ok(found)
}

fn mirrors(at: &At<'_>) -> Result<Mirrors, ConfigError> {
    let fields = at.fields(&["endpoint", "rewrite"])?;
    let mut mirrors = Mirrors::default();
    for item in fields.get("endpoint").map_or(Ok(Vec::new()), At::items_or_self)? {
        let text = item.text()?;
        let parsed = address::parse(text).map_err(|problem| item.wrong(problem))?;
        // k3s takes a path as it is, unless there is none to speak of.
        let as_it_is = !matches!(parsed.path().trim_end_matches('/'), "" | "/v2");
        mirrors.endpoints.push(address::base(&item, text, as_it_is)?);
    }
    for (pattern, at) in fields.get("rewrite").map_or(Ok(Vec::new()), At::entries)? {
        let compiled = RegexBuilder::new(pattern)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .build();
        mirrors.rewrites.push(Rewrite {
            pattern: compiled.map_err(|error| at.wrong(format!("is no regular expression: {error}")))?,
            replacement: at.text()?.to_owned(),
        });
    }
    Ok(mirrors)
}

fn config(at: &At<'_>, file: &Path) -> Result<HostConfig, ConfigError> {
    let beside = |path: String| file.parent().unwrap_or(Path::new("/")).join(path);
    let fields = at.fields(&["auth", "tls"])?;
    let mut config = HostConfig::default();
    if let Some(at) = fields.get("auth") {
        config.credentials = credentials(at)?;
    }
    let Some(at) = fields.get("tls") else {
        return Ok(config);
    };
    let fields = at.fields(&["ca_file", "cert_file", "key_file", "insecure_skip_verify"])?;
    config.authority = fields.scalar("ca_file")?.map(beside);
    config.skip_verify = fields.boolean("insecure_skip_verify")?.unwrap_or_default();
    config.client = match (fields.scalar("cert_file")?, fields.scalar("key_file")?) {
        (Some(certificate), Some(key)) => Some((beside(certificate), beside(key))),
        (None, None) => None,
        _ => return Err(at.wrong("cert_file and key_file belong together: give both or neither")),
    };
    Ok(config)
}

fn credentials(at: &At<'_>) -> Result<Credentials, ConfigError> {
    let fields = at.fields(&["username", "password", "auth", "identity_token"])?;
    if let Some(token) = fields.scalar("identity_token")? {
        return Ok(Credentials::IdentityToken(token));
    }
    if let (Some(at), Some(encoded)) = (fields.get("auth"), fields.scalar("auth")?) {
        return basic(&encoded).ok_or_else(|| at.wrong("must be base64 of USER:PASSWORD"));
    }
    match (fields.scalar("username")?, fields.scalar("password")?) {
        (Some(username), Some(password)) => Ok(Credentials::Basic { username, password }),
        (None, None) => Ok(Credentials::Anonymous),
        _ => Err(at.wrong("username and password belong together: give both or neither")),
    }
}
