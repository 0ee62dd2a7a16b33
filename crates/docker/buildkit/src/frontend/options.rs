//! What a client asks of the frontend, from its options by name. An unknown one is refused: it would be ignored.

use std::collections::BTreeMap;

use crate::build::{CacheImport, CacheSource, Mounts};
use crate::grpc::Status;

/// Where the main context comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Main {
    /// A directory of the client.
    Local(String),
    /// An archive that the client sends (`Upload.Pull`), by its path.
    Upload(String),
    /// An address.
    Address(String),
}

/// Where a named context comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A directory of the client.
    Local(String),
    /// An image.
    Image(String),
    /// The result of another build.
    Input(String),
    /// An image in a layout of the client: the layout's name, and the digest.
    Layout(String, String),
    /// An address.
    Address(String),
}

/// The options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) filename: String,
    /// The client's directory with the Dockerfile.
    pub(crate) dockerfile: String,
    /// Whether it is there although the context is no directory of the client.
    pub(crate) dockerfile_is_local: bool,
    pub(crate) context: Main,
    pub(crate) contexts: BTreeMap<String, Source>,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) target: Option<String>,
    /// What is built for; this machine's platform if nobody says.
    pub(crate) platforms: Vec<String>,
    /// Whether there is an index although there is one platform.
    pub(crate) index: bool,
    pub(crate) no_cache: bool,
    pub(crate) no_cache_stages: Vec<String>,
    pub(crate) ulimits: Vec<(String, i64, i64)>,
    /// The sessions that have directories, where they are not the build's own.
    pub(crate) sessions: BTreeMap<String, String>,
    /// Results of other builds, by the names under which they are given: images.
    pub(crate) inputs: BTreeMap<String, String>,
    /// A question that is asked instead of a build.
    pub(crate) request: Option<String>,
    pub(crate) pull: bool,
    pub(crate) network: String,
    pub(crate) extra_hosts: Vec<String>,
    pub(crate) shm_size: u64,
    pub(crate) cgroup_parent: String,
    pub(crate) cache_from: Vec<CacheImport>,
    /// A frontend has handed the build on, so that it is no other's to do.
    pub(crate) forwarded: bool,
    /// A scanner is shown the result, and perhaps more.
    pub(crate) scanned: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filename: "Dockerfile".to_owned(),
            dockerfile: "dockerfile".to_owned(),
            dockerfile_is_local: false,
            context: Main::Local("context".to_owned()),
            contexts: BTreeMap::new(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            target: None,
            platforms: Vec::new(),
            index: false,
            no_cache: false,
            no_cache_stages: Vec::new(),
            ulimits: Vec::new(),
            sessions: BTreeMap::new(),
            inputs: BTreeMap::new(),
            request: None,
            pull: false,
            network: String::new(),
            extra_hosts: Vec::new(),
            shm_size: 0,
            cgroup_parent: String::new(),
            cache_from: Vec::new(),
            forwarded: false,
            scanned: false,
        }
    }
}

/// What a client may ask that frontends understand (`frontend.caps`). Each request is judged by itself.
const CAPABILITIES: [&str; 3] = [
    "moby.buildkit.frontend.contexts",
    "moby.buildkit.frontend.inputs",
    "moby.buildkit.frontend.subrequests",
];
/// How a client's upload is addressed.
const UPLOAD: &str = "http://buildkit-session/";

