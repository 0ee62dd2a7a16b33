//! What docker pushes to our own registry: nothing is sent, since all of it is here.

use std::collections::BTreeSet;

use super::Images;
use super::repository::composed;
use crate::table::Within;
use crate::{Digest, Error, Reference, ServedManifest, Target};

impl Images {
    /// What a push of a name to our own registry is to keep: what is served by that name, or, of an index of which a part is
    /// not here, the one image that is. What was deleted in the registry, the name or a blob, is served again.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn offer(&self, name: &Reference) -> Result<Option<ServedManifest>, Error> {
        let Some(tag) = self.inner.read().tag(name) else {
            return Ok(None);
        };
        if tag.standing.unserved {
            self.claim(std::slice::from_ref(name))?;
        }
        let repository = name.name();
        for blob in self.blobs_behind(tag.target) {
            if self.inner.read().is_deleted(&repository, &blob) {
                self.inner.undelete(&repository, &blob)?;
            }
        }
        let served = self.manifest_in(name)?;
        match served {
            Some(served) if self.lacks_a_part(name, &served.digest) => {
                Ok(self.image_alone(name)?.or(Some(served)))
            }
            served => Ok(served),
        }
    }

    /// Blobs of an image, of the manifests that a name stands for, and of what those list.
    fn blobs_behind(&self, target: Target) -> BTreeSet<Digest> {
        let image = target.image.and_then(|id| self.get(&id));
        let layers = image.iter().flat_map(|image| &image.layers);
        let of_layers = layers.filter_map(|layer| Some(layer.blob.as_ref()?.digest));
        let mut blobs: BTreeSet<Digest> = of_layers.chain(target.image).collect();
        let came_by = image.as_ref().and_then(|image| image.manifest);
        let mut waiting: Vec<Digest> = target.manifest.into_iter().chain(came_by).collect();
        let mut seen = BTreeSet::new();
        while let Some(digest) = waiting.pop() {
            if let Some(summary) = self.manifest(&digest).filter(|_| seen.insert(digest)) {
                blobs.extend(summary.blobs().map(|blob| blob.digest));
                waiting.extend(summary.manifests.iter().map(|entry| entry.digest));
            }
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
