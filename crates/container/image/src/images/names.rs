//! Finding images, and giving them names.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use store::Durability;

use super::{Image, Images};
use crate::inner::{Inner, check_tag};
use crate::rows::{ImageRow, TagRow};
use crate::standing::By;
use crate::table::Given;
use crate::{Descriptor, Digest, Error, Reference, Target, claims};

impl Images {
    /// All images that clients see, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Image>> {
        let mut images = self.all();
        images.retain(|image| !image.is_hidden());
        images
    }

    /// All images, the build cache's own as well, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Image>> {
        let mut images: Vec<Arc<Image>> = self.inner.read().images().cloned().collect();
        images.sort_by_key(|image| Reverse(image.config.created));
        images
    }

    /// The image called so: a reference (`latest` if it has no tag), an id with or without
    /// `sha256:`, or a prefix of an id that no other image has.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`] in upstream's words, [`Error::Reference`].
    pub fn resolve(&self, reference: &str) -> Result<Arc<Image>, Error> {
        if let Some(id) = identifier(reference) {
            // What is built as an index is told its digest, which is no image's.
            let image = self
                .get(&id)
                .or_else(|| self.get(&self.inner.read().named_by(&id)?));
            let found = image.filter(|image| !image.is_hidden());
            return found.ok_or_else(|| Error::NoSuchImage(id.to_string()));
        }
        let mut named = Reference::parse(reference)?.with_default_tag();
        // `name:tag@digest` is what has the digest; the tag is for people (upstream's rule).
        if named.digest.is_some() {
            named.tag = None;
        }
        let table = self.inner.read();
        let id = table.tagged(&named).or_else(|| table.by_prefix(reference));
        id.and_then(|id| table.image(&id))
            .ok_or_else(|| Error::NoSuchImage(named.familiar()))
    }

    /// As [`Self::resolve`]; a whole id may be that of a step that clients do not see.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn find(&self, reference: &str) -> Result<Arc<Image>, Error> {
        let by_id = identifier(reference).and_then(|id| self.get(&id));
        by_id.map_or_else(|| self.resolve(reference), Ok)
    }

    /// Whether an index that has a name, or is what a build without one has made, lists this image: it is part of that, and no
    /// image without a name.
    #[must_use]
    pub fn is_listed(&self, id: &Digest) -> bool {
        let table = self.inner.read();
        let is_it = |listed: &Descriptor| {
            let listed = table.manifest(&listed.digest);
            let config = listed.and_then(|listed| listed.summary.config.as_ref());
            config.is_some_and(|config| config.digest == *id)
        };
        let indexes = table
            .named_manifests()
            .filter_map(|digest| table.manifest(digest));
        let mut listed = indexes.flat_map(|index| &index.summary.manifests);
        listed.any(is_it)
    }

    /// The image with this id.
    #[must_use]
    pub fn get(&self, id: &Digest) -> Option<Arc<Image>> {
        self.inner.read().image(id)
    }

    /// Images that were built upon this one here, as clients are told: what BuildKit's steps make stands by itself.
    #[must_use]
    pub fn children(&self, id: &Digest) -> Vec<Digest> {
        let table = self.inner.read();
        let mut children = table.children(id);
        children.retain(|child| table.image(child).is_some_and(|image| image.step.is_none()));
        children
    }

    /// Makes `reference` (`latest` if it has no tag) a tag of the image, whatever it named before.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::InvalidTag`].
    pub fn tag(&self, id: &Digest, reference: &Reference) -> Result<(), Error> {
        self.name(Target::image(*id), id, reference)
    }

    /// As [`Self::tag`], of what `called` stands for: all of an index, of which the image is what a machine runs.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::InvalidTag`], [`Error::Reference`].
    pub fn tag_called(&self, called: &str, reference: &Reference) -> Result<Arc<Image>, Error> {
        let image = self.resolve(called)?;
        let index = self.index_called(called);
        // Nobody takes it away before it has its new name.
        let lease = self.inner.own_lease("tag")?;
        let index = index.and_then(|index| lease.hold_manifest(index.digest));
        let target = index.map_or(Target::image(image.id), |index| {
            Target::manifest(index.digest, Some(image.id))
        });
        self.name(target, &image.id, reference)?;
        Ok(image)
    }

    fn name(&self, target: Target, id: &Digest, reference: &Reference) -> Result<(), Error> {
        let reference = reference.clone().with_default_tag();
        check_tag(&reference)?;
        let _claim = self
            .inner
            .claims
            .take([claims::image(id), claims::tag(&reference)]);
        if self.get(id).is_none() {
            return Err(Error::NoSuchImage(id.to_string()));
        }
        self.inner.soon.until_kept(id);
        let standing = self.inner.read().standing(&reference, By::Docker, target);
        let time = self.inner.now();
        let given = Given {
            target,
            standing,
            time,
        };
        let previous = self.inner.give(&reference, given, Durability::Durable)?;
        self.inner.note_nameless(previous)?;
        // What has a name is kept by it, and is a build's leaving once it has none any more.
        self.inner.set_result(id, false, Durability::Relaxed)
    }

    /// Notes that docker has pulled names of our own registry: from now on they are docker's too, whatever becomes of them
    /// there. Durable when this returns; names that are not there are none.
    ///
    /// # Errors
    /// The store's.
    pub fn claim(&self, names: &[Reference]) -> Result<(), Error> {
        let _claim = self.inner.claims.take(names.iter().map(claims::tag));
        for name in names {
            let Some(tag) = self.inner.read().tag(name) else {
                continue;
            };
            let standing = self.inner.read().standing(name, By::Docker, tag.target);
            if tag.standing != standing {
                let (target, time) = (tag.target, self.inner.now());
                let given = Given {
                    target,
                    standing,
                    time,
                };
                self.inner.give(name, given, Durability::Durable)?;
            }
        }
        Ok(())
    }

    /// Has our registry serve a name of docker's that was deleted there, and the blobs of what it stands for, since it is
    /// about to be pushed again: that is as if all of it were uploaded.
    ///
    /// # Errors
    /// The store's.
    pub fn offer(&self, name: &Reference) -> Result<(), Error> {
        let Some(tag) = self.inner.read().tag(name) else {
            return Ok(());
        };
        let repository = name.name();
        for blob in self.blobs_behind(tag.target) {
            if self.inner.read().is_deleted(&repository, &blob) {
                self.inner.undelete(&repository, &blob)?;
            }
        }
        if tag.standing.unserved {
            self.claim(std::slice::from_ref(name))?;
        }
        Ok(())
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

    /// Notes that somebody was told the id of this image as what a build has made, although it has no name: it is not
    /// removed automatically. Durable when this returns.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; the store's.
    pub fn note_result(&self, id: &Digest) -> Result<(), Error> {
        let _claim = self.inner.claims.take([claims::image(id)]);
        if self.get_or_fail(id)?.is_dangling() {
            self.inner.set_result(id, true, Durability::Durable)?;
        }
        Ok(())
    }

    /// The build cache has forgotten a step: an image that clients see is a mere image from now on.
    ///
    /// # Errors
    /// The store's.
    pub fn forget_step(&self, id: &Digest) -> Result<(), Error> {
        let _claim = self.inner.claims.take([claims::image(id)]);
        if self.inner.write().set_known(id, false) {
            self.inner.write_image(id, Durability::Relaxed)?;
        }
        Ok(())
    }
}

