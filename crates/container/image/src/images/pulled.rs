//! What a pull makes of what it has received: manifests, an image, names.

use std::sync::Arc;

use bytes::Bytes;

use super::{Image, Images, StoredManifest, Target};
use crate::assemble::NewImage;
use crate::inner::Inner;
use crate::standing::By;
use crate::{Digest, DigestAlgorithm, Error, ImageConfig, Lease, ManifestSummary, Reference};

impl Images {
    /// Stores a manifest as it came, held by the lease until a name, an image or an index that counts
    /// names it. It is called by its digest of `algorithm`. It may name content that is not here: that of other
    /// platforms, or what is yet to come.
    ///
    /// # Errors
    /// [`Error::Manifest`].
    pub fn put_manifest(
        &self,
        lease: &Lease,
        algorithm: DigestAlgorithm,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Arc<ManifestSummary>, Error> {
        let summary = ManifestSummary::parse_by(algorithm, media_type, bytes)?;
        self.inner.keep_manifest(lease, summary, bytes)
    }

    /// Makes an image of a manifest whose layers have been attached under the lease. An image that was
    /// made here before stays so.
    ///
    /// # Errors
    /// [`Error::Manifest`] if it is none of an image, [`Error::WrongDigest`] and [`Error::Config`] about
    /// the configuration, [`Error::LayerCount`], [`Error::OtherSystem`].
    pub fn register_pulled(
        &self,
        lease: &Lease,
        manifest: &Digest,
        config: Bytes,
    ) -> Result<Arc<Image>, Error> {
        let summary = lease.hold_manifest(*manifest);
        let summary = summary.ok_or_else(|| Error::MissingContent(vec![*manifest]))?;
        let parsed = described(&summary, &config)?;
        Inner::check_depth(parsed.rootfs.diff_ids.len())?;
        let new = NewImage {
            config: parsed,
            bytes: config,
            parent: None,
            manifest: Some(*manifest),
            made_here: false,
            asleep: false,
            result: false,
            step: None,
        };
        self.inner.register(lease, new)
    }

    /// Makes a name, a tag or one with a digest, stand for something; answers what it stood for. It
    /// counts with the lease.
    ///
    /// # Errors
    /// [`Error::InvalidTag`], [`Error::NoSuchImage`], [`Error::MissingContent`].
    pub fn tag_under(
        &self,
        lease: &Lease,
        reference: &Reference,
        target: Target,
    ) -> Result<Option<Target>, Error> {
        if let Some(id) = target.image {
            lease.add(&id)?;
        }
        if let Some(manifest) = target.manifest {
            let held = lease.hold_manifest(manifest);
            drop(held.ok_or_else(|| Error::MissingContent(vec![manifest]))?);
        }
        if target == Target::default() {
            return Err(Error::InvalidTag("a name must stand for something".to_owned()));
        }
        self.inner.tag_under(lease, reference, target, By::Docker)
    }

    /// What a name stands for. In memory.
    #[must_use]
    pub fn target(&self, reference: &Reference) -> Option<Target> {
        self.inner.read().tag(reference).map(|tag| tag.target)
    }

    /// The manifest that a tag was pulled or pushed with. A pull that is answered with the same digest
    /// has nothing to do.
    #[must_use]
    pub fn tagged_manifest(&self, reference: &Reference) -> Option<Digest> {
        self.target(reference)?.manifest
    }

    /// What a stored manifest says.
    #[must_use]
    pub fn manifest(&self, digest: &Digest) -> Option<Arc<ManifestSummary>> {
        let table = self.inner.read();
        table.manifest(digest).map(|kept| kept.summary.clone())
    }

    /// A stored manifest with its bytes.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn stored_manifest(&self, digest: &Digest) -> Result<Option<StoredManifest>, Error> {
        let Some(summary) = self.manifest(digest) else {
            return Ok(None);
        };
        let bytes = self.inner.manifest_bytes(digest)?;
        Ok(bytes.map(|bytes| StoredManifest { summary, bytes }))
    }
}

/// The configuration of an image, if it is the one that the manifest names.
pub(super) fn described(summary: &ManifestSummary, bytes: &[u8]) -> Result<ImageConfig, Error> {
    let config = summary.config.as_ref();
    let config = config.ok_or_else(|| Error::Manifest("it is no image".to_owned()))?;
    let actual = Digest::by(config.digest.algorithm(), bytes);
    if actual != config.digest {
        return Err(Error::WrongDigest {
            expected: config.digest,
            actual,
        });
    }
    let parsed = ImageConfig::parse(bytes)?;
    if !matches!(&*parsed.os, "" | "linux") {
        return Err(Error::OtherSystem(parsed.os));
    }
    let (manifest, of_config) = (summary.layers.len(), parsed.rootfs.diff_ids.len());
    if manifest != of_config {
        return Err(Error::LayerCount {
            manifest,
            config: of_config,
        });
    }
    Ok(parsed)
}
