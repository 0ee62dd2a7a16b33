//! What an archive of images says is in it: the manifest of `docker save`, old and new, or the
//! index of an OCI layout (image-spec image-layout.md). Both come out as a list of [`Plan`]s.

use std::path::PathBuf;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::files::Files;
use crate::{
    Descriptor, Digest, Error, ImageConfig, Index, Manifest, ManifestSummary, Platform, Reference, media_type,
};

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const INDEX: &str = "index.json";
pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const REPOSITORIES: &str = "repositories";
/// Annotations that name an image: containerd's with the whole reference, and the specification's.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index may name indexes, which may name others.
const MAX_INDEXES: usize = 4;

/// An image that an archive has.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: ImageConfig,
    pub(super) bytes: Bytes,
    /// Bottom first.
    pub(super) layers: Vec<PlannedLayer>,
    pub(super) references: Vec<Reference>,
    /// The image that it was built upon.
    pub(super) parent: Option<Digest>,
}

/// An index that an archive has as a whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) digest: Digest,
    pub(super) names: Vec<Reference>,
    /// Layers and configurations, and where they are.
    pub(super) blobs: Vec<(Descriptor, PathBuf)>,
    /// Manifests by their digests and media types; the index is the last.
    pub(super) manifests: Vec<(Digest, String, Bytes)>,
}

/// Where a layer is, and what its bytes should be called.
#[derive(Debug)]
pub(super) struct PlannedLayer {
    pub(super) file: PathBuf,
    pub(super) size: u64,
    pub(super) digest: Option<Digest>,
}

/// An entry of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Saved {
    pub(super) config: String,
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
}

impl Files {
    /// The images in the archive: those of a platform, or of this machine's.
    pub(super) fn plans(&self, platform: Option<&Platform>) -> Result<Vec<Plan>, Error> {
        if self.has(MANIFEST) && !(platform.is_some() && self.has(INDEX)) {
            let plans = self.saved()?;
            if !plans.is_empty() || !self.has(INDEX) {
                return Ok(plans);
            }
        }
        if self.has(INDEX) {
            return self.layout(platform);
        }
        Err(Error::Archive(format!("does not contain a {MANIFEST}")))
    }

    /// The indexes that a layout lists by names and has as a whole, down to the last blob.
    pub(super) fn wholes(&self) -> Result<Vec<Whole>, Error> {
        if !self.has(INDEX) {
            return Ok(Vec::new());
        }
        let listed: Index = parse(INDEX, &self.document(INDEX)?)?;
        let mut wholes: Vec<Whole> = Vec::new();
        for descriptor in listed.manifests.iter().filter(|descriptor| is_index(descriptor)) {
            let Some(name) = annotated(descriptor) else {
                continue;
            };
            match wholes.iter_mut().find(|whole| whole.digest == descriptor.digest) {
                Some(whole) => whole.names.push(name),
                None => wholes.extend(self.whole(descriptor, name)?),
            }
        }
        Ok(wholes)
    }

    fn whole(&self, descriptor: &Descriptor, name: Reference) -> Result<Option<Whole>, Error> {
        if self.find(&path(&descriptor.digest)).is_err() {
            return Ok(None);
        }
        let bytes = self.blob(descriptor)?;
        let index: Index = parse(INDEX, &bytes)?;
        let mut whole = Whole {
            digest: descriptor.digest,
            names: vec![name],
            blobs: Vec::new(),
            manifests: Vec::new(),
        };
        for listed in &index.manifests {
            if is_index(listed) || self.find(&path(&listed.digest)).is_err() {
                return Ok(None);
            }
            let bytes = self.blob(listed)?;
            let summary = ManifestSummary::parse_by(listed.digest.algorithm(), &listed.media_type, &bytes)?;
            for blob in summary.blobs() {
                let Ok((file, _)) = self.find(&path(&blob.digest)) else {
                    return Ok(None);
                };
                whole.blobs.push((blob.clone(), file));
            }
            whole
                .manifests
                .push((listed.digest, listed.media_type.clone(), bytes));
        }
        whole
            .manifests
            .push((descriptor.digest, descriptor.media_type.clone(), bytes));
        Ok(Some(whole))
    }

    fn saved(&self) -> Result<Vec<Plan>, Error> {
        let bytes = self.document(MANIFEST)?;
        let saved: Option<Vec<Saved>> = parse(MANIFEST, &bytes)?;
        let saved = saved.ok_or(Error::NullManifest)?;
        saved.iter().map(|saved| self.saved_image(saved)).collect()
    }

    fn saved_image(&self, saved: &Saved) -> Result<Plan, Error> {
        let bytes = self.document(&saved.config)?;
        check(named_digest(&saved.config), &bytes)?;
        let layer = |name: &String| {
            let (file, size) = self.find(name)?;
            // The old format names a layer by an id that is no digest of anything here.
            let digest = name.strip_prefix("blobs/").and_then(|name| {
                let text = name.replacen('/', ":", 1);
                text.parse().ok()
            });
            Ok(PlannedLayer { file, size, digest })
        };
        let layers = saved.layers.iter().map(layer).collect::<Result<_, Error>>()?;
        let tags = saved.repo_tags.iter().flatten().map(|tag| tagged(tag));
        let parent = saved.parent.as_ref().and_then(|parent| parent.parse().ok());
        plan(bytes, layers, tags.collect::<Result<_, Error>>()?, parent)
    }

