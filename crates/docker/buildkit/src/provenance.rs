//! Provenance: what is known of how a result was made, as in-toto statements with SLSA's predicates say it
//! (<https://slsa.dev/spec/v0.2/provenance>, <https://slsa.dev/spec/v1.0/provenance>).
//!
//! Only what this builder knows is said. A Dockerfile is carried out without a definition in LLB, so `mode=max` has the
//! file, the arguments, secrets and agents, and no `buildConfig`; what a build's commands fetch nobody notes, so no build
//! is called hermetic.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::Reference;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::build::{Built, Material, Request};
use crate::frontend::redacted;
use crate::grpc::{Code, Status};
use crate::statement::{Predicate, digest_set};

/// The two forms of a predicate.
const SLSA02: &str = "https://slsa.dev/provenance/v0.2";
const SLSA1: &str = "https://slsa.dev/provenance/v1";
const BUILD_TYPE_02: &str = "https://mobyproject.org/buildkit@v1";
const BUILD_TYPE_1: &str =
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
/// What a file of it is called.
const FILE: &str = "provenance.json";
/// Options that say something of this machine and not of the result. What the client's session is called goes too.
const OF_THE_HOST: [&str; 4] = ["cgroup-parent", "image-resolve-mode", "platform", "cache-imports"];
/// Options that ask for attestations, in the client's two forms.
const ATTEST: &str = "attest:";
const ATTEST_ARG: &str = "build-arg:BUILDKIT_ATTEST_";

/// A provenance that is asked for (`--provenance`, `--attest type=provenance`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Everything that is known, and not only what is meant for everybody.
    max: bool,
    /// Only within images.
    pub(crate) inline_only: bool,
    v1: bool,
    reproducible: bool,
    builder: String,
}

impl Provenance {
    /// The provenance that a build's options ask for.
    ///
    /// # Errors
    /// Another kind of attestation, or an attribute that is not known.
    pub(crate) fn asked(options: &BTreeMap<String, String>) -> Result<Option<Self>, Status> {
        let mut asked = None;
        for (name, value) in options {
            let kind = match (name.strip_prefix(ATTEST), name.strip_prefix(ATTEST_ARG)) {
                (Some(kind), _) => kind.to_owned(),
                (None, Some(kind)) => kind.to_lowercase(),
                (None, None) => continue,
            };
            match &*kind {
                "provenance" => asked = Self::read(value)?,
                "sbom" => {}
                other => return Err(plain(format!("unknown attestation type {other:?}"))),
            }
        }
        Ok(asked)
    }

    /// What the history has of every build.
    pub(crate) const fn of_history() -> Self {
        Self {
            max: true,
            inline_only: false,
            v1: false,
            reproducible: false,
            builder: String::new(),
        }
    }

    fn read(value: &str) -> Result<Option<Self>, Status> {
        let mut read = Self {
            max: true,
            inline_only: false,
            v1: false,
            reproducible: false,
            builder: String::new(),
        };
        for field in value.split(',').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, "true"));
            let on = matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True");
            match (name, value) {
                ("type" | "enabled", _) => {}
                ("disabled", _) if on => return Ok(None),
                ("disabled", _) => {}
                ("mode", "max" | "full") => read.max = true,
                ("mode", "min") => read.max = false,
                ("mode", other) => return Err(plain(format!("invalid mode {other:?}"))),
                ("inline-only", _) => read.inline_only = on,
                ("reproducible", _) => read.reproducible = on,
                ("version", "v1") => read.v1 = true,
                ("version", "v0.2") => read.v1 = false,
                ("version", other) => {
                    let sentence = format!("invalid provenance SLSA version: {other}");
                    return Err(plain(sentence));
                }
                ("builder-id", id) => id.clone_into(&mut read.builder),
                (other, _) => {
                    return Err(Status::unimplemented(format!(
                        "{other} of a provenance attestation is not supported"
                    )));
                }
            }
        }
        Ok(Some(read))
    }

    /// What is said of a result.
    ///
    /// # Errors
    /// Never: JSON of ours is read again.
    pub(crate) fn of(&self, built: &Built, run: &Run<'_>) -> Result<Predicate, Status> {
        let nothing = Request::default();
        let request = built.request.as_deref().unwrap_or(&nothing);
        let facts = Facts::new(self, built, request, run);
        let (kind, value) = match self.v1 {
            true => (SLSA1, facts.slsa1()),
            false => (SLSA02, facts.slsa02()),
        };
        let value = format!("{value:#}");
        Predicate::new(kind, value.as_bytes(), Vec::new(), (FILE, self.inline_only))
    }
}

