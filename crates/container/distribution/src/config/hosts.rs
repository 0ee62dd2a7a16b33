//! containerd's `certs.d/HOST/hosts.toml` (containerd docs/hosts.md).

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::tree::{At, Fields, Node};
use super::{Capabilities, ConfigError, address};

/// What a file says, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostsFile {
    /// The registry itself, if the file says where it is.
    pub(crate) server: Option<Uri>,
    /// What the keys beside `server` say of it.
    pub(crate) own: HostOptions,
    pub(crate) mirrors: Vec<(Uri, HostOptions)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct HostOptions {
    pub(crate) capabilities: Option<Capabilities>,
    pub(crate) authorities: Vec<PathBuf>,
    /// The files with certificate and key, which may be the same.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    pub(crate) skip_verify: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) dial_timeout: Option<Duration>,
}

const OPTIONS: &[&str] = &[
    "capabilities",
    "ca",
    "client",
    "skip_verify",
    "header",
    "override_path",
    "dial_timeout",
];

/// Reads `text`, which stands in `file`.
pub(crate) fn parse(
    text: &str,
    file: &Path,
    warnings: &RefCell<Vec<String>>,
) -> Result<HostsFile, ConfigError> {
    let node = Node::toml(text).map_err(|problem| ConfigError {
        file: file.to_owned(),
        key: "TOML".to_owned(),
        problem,
    })?;
    let root = At::root(file, &node, warnings);
    let fields = root.fields(&[OPTIONS, &["server", "host"]].concat())?;
    let (own, override_path) = options(&fields, file)?;
    let server = fields.get("server").filter(|at| at.text() != Ok(""));
    let server = server
        .map(|at| address::base(at, at.text()?, override_path))
        .transpose()?;
    let mut mirrors = Vec::new();
    for (url, at) in fields.get("host").map_or(Ok(Vec::new()), At::entries)? {
        let (options, override_path) = options(&at.fields(OPTIONS)?, file)?;
        let base = address::base(&at, url, override_path)?;
        if base.scheme_str() == Some("http") && (options.client.is_some() || !options.authorities.is_empty())
        {
            at.warn("is spoken to without TLS: its ca and client have no effect; write https://");
        }
        mirrors.push((base, options));
    }
    Ok(HostsFile { server, own, mirrors })
}

fn options(fields: &Fields<'_>, file: &Path) -> Result<(HostOptions, bool), ConfigError> {
    let beside = |path: &str| file.parent().unwrap_or(Path::new("/")).join(path);
    let mut authorities = Vec::new();
    for at in fields.get("ca").map_or(Ok(Vec::new()), At::items_or_self)? {
        authorities.push(beside(at.text()?));
    }
    let options = HostOptions {
        capabilities: Some(
            fields
                .get("capabilities")
                .map_or(Ok(Capabilities::ALL), capabilities)?,
        ),
        authorities,
        client: fields
            .get("client")
            .map(|at| client(at, beside))
            .transpose()?
            .flatten(),
        skip_verify: fields.boolean("skip_verify")?.unwrap_or_default(),
        headers: fields.get("header").map_or(Ok(HeaderMap::new()), headers)?,
        dial_timeout: fields.get("dial_timeout").map(duration).transpose()?,
    };
    Ok((options, fields.boolean("override_path")?.unwrap_or_default()))
}

/// Of an empty list containerd makes all of them.
fn capabilities(at: &At<'_>) -> Result<Capabilities, ConfigError> {
    let mut found = Capabilities::NONE;
    for item in at.items()? {
        let which = match item.text()?.to_ascii_lowercase().as_str() {
            "pull" => &mut found.pull,
            "resolve" => &mut found.resolve,
            "push" => &mut found.push,
            "referrers" => &mut found.referrers,
            other => {
                let problem = format!("{other:?} is none of \"pull\", \"resolve\", \"push\", \"referrers\"");
                return Err(item.wrong(problem));
            }
        };
        *which = true;
    }
    Ok(if found == Capabilities::NONE {
        Capabilities::ALL
    } else {
        found
    })
}

/// One file with both, or a pair; a list of such. TLS shows one certificate, so there must not be more of them.
fn client(at: &At<'_>, beside: impl Fn(&str) -> PathBuf) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let mut found = Vec::new();
    for item in at.items_or_self()? {
        if !item.is_list() {
            found.push((beside(item.text()?), beside(item.text()?)));
            continue;
        }
        let parts = item.items()?;
        let texts: Vec<&str> = parts.iter().map(At::text).collect::<Result<_, _>>()?;
        found.push(match texts[..] {
            [both] | [both, ""] => (beside(both), beside(both)),
            [certificate, key] => (beside(certificate), beside(key)),
            _ => return Err(item.wrong("must be [\"CERTIFICATE\", \"KEY\"]")),
        });
    }
    if found.len() > 1 {
        return Err(at.wrong("names several client certificates: leave the one that the server asks for"));
    }
    Ok(found.pop())
}

fn headers(at: &At<'_>) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (name, at) in at.entries()? {
        let name: HeaderName = name
            .parse()
            .map_err(|_| at.wrong("is not the name of a header"))?;
        for item in at.items_or_self()? {
            let value = HeaderValue::from_str(item.text()?);
            let value = value.map_err(|_| item.wrong("is not the value of a header"))?;
            headers.append(name.clone(), value);
        }
    }
    Ok(headers)
}

/// As Go writes durations: `300ms`, `1m30s`.
fn duration(at: &At<'_>) -> Result<Duration, ConfigError> {
    let text = at.text()?;
    let wrong = || {
        at.wrong(format!(
            "{text:?} is no duration: write \"5s\", \"300ms\" or \"1m30s\""
        ))
    };
    let nanoseconds = driver::golang::parse_duration(text).ok();
    let nanoseconds = nanoseconds.and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
    let duration = Duration::from_nanos(nanoseconds.ok_or_else(wrong)?);
    if duration.is_zero() {
        return Err(at.wrong("must be longer than nothing: leave the key out for the default"));
    }
    Ok(duration)
}
