//! What a pull makes of what it has received: manifests, an image, names.

use std::sync::Arc;

use bytes::Bytes;

use super::{Image, Images, StoredManifest, Target};
use crate::{Digest, Error, Lease, ManifestSummary, Reference};

impl Images {
    /// Stores a manifest as it came, held by the lease until a name, an image or an index that counts
    /// names it. It may name content that is not here: that of other platforms, or what is yet to come.
    ///
    /// # Errors
    /// [`Error::Manifest`].
    pub fn put_manifest(
        &self,
        lease: &Lease,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Arc<ManifestSummary>, Error> {
        todo!()
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
        todo!()
    }

    /// Makes a name, a tag or one with a digest, stand for something; answers what it stood for. It
    /// counts with the lease.
    ///
    /// # Errors
    /// [`Error::InvalidTag`], [`Error::NoSuchImage`], [`Error::Manifest`].
    pub fn tag_under(
        &self,
        lease: &Lease,
        reference: &Reference,
        target: Target,
    ) -> Result<Option<Target>, Error> {
        todo!()
    }

    /// What a name stands for. In memory.
    #[must_use]
    pub fn target(&self, reference: &Reference) -> Option<Target> {
        todo!()
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
        todo!()
    }

    /// A stored manifest with its bytes.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn stored_manifest(&self, digest: &Digest) -> Result<Option<StoredManifest>, Error> {
        todo!()
    }
}
