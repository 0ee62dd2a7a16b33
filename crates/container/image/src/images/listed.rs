//! Names that stand for an index: what it lists, what of that is here, and the image of one of its platforms.

use std::sync::Arc;

use bytes::Bytes;

use super::names::identifier;
use super::pulled::described;
use super::{Image, Images, Listed};
use crate::assemble::{sleeping, total};
use crate::{Descriptor, Digest, Error, ManifestSummary, Platform, Reference};

/// Notes in an index: of what an attestation speaks.
const KIND: &str = "vnd.docker.reference.type";
const ABOUT: &str = "vnd.docker.reference.digest";

impl Images {
    /// What the index lists that a name stands for, with its notes; nothing if it stands for none.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn listed(&self, name: &Reference) -> Result<Vec<Listed>, Error> {
        let Some(index) = self.index_of(name) else {
            return Ok(Vec::new());
        };
        let listed = self.inner.descriptors(&index.digest)?;
        Ok(listed.into_iter().map(|entry| self.entry(entry)).collect())
    }

    /// Whether an image is what a name stands for, or another platform's of the index that it stands for.
    #[must_use]
    pub fn stands_for(&self, name: &str, id: &Digest) -> bool {
        let is_it = |summary: Arc<ManifestSummary>| {
            let config = summary.config.as_ref();
            config.is_some_and(|config| config.digest == *id)
        };
        let lists = |index: Arc<ManifestSummary>| {
            let mut listed = index.manifests.iter();
            listed.any(|entry| self.manifest(&entry.digest).is_some_and(is_it))
        };
        self.resolve(name).is_ok_and(|image| image.id == *id) || self.index_called(name).is_some_and(lists)
    }

    pub(super) fn index_of(&self, name: &Reference) -> Option<Arc<ManifestSummary>> {
        let digest = self.target(name)?.manifest?;
        self.manifest(&digest).filter(|manifest| manifest.is_index())
    }

    fn entry(&self, entry: Descriptor) -> Listed {
        let summary = self.manifest(&entry.digest);
        let blobs: Vec<Descriptor> = summary
            .iter()
            .flat_map(|summary| summary.blobs().cloned())
            .collect();
        let here = |blob: &&Descriptor| {
            self.inner.content.has(&blob.digest) || self.inner.read().image(&blob.digest).is_some()
        };
        let found: Vec<&Descriptor> = blobs.iter().filter(here).collect();
        let own = summary.as_ref().map_or(0, |_| entry.size);
        let attests = entry
            .annotations
            .get(KIND)
            .is_some_and(|kind| kind == "attestation-manifest");
        let about = entry.annotations.get(ABOUT).filter(|_| attests);
        Listed {
            is_whole: summary.is_some() && found.len() == blobs.len(),
            content: total(found.iter().map(|blob| blob.size).chain([own])),
            image: summary.and_then(|summary| Some(summary.config.as_ref()?.digest)),
            about: about.and_then(|digest| digest.parse().ok()),
            descriptor: entry,
        }
    }

    /// The image of a platform, if the name stands for an index that lists one for it and has it here: one of this store's, or
    /// as its manifest and configuration describe it.
    ///
    /// # Errors
    /// The disk's or the store's; its configuration is none.
    pub fn variant(&self, name: &str, wanted: &Platform) -> Result<Option<Arc<Image>>, Error> {
        let Some(index) = self.index_called(name) else {
            return Ok(None);
        };
        let called = Reference::parse(name).ok().filter(|_| identifier(name).is_none());
        let called = called.map(Reference::with_default_tag);
        for summary in self.in_index(&index, wanted) {
            if let Some(image) = self.described(called.as_ref(), &summary)? {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// As [`Self::variant`], if all of it is here: it is one of this store's images from now on, without a name that
    /// anybody sees: it goes with the index. What the name stands for stays what it is. Durable when this returns.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn take_variant(&self, name: &str, wanted: &Platform) -> Result<Option<Arc<Image>>, Error> {
        let Ok(name) = Reference::parse(name).map(Reference::with_default_tag) else {
            return Ok(None);
        };
        for summary in self.variants(&name, wanted) {
            if self.has_all_blobs(&summary)
                && let Some(image) = self.take_part(&summary)?
            {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// One that was here before, and is nobody's but the build cache's, is a part from now on as well.
    fn take_part(&self, summary: &ManifestSummary) -> Result<Option<Arc<Image>>, Error> {
        let lease = self.inner.own_lease("part")?;
        let Some(digest) = lease.hold_manifest(summary.digest).map(|held| held.digest) else {
            return Ok(None);
        };
        let known = summary
            .config
            .as_ref()
            .and_then(|config| self.get(&config.digest));
        let Some(image) = self.register_asleep(&lease, summary, &|_| true)? else {
            return Ok(None);
        };
        if known.is_none_or(|image| image.is_hidden()) {
            self.keep_nameless(&lease, digest, image.id)?;
        }
        lease.keep_rows()?;
        Ok(Some(image))
    }

    /// Manifests for a platform that the index lists which a name stands for, as far as they are here.
    fn variants(&self, name: &Reference, wanted: &Platform) -> Vec<Arc<ManifestSummary>> {
        let index = self.index_of(name);
        index.map_or_else(Vec::new, |index| self.in_index(&index, wanted))
    }

    pub(super) fn in_index(&self, index: &ManifestSummary, wanted: &Platform) -> Vec<Arc<ManifestSummary>> {
        let fitting = index.manifests.iter().filter(|entry| is_for(entry, wanted));
        fitting.filter_map(|entry| self.manifest(&entry.digest)).collect()
    }

    fn described(
        &self,
        name: Option<&Reference>,
        summary: &ManifestSummary,
    ) -> Result<Option<Arc<Image>>, Error> {
        let Some(config) = &summary.config else {
            return Ok(None);
        };
        if let Some(image) = self.get(&config.digest) {
            return Ok(Some(image));
        }
        if !self.inner.content.has(&config.digest) {
            return Ok(None);
        }
        let bytes: Bytes = self
            .inner
            .content
            .read(&config.digest)
            .map_err(Error::io("read a configuration"))?;
        let parsed = described(summary, &bytes)?;
        let layers = sleeping(&parsed, summary).unwrap_or_default();
        Ok(Some(Arc::new(Image {
            id: config.digest,
            size: total(layers.iter().map(|layer| layer.size)),
            config: parsed,
            config_bytes: bytes,
            layers,
            asleep: true,
            manifest: Some(summary.digest),
            parent: None,
            tags: name.cloned().into_iter().collect(),
            kept: 0,
            digests: Vec::new(),
            last_tagged: None,
            made_here: false,
            result: false,
            step: None,
        })))
    }
}

/// Whether an entry of an index is the image of a platform.
pub(super) fn is_for(entry: &Descriptor, wanted: &Platform) -> bool {
    entry
        .platform
        .as_ref()
        .is_some_and(|platform| wanted.is_met_by(platform))
}
