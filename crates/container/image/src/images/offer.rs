//! What docker pushes to our own registry: nothing is sent, since all of it is here.

use std::collections::BTreeSet;

use super::Images;
use super::repository::composed;
use crate::table::Within;
use crate::{Digest, Error, ManifestSummary, Reference, ServedManifest};

impl Images {
    /// What a push of a name to our own registry is to keep: what is served by that name, or, of an index of which a part is
    /// not here, the one image that is. What was deleted in the registry, the name or a blob, is served again.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn offer(&self, name: &Reference) -> Result<Option<ServedManifest>, Error> {
        let unserved = self
            .inner
            .read()
            .tag(name)
            .is_some_and(|tag| tag.standing.unserved);
        if unserved {
            self.claim(std::slice::from_ref(name))?;
        }
        let blobs = self.blobs_by(name);
        blobs
            .iter()
            .try_for_each(|blob| self.inner.undelete(&name.name(), blob))?;
        let served = self.manifest_in(name)?;
        match served {
            Some(served) if self.lacks_a_part(name, &served.digest) => {
                Ok(self.image_alone(name)?.or(Some(served)))
            }
            served => Ok(served),
        }
    }

    /// The blobs of what a name stands for.
    fn blobs_by(&self, name: &Reference) -> BTreeSet<Digest> {
        let target = self.target(name).unwrap_or_default();
        let mut blobs = BTreeSet::new();
        let mut add = |manifest: &ManifestSummary| blobs.extend(manifest.blobs().map(|blob| blob.digest));
        if let Some(manifest) = target.manifest.and_then(|digest| self.manifest(&digest)) {
            add(&manifest);
            let listed = manifest.manifests.iter();
            listed
                .filter_map(|listed| self.manifest(&listed.digest))
                .for_each(|listed| add(&listed));
        }
        if let Some(image) = target.image.and_then(|id| self.get(&id)) {
            let layers = image.layers.iter().filter_map(|layer| layer.blob.as_ref());
            blobs.extend(layers.map(|blob| blob.digest).chain([image.id]));
        }
        blobs
    }

    /// Whether it is an index that lists a manifest which is not here.
    fn lacks_a_part(&self, name: &Reference, manifest: &Digest) -> bool {
        let repository = name.repository();
        let table = self.inner.read();
        let mut within = Within::new(&repository);
        table.manifest(manifest).is_some_and(|kept| {
            let mut listed = kept.summary.manifests.iter();
            listed.any(|listed| !within.has_manifest(&table, &listed.digest))
        })
    }

    /// The manifest of the image that a name stands for, without what it came with.
    fn image_alone(&self, name: &Reference) -> Result<Option<ServedManifest>, Error> {
        let image = self.target(name).and_then(|target| self.get(&target.image?));
        let Some(image) = image else { return Ok(None) };
        let came_by = image.manifest.and_then(|digest| self.manifest(&digest));
        match came_by.filter(|manifest| self.has_all_blobs(manifest)) {
            Some(manifest) => self.served(&manifest.digest),
            None => Ok(composed(&image)),
        }
    }
}