/// As upstream says it: clients put any other code before the sentence.
fn plain(sentence: String) -> Status {
    Status::new(Code::Unknown, sentence)
}

/// One run of a build.
#[derive(Clone, Debug)]
pub(crate) struct Run<'a> {
    /// By what it is found in the history.
    pub(crate) id: &'a str,
    /// RFC 3339.
    pub(crate) started: String,
    /// RFC 3339.
    pub(crate) finished: String,
    /// This machine's platform.
    pub(crate) platform: String,
}

/// An image's name as a package URL (`pkg:docker/busybox@latest?platform=linux%2Famd64`).
#[must_use]
pub fn package_url(reference: &str, platform: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b':');
    const VALUE: &AsciiSet = &SEGMENT.add(b':');
    let Ok(parsed) = Reference::parse(reference) else {
        return reference.to_owned();
    };
    let parsed = parsed.with_default_tag();
    let escaped = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
    let name = parsed.familiar_name();
    let name: Vec<String> = name.split('/').map(escaped).collect();
    let version = parsed.tag.as_deref().map(|tag| format!("@{}", escaped(tag)));
    let digest = parsed.digest.map(|digest| {
        let digest = digest.to_string();
        format!("digest={}&", utf8_percent_encode(&digest, VALUE))
    });
    format!(
        "pkg:docker/{}{}?{}platform={}",
        name.join("/"),
        version.unwrap_or_default(),
        digest.unwrap_or_default(),
        utf8_percent_encode(platform, VALUE)
    )
}

/// What both forms say.
struct Facts<'a> {
    asked: &'a Provenance,
    run: &'a Run<'a>,
    /// `uri`, `digest` and the file's name of where the Dockerfile came from.
    uri: Option<String>,
    digest: Option<Value>,
    path: Option<String>,
    materials: Vec<Value>,
    parameters: Value,
    metadata: Value,
    /// Whether these are all parameters, and all materials.
    complete: (bool, bool),
}

impl<'a> Facts<'a> {
    fn new(asked: &'a Provenance, built: &Built, request: &Request, run: &'a Run<'a>) -> Self {
        let mut args = filtered(&request.options);
        let context = args.remove("context").map(|uri| redacted(&uri));
        let path = args.remove("filename").or_else(|| {
            let name = Some(&request.name).filter(|name| !name.is_empty());
            name.cloned()
        });
        let mut vcs = Map::new();
        args.retain(|name, value| match name.strip_prefix("vcs:") {
            Some(name) => {
                let value = if name == "source" {
                    redacted(value)
                } else {
                    value.clone()
                };
                vcs.insert(name.to_owned(), value.into());
                false
            }
            None => true,
        });
        let all = args.len();
        if !asked.max {
            args.retain(|name, _| !name.starts_with("build-arg:") && !name.starts_with("label:"));
        }
        let known = built.request.is_some();
        let mut metadata = Map::new();
        if !vcs.is_empty() {
            metadata.insert("vcs".to_owned(), vcs.into());
        }
        if asked.max && known {
            let file = json!({
                "filename": request.name, "language": "Dockerfile", "data": STANDARD.encode(&request.text),
            });
            metadata.insert("source".to_owned(), json!({ "infos": [file] }));
        }
        Self {
            complete: (known && args.len() == all, known && request.is_whole),
            parameters: parameters(asked, request, &args),
            metadata: metadata.into(),
            materials: built.materials.iter().map(material).collect(),
            digest: context.as_ref().and(request.context.as_ref()).map(digest_of),
            uri: context,
            path,
            asked,
            run,
        }
    }

