//! What a manifest says, whatever its form: read once, with bounds, and kept in memory.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::media_type;
use crate::{Descriptor, Digest, Error};

/// The longest manifest, in bytes (distribution-spec, "Pushing Manifests").
pub const MAX_MANIFEST: usize = 4 << 20;
/// The most layers, or manifests of an index, that one may name.
const MAX_DESCRIPTORS: usize = 4096;

/// What a manifest or an index says: Docker's schema 2 or OCI's. One of another type is kept as it is
/// and may say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestSummary {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The configuration, of an image or an artifact.
    pub config: Option<Descriptor>,
    /// Layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Of an index: what it lists.
    pub manifests: Vec<Descriptor>,
    /// What it is about (manifest.md, "subject").
    pub subject: Option<Descriptor>,
    /// What it is, if it is no image.
    pub artifact_type: Option<String>,
    /// Notes.
    pub annotations: BTreeMap<String, String>,
}

/// The fields of all forms.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    schema_version: u8,
    media_type: String,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl ManifestSummary {
    /// Reads a manifest that came with a media type.
    ///
    /// # Errors
    /// [`Error::Manifest`]: it is too long, no JSON object, of another type than it was said to be, or
    /// lacks what its type must have.
    pub fn parse(given: &str, bytes: &[u8]) -> Result<Self, Error> {
        let refuse = |why: String| Error::Manifest(why);
        if bytes.len() > MAX_MANIFEST {
            return Err(refuse(format!("it is longer than {MAX_MANIFEST} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
        let known = is_image(given) || is_index(given);
        let document = match serde_json::from_str::<Document>(text) {
            Ok(document) => document,
            // What nobody here knows may use the same words otherwise.
            Err(_) if !known && is_object(text) => Document::default(),
            Err(error) => return Err(refuse(error.to_string())),
        };
        document.check(given).map_err(refuse)?;
        Ok(document.summary(given, bytes))
    }

    /// Whether it lists manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    /// All blobs that it names.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// What it is, as the list of referrers says it (distribution-spec, "Listing Referrers").
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        let of_config = || self.config.as_ref().map(|config| &*config.media_type);
        self.artifact_type.as_deref().or_else(of_config)
    }
}

fn is_image(media_type: &str) -> bool {
    matches!(media_type, media_type::MANIFEST | media_type::DOCKER_MANIFEST)
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, media_type::INDEX | media_type::DOCKER_INDEX)
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

impl Document {
    /// What its type must have, and not too much of it.
    fn check(&self, given: &str) -> Result<(), String> {
        if !self.media_type.is_empty() && self.media_type != given {
            return Err(format!("it is of type {:?}, not {given:?}", self.media_type));
        }
        if (is_image(given) || is_index(given)) && self.schema_version != 2 {
            return Err(format!("schemaVersion is {}, not 2", self.schema_version));
        }
        if is_image(given) && (self.config.is_none() || self.manifests.is_some()) {
            return Err("a manifest has config and layers, and no manifests".to_owned());
        }
        if is_index(given) && (self.manifests.is_none() || self.config.is_some() || self.layers.is_some()) {
            return Err("an index has manifests, and neither config nor layers".to_owned());
        }
        let count = |list: &Option<Vec<Descriptor>>| list.as_ref().map_or(0, Vec::len);
        let most = count(&self.layers).max(count(&self.manifests));
        if most > MAX_DESCRIPTORS {
            return Err(format!(
                "it names {most} others; at most {MAX_DESCRIPTORS} are allowed"
            ));
        }
        Ok(())
    }

    fn summary(self, given: &str, bytes: &[u8]) -> ManifestSummary {
        ManifestSummary {
            digest: Digest::of(bytes),
            media_type: given.to_owned(),
            size: bytes.len() as u64,
            config: self.config,
            layers: self.layers.unwrap_or_default(),
            manifests: self.manifests.unwrap_or_default(),
            subject: self.subject,
            artifact_type: self.artifact_type.filter(|kind| !kind.is_empty()),
            annotations: self.annotations.unwrap_or_default(),
        }
    }
}

/// Reads bytes that nobody vouches for: whatever they are, the answer is a value or an error.
pub fn fuzz(bytes: &[u8]) {
    for given in [
        media_type::MANIFEST,
        media_type::INDEX,
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_INDEX,
        "application/vnd.example+json",
    ] {
        drop(ManifestSummary::parse(given, bytes));
    }
}