impl Options {
    /// Reads the options of a solve.
    ///
    /// # Errors
    /// What makes no sense, and what is not supported.
    pub(crate) fn parse(given: &BTreeMap<String, String>) -> Result<Self, Status> {
        let mut options = Self::default();
        for (name, value) in given {
            match name.split_once(':') {
                Some(("build-arg", arg)) => drop(options.args.insert(arg.to_owned(), value.clone())),
                Some(("label", label)) => drop(options.labels.insert(label.to_owned(), value.clone())),
                Some(("context", context)) => {
                    // `NAME::PLATFORM` is the same for one platform.
                    let name = context.split("::").next().unwrap_or(context);
                    options.contexts.insert(name.to_owned(), source(name, value)?);
                }
                Some(("local-sessionid", directory)) => {
                    options.sessions.insert(directory.to_owned(), value.clone());
                }
                // What an image says of itself is known here, and attestations are the exporters'.
                Some(("input-metadata" | "attest", _)) => {}
                _ => options.take(name, value)?,
            }
        }
        Ok(options)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Status> {
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        match name {
            "filename" if value.is_empty() => {}
            "filename" => value.clone_into(&mut self.filename),
            "dockerfilekey" => {
                value.clone_into(&mut self.dockerfile);
                self.dockerfile_is_local = true;
            }
            "contextkey" => self.context = Main::Local(value.to_owned()),
            "context" => self.context = main(value),
            "target" => self.target = text(),
            "platform" => self.platforms = list(value),
            "no-cache" if value.is_empty() => self.no_cache = true,
            "no-cache" => self.no_cache_stages = list(value),
            "ulimit" => self.ulimits = ulimits(value)?,
            "image-resolve-mode" => self.pull = resolve_mode(value)?,
            "force-network-mode" => value.clone_into(&mut self.network),
            "add-hosts" => self.extra_hosts = hosts(value)?,
            "shm-size" => {
                let bad = |_| Status::invalid(format!("failed to parse shm size: {value:?}"));
                self.shm_size = value.parse().map_err(bad)?;
            }
            "cgroup-parent" => value.clone_into(&mut self.cgroup_parent),
            "cache-from" => self.cache_from.extend(
                list(value)
                    .into_iter()
                    .map(|name| CacheSource::Registry(name).into()),
            ),
            "cache-imports" => self.cache_from.extend(imports(value)?),
            "frontend.caps" => refuse_capabilities(value)?,
            "multi-platform" => self.index = matches!(value, "true" | "1"),
            // What the client ran and where, for provenance only.
            "cmdline" => self.forwarded = true,
            "source" | "vcs:source" | "vcs:revision" | "vcs:localdir:context" | "vcs:localdir:dockerfile" => {
            }
            "requestid" => self.request = text(),
            _ => {
                let sentence = format!("frontend option {name} is not supported yet");
                return Err(Status::unimplemented(sentence));
            }
        }
        Ok(())
    }
}

fn refuse_capabilities(value: &str) -> Result<(), Status> {
    let names = value.split(',').map(|name| name.trim_end_matches("+forward"));
    match names
        .into_iter()
        .find(|name| !name.is_empty() && !CAPABILITIES.contains(name))
    {
        Some(name) => Err(Status::unimplemented(format!(
            "unsupported frontend capability {name}"
        ))),
        None => Ok(()),
    }
}

fn resolve_mode(value: &str) -> Result<bool, Status> {
    match value {
        "" | "default" | "local" => Ok(false),
        "pull" => Ok(true),
        _ => Err(Status::invalid(format!("invalid image-resolve-mode: {value}"))),
    }
}

fn main(value: &str) -> Main {
    match value.strip_prefix(UPLOAD) {
        Some(_) => Main::Upload(value["http://buildkit-session".len()..].to_owned()),
        None => Main::Address(value.to_owned()),
    }
}

fn source(name: &str, value: &str) -> Result<Source, Status> {
    match value.split_once(':') {
        Some(("local", directory)) => Ok(Source::Local(directory.to_owned())),
        Some(("input", name)) => Ok(Source::Input(name.to_owned())),
        Some(("oci-layout", rest)) => {
            let parts = rest.trim_start_matches('/').split_once('@');
            let bad = || Status::invalid(format!("invalid oci-layout reference {value}"));
            let (place, digest) = parts.ok_or_else(bad)?;
            let store = place.split(':').next().unwrap_or(place);
            Ok(Source::Layout(store.to_owned(), digest.to_owned()))
        }
        Some(("http" | "https" | "git" | "ssh", rest)) if rest.starts_with("//") => {
            Ok(Source::Address(value.to_owned()))
        }
        Some(("docker-image", rest)) if rest.starts_with("//") => Ok(Source::Image(rest[2..].to_owned())),
        _ => Err(Status::unimplemented(format!(
            "the named context {name}={value} is not supported yet"
        ))),
    }
}

/// Caches, as clients put them into JSON.
fn imports(value: &str) -> Result<Vec<CacheImport>, Status> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Import {
        r#type: String,
        #[serde(default)]
        attrs: BTreeMap<String, String>,
    }
    let bad = |cause| Status::invalid(format!("failed to unmarshal cache-imports: {cause}"));
    let imports: Vec<Import> = serde_json::from_str(value).map_err(bad)?;
    imports
        .iter()
        .map(|import| cache_import(&import.r#type, &import.attrs))
        .collect()
}

/// The cache that an import means.
///
/// # Errors
/// A kind that is not supported, by its name.
pub(crate) fn cache_import(kind: &str, attrs: &BTreeMap<String, String>) -> Result<CacheImport, Status> {
    let need = |name: &str| {
        let value = attrs.get(name).cloned();
        value.ok_or_else(|| Status::invalid(format!("{kind} cache importer requires {name}")))
    };
    let from = match kind {
        "registry" => need("ref").map(CacheSource::Registry)?,
        "local" => CacheSource::Local {
            store: need("src")?,
            digest: need("digest")?,
        },
        _ => return Err(Status::unimplemented(format!("unknown cache importer: {kind}"))),
    };
    let mounts = attrs
        .get("mounts")
        .map_or(Some(Mounts::None), |value| Mounts::parse(value));
    let mounts = mounts.ok_or_else(|| {
        Status::invalid("mounts of a cache importer is all, or ids of cache mounts with ; or | between them")
    })?;
    Ok(CacheImport { from, mounts })
}

/// `a,b`.
fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .filter(|each| !each.is_empty())
        .map(String::from)
        .collect()
}

/// `nofile=1024:2048,core=0`: name, soft, hard.
fn ulimits(value: &str) -> Result<Vec<(String, i64, i64)>, Status> {
    let ulimit = |text: &String| {
        let (name, limits) = text.split_once('=')?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        Some((name.to_owned(), soft.parse().ok()?, hard.parse().ok()?))
    };
    let bad =
        |text: &str| Status::invalid(format!("failed to parse ulimit: invalid ulimit argument: {text}"));
    list(value)
        .iter()
        .map(|text| ulimit(text).ok_or_else(|| bad(text)))
        .collect()
}

/// `host=address,host=address` as `host:address` lines.
fn hosts(value: &str) -> Result<Vec<String>, Status> {
    let line = |pair: &str| match pair.trim_matches('"').split_once('=') {
        Some((name, address)) => Ok(format!("{name}:{}", address.trim_matches(['[', ']']))),
        None => Err(Status::invalid(format!("invalid key-value pair {pair}"))),
    };
    value
        .split(',')
        .filter(|pair| !pair.is_empty())
        .map(line)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<Options, String> {
        let given = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Options::parse(&given.collect()).map_err(|status| status.message)
    }

    #[test]
    fn options_of_a_usual_build() {
        let options = parsed(&[
            ("filename", "docker/app"),
            ("build-arg:A", "1"),
            ("label:l", "x=y"),
            ("context:lib", "local:lib"),
            ("context:base", "docker-image://debian:12"),
            ("add-hosts", "a=10.0.0.1,b=[::1]"),
            ("no-cache", ""),
            ("image-resolve-mode", "pull"),
            ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
            ("shm-size", "1024"),
            ("ulimit", "nofile=5:9,core=0"),
            ("platform", "linux/amd64,linux/arm64"),
            ("requestid", "frontend.lint"),
        ])
        .unwrap();
        assert_eq!(options.filename, "docker/app");
        assert_eq!(options.args["A"], "1");
        assert_eq!(options.contexts["lib"], Source::Local("lib".into()));
        assert_eq!(options.contexts["base"], Source::Image("debian:12".into()));
        assert_eq!(options.extra_hosts, ["a:10.0.0.1", "b:::1"]);
        assert!(options.no_cache && options.pull);
        assert_eq!(options.shm_size, 1024);
        assert_eq!(options.ulimits, [("nofile".into(), 5, 9), ("core".into(), 0, 0)]);
        assert_eq!(options.platforms, ["linux/amd64", "linux/arm64"]);
        assert_eq!(options.request.as_deref(), Some("frontend.lint"));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (name, value, sentence) in [
            ("hostname", "x", "frontend option hostname is not supported yet"),
            (
                "context:a",
                "ftp://x",
                "the named context a=ftp://x is not supported yet",
            ),
            (
                "ulimit",
                "nofile",
                "failed to parse ulimit: invalid ulimit argument: nofile",
            ),
            ("frontend.caps", "x", "unsupported frontend capability x"),
            ("image-resolve-mode", "x", "invalid image-resolve-mode: x"),
        ] {
            assert_eq!(parsed(&[(name, value)]).unwrap_err(), sentence);
        }
    }

    #[test]
    fn an_upload_is_known_by_its_address() {
        let options = parsed(&[("context", "http://buildkit-session/abc")]).unwrap();
        assert_eq!(options.context, Main::Upload("/abc".into()));
        let options = parsed(&[
            ("context", "https://x/y.git#r:d"),
            ("context:a", "https://x/y.tar"),
        ]);
        let options = options.unwrap();
        assert_eq!(options.context, Main::Address("https://x/y.git#r:d".into()));
        assert_eq!(options.contexts["a"], Source::Address("https://x/y.tar".into()));
    }
}