    fn config_source(&self, path: &str) -> Value {
        let mut source = Map::new();
        source.extend(self.uri.clone().map(|uri| ("uri".to_owned(), uri.into())));
        source.extend(self.digest.clone().map(|digest| ("digest".to_owned(), digest)));
        source.extend(self.path.clone().map(|name| (path.to_owned(), name.into())));
        source.into()
    }

    fn slsa02(&self) -> Value {
        json!({
            "builder": { "id": self.asked.builder },
            "buildType": BUILD_TYPE_02,
            "materials": self.materials,
            "invocation": {
                "configSource": self.config_source("entryPoint"),
                "parameters": self.parameters,
                "environment": { "platform": self.run.platform },
            },
            "metadata": {
                "buildInvocationID": self.run.id,
                "buildStartedOn": self.run.started,
                "buildFinishedOn": self.run.finished,
                "completeness": {
                    "parameters": self.complete.0, "environment": true, "materials": self.complete.1,
                },
                "reproducible": self.asked.reproducible,
                "https://mobyproject.org/buildkit@v1#metadata": self.metadata,
            },
        })
    }

    fn slsa1(&self) -> Value {
        json!({
            "buildDefinition": {
                "buildType": BUILD_TYPE_1,
                "externalParameters": {
                    "configSource": self.config_source("path"), "request": self.parameters,
                },
                "internalParameters": { "builderPlatform": self.run.platform },
                "resolvedDependencies": self.materials,
            },
            "runDetails": {
                "builder": { "id": self.asked.builder },
                "metadata": {
                    "invocationID": self.run.id,
                    "startedOn": self.run.started,
                    "finishedOn": self.run.finished,
                    "buildkit_metadata": self.metadata,
                    "buildkit_completeness": {
                        "request": self.complete.0, "resolvedDependencies": self.complete.1,
                    },
                    "buildkit_reproducible": self.asked.reproducible,
                },
            },
        })
    }
}

fn parameters(asked: &Provenance, request: &Request, args: &BTreeMap<String, String>) -> Value {
    let mut parameters = Map::new();
    if !request.frontend.is_empty() {
        parameters.insert("frontend".to_owned(), request.frontend.clone().into());
        parameters.insert("args".to_owned(), json!(args));
    }
    let named = |names: &[String]| -> Value { names.iter().map(|name| json!({ "name": name })).collect() };
    if !request.locals.is_empty() {
        parameters.insert("locals".to_owned(), named(&request.locals));
    }
    let wanted = |wanted: &[(String, bool)]| -> Value {
        let each = wanted.iter().map(|(id, required)| match required {
            true => json!({ "id": id }),
            false => json!({ "id": id, "optional": true }),
        });
        each.collect()
    };
    for (name, list) in [("secrets", &request.secrets), ("ssh", &request.agents)] {
        if asked.max && !list.is_empty() {
            parameters.insert(name.to_owned(), wanted(list));
        }
    }
    parameters.into()
}

/// Options as everybody may know them.
fn filtered(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let kept = options.iter().filter(|(name, _)| {
        let unsaid = [ATTEST, ATTEST_ARG, "local-sessionid:", "input-metadata:"];
        !OF_THE_HOST.contains(&&***name) && unsaid.iter().all(|prefix| !name.starts_with(prefix))
    });
    let shown = kept.map(|(name, value)| match name.starts_with("context") {
        true => (name.clone(), redacted(value)),
        false => (name.clone(), value.clone()),
    });
    shown.collect()
}

fn digest_of(material: &Material) -> Value {
    match material {
        Material::Image { digest, .. } | Material::Http { digest, .. } => digest_set(digest),
        Material::Git { commit, .. } => digest_set(commit),
    }
}

fn material(material: &Material) -> Value {
    let uri = match material {
        Material::Image {
            reference, platform, ..
        } => package_url(reference, platform),
        Material::Git { url, .. } | Material::Http { url, .. } => redacted(url),
    };
    json!({ "uri": uri, "digest": digest_of(material) })
}

#[cfg(test)]
mod tests;