impl Inner {
    /// Makes a name stand for something; answers what it stood for. The caller has the name's claim.
    pub(super) fn give(
        &self,
        reference: &Reference,
        given: Given,
        durability: Durability,
    ) -> Result<Option<Target>, Error> {
        let row = TagRow::new(given.target, given.standing, given.time);
        self.rows.put(reference, &row, durability)?;
        let (previous, freed) = self.write().set_tag(reference, Some(given));
        self.discard(freed);
        Ok(previous.map(|tag| tag.target))
    }

    /// An image that a step made and that has just lost its last name is one all the same, after a restart as well.
    pub(crate) fn note_nameless(&self, target: Option<Target>) -> Result<(), Error> {
        let Some(id) = target.and_then(|target| target.image) else {
            return Ok(());
        };
        let table = self.read();
        let lost = table
            .image(&id)
            .is_some_and(|image| image.is_dangling() && image.step.is_some() && !table.is_pending(&id));
        drop(table);
        if lost {
            self.write_image(&id, Durability::Relaxed)?;
            // Nobody has its claim here: whoever has removed it meanwhile may have deleted the row before.
            if self.read().image(&id).is_none() {
                self.delete_image_rows(&id, Durability::Relaxed)?;
            }
        }
        Ok(())
    }

    /// Writes the row of an image that no lease has to keep first. The caller has the image's claim.
    pub(crate) fn write_image(&self, id: &Digest, durability: Durability) -> Result<(), Error> {
        self.soon.until_kept(id);
        match self.read().image(id) {
            Some(image) => self
                .rows
                .put(id, &ImageRow::of(&image, None), durability)
                .map(drop),
            None => Ok(()),
        }
    }

    /// The caller has the image's claim.
    fn set_result(&self, id: &Digest, result: bool, durability: Durability) -> Result<(), Error> {
        if self.write().set_result(id, result) {
            self.write_image(id, durability)?;
        }
        Ok(())
    }
}

/// A whole id, with or without its algorithm.
pub(super) fn identifier(text: &str) -> Option<Digest> {
    Digest::from_hex(text).or_else(|_| text.parse()).ok()
}