    fn layout(&self, platform: Option<&Platform>) -> Result<Vec<Plan>, Error> {
        let index: Index = parse(INDEX, &self.document(INDEX)?)?;
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let mut found = Vec::new();
        let mut choose = |fits: &dyn Fn(&Descriptor) -> bool| {
            self.index((&index, None), MAX_INDEXES, fits, &mut found)?;
            Ok::<_, Error>(!found.is_empty())
        };
        // What says that it is none for any machine is no image.
        let any = |descriptor: &Descriptor| {
            let mut of = descriptor.platform.iter();
            of.all(|platform| platform.os != "unknown")
        };
        let fits = |descriptor: &Descriptor| {
            let mut of = descriptor.platform.iter();
            of.all(|platform| wanted.is_met_by(platform))
        };
        let none = || {
            let Platform { os, architecture, .. } = wanted;
            Error::Archive(format!("it has no image for {os}/{architecture}"))
        };
        if !choose(&fits)? && (platform.is_some() || !choose(&any)?) {
            return Err(none());
        }
        let plans = found
            .into_iter()
            .map(|(manifest, names)| self.layout_image(&manifest, names));
        let mut plans = plans.collect::<Result<Vec<_>, Error>>()?;
        // A descriptor need not say what it is for; a configuration does.
        plans.retain(|plan| platform.is_none_or(|wanted| wanted.is_met_by(&plan.config.platform())));
        match plans.is_empty() {
            true => Err(none()),
            false => Ok(plans),
        }
    }

    /// Collects manifests with all the names they are given; one may be listed once for each.
    fn index(
        &self,
        (index, name): (&Index, Option<&Reference>),
        depth: usize,
        fits: &dyn Fn(&Descriptor) -> bool,
        found: &mut Vec<(Descriptor, Vec<Reference>)>,
    ) -> Result<(), Error> {
        for descriptor in index.manifests.iter().filter(|descriptor| fits(descriptor)) {
            let name = annotated(descriptor).or_else(|| name.cloned());
            if is_index(descriptor) {
                let depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| Error::Archive("its indexes are too deep".to_owned()))?;
                let inner: Index = parse(INDEX, &self.blob(descriptor)?)?;
                self.index((&inner, name.as_ref()), depth, fits, found)?;
                continue;
            }
            match found
                .iter_mut()
                .find(|(known, _)| known.digest == descriptor.digest)
            {
                Some((_, names)) => names.extend(name),
                None => found.push((descriptor.clone(), name.into_iter().collect())),
            }
        }
        Ok(())
    }

    fn layout_image(&self, descriptor: &Descriptor, names: Vec<Reference>) -> Result<Plan, Error> {
        let manifest: Manifest = parse("a manifest", &self.blob(descriptor)?)?;
        let bytes = self.blob(&manifest.config)?;
        let layer = |layer: &Descriptor| {
            let (file, size) = self.find(&path(&layer.digest))?;
            let digest = Some(layer.digest);
            Ok(PlannedLayer { file, size, digest })
        };
        let layers = manifest.layers.iter().map(layer).collect::<Result<_, Error>>()?;
        plan(bytes, layers, names, None)
    }

    /// A small blob, whose digest is checked.
    fn blob(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        let bytes = self.document(&path(&descriptor.digest))?;
        check(Some(descriptor.digest), &bytes)?;
        Ok(bytes)
    }
}

fn plan(
    bytes: Bytes,
    layers: Vec<PlannedLayer>,
    references: Vec<Reference>,
    parent: Option<Digest>,
) -> Result<Plan, Error> {
    let config = ImageConfig::parse(&bytes)?;
    if !matches!(&*config.os, "" | "linux") {
        return Err(Error::OtherSystem(config.os));
    }
    let (manifest, of_config) = (layers.len(), config.rootfs.diff_ids.len());
    if manifest != of_config {
        return Err(Error::LayerCount {
            manifest,
            config: of_config,
        });
    }
    Ok(Plan {
        config,
        bytes,
        layers,
        references,
        parent,
    })
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Archive(format!("failed to decode {name}: {error}")))
}

fn check(expected: Option<Digest>, bytes: &[u8]) -> Result<(), Error> {
    let Some(expected) = expected else { return Ok(()) };
    let actual = Digest::by(expected.algorithm(), bytes);
    if actual == expected {
        Ok(())
    } else {
        Err(Error::WrongDigest { expected, actual })
    }
}

/// Where a layout keeps a blob.
pub(super) fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The digest in a file's name: `blobs/sha256/HEX` or `HEX.json`.
fn named_digest(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Digest::from_hex(last.strip_suffix(".json").unwrap_or(last)).ok()
}

fn tagged(text: &str) -> Result<Reference, Error> {
    let reference = Reference::parse(text)?;
    if reference.tag.is_none() {
        return Err(Error::InvalidTag(format!("invalid tag {text:?}")));
    }
    Ok(reference)
}

/// The whole reference of an image in a layout. A `ref.name` that is a mere tag names nothing.
fn annotated(descriptor: &Descriptor) -> Option<Reference> {
    let annotation = |key: &str| descriptor.annotations.get(key);
    let whole = |text: &&String| text.contains([':', '/']);
    let text = annotation(IMAGE_NAME).or_else(|| annotation(REF_NAME).filter(whole))?;
    let reference = Reference::parse(text).ok()?.with_default_tag();
    Some(Reference {
        digest: None,
        ..reference
    })
    .filter(|reference| reference.tag.is_some())
}

fn is_index(descriptor: &Descriptor) -> bool {
    matches!(
        &*descriptor.media_type,
        media_type::INDEX | media_type::DOCKER_INDEX
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_say_what_a_file_is() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let empty = Some(Digest::of(b""));
        assert_eq!(named_digest(&format!("blobs/sha256/{hex}")), empty);
        assert_eq!(named_digest(&format!("{hex}.json")), empty);
        assert_eq!(named_digest("config.json"), None);
    }
}
