//! Removing what nobody uses without being asked by a person: each step looks again, under the lock under which a
//! use begins, whether that is still so.

use std::sync::Arc;

use store::Durability;

use super::{Image, Images, Layer, Removed};
use crate::assemble::sleeping;
use crate::rows::{ImageRow, TagRow};
use crate::table::Table;
use crate::{Digest, Error, Reference, claims};

impl Images {
    /// Removes an image with all its names, if it is still as `seen` and nobody has used it since
    /// `last_used`: no lease holds it, no image is built upon it, no snapshot stands upon its layers. `None` if it
    /// stays. All of it is one durable write.
    ///
    /// # Errors
    /// The store's; then the next start has the image again.
    pub fn evict(&self, seen: &Image, last_used: i64) -> Result<Option<Vec<Removed>>, Error> {
        let (inner, id) = (&self.inner, seen.id);
        let names = references(seen);
        if names.is_empty() && seen.kept > 0 {
            // Our registry has it: only its files may go.
            let layers = self.put_away(&id)?;
            return Ok(Some(layers).filter(|layers| !layers.is_empty()));
        }
        let claim = inner
            .claims
            .take(names.iter().map(claims::tag).chain([claims::image(&id)]));
        let (names, freed) = {
            let mut table = inner.write();
            let same = |now: &Image| {
                (&now.tags, &now.digests, now.kept, now.result) == (&seen.tags, &seen.digests, 0, seen.result)
            };
            let as_seen = table.image(&id).is_some_and(|now| same(&now));
            if !as_seen || table.last_used(&id) > last_used || is_used(&table, seen) {
                return Ok(None);
            }
            table.remove_image(&id)
        };
        inner.delete_image_rows(&id, Durability::Durable)?;
        for name in &names {
            // A name without its image says nothing, should this be cut off.
            inner.rows.delete::<TagRow>(name, Durability::Relaxed)?;
        }
        drop(claim);
        let untagged = |name: Reference| Removed::Untagged {
            reference: name.familiar(),
            image: id,
        };
        let layers: Vec<Digest> = freed.layers.iter().map(crate::rows::LayerRow::chain).collect();
        inner.discard(freed);
        let names = names.into_iter().map(untagged);
        let layers = layers.into_iter().map(Removed::Layer);
        Ok(Some(names.chain([Removed::Deleted(id)]).chain(layers).collect()))
    }

    /// Removes an image that has no name and is no build's result, if nobody uses it; answers the bytes of the layers that
    /// went with it. `None` if it stays.
    ///
    /// # Errors
    /// As [`Self::evict`].
    pub fn evict_unnamed(&self, id: &Digest) -> Result<Option<u64>, Error> {
        let is_cache = |image: &Arc<Image>| match image.step {
            Some(_) => image.is_hidden(),
            None => image.is_dangling() && !image.result,
        };
        let Some(image) = self.get(id).filter(is_cache) else {
            return Ok(None);
        };
        let removed = self.evict(&image, i64::MAX)?;
        let went = |layer: &&Layer| {
            let removed = removed.iter().flatten();
            removed.clone().any(|one| *one == Removed::Layer(layer.chain_id))
        };
        let bytes = image.layers.iter().filter(went).map(|layer| layer.size).sum();
        Ok(removed.is_some().then_some(bytes))
    }

    /// Whether a build, a pull, a load or a save holds the image.
    #[must_use]
    pub fn is_held(&self, id: &Digest) -> bool {
        self.inner.read().holds(id) > 0
    }

    /// Removes all that was fetched of another registry's repository for the clients of ours, if nobody has asked for any of
    /// it since `last_used`; says whether it did. What somebody fetches meanwhile is fetched again.
    ///
    /// # Errors
    /// The store's.
    pub fn evict_fetched(&self, repository: &str, last_used: i64) -> Result<bool, Error> {
        let named = super::repository::named(repository)?;
        let (names, links) = {
            let table = self.inner.read();
            let Some((_, last)) = table.fetched().remove(repository) else {
                return Ok(false);
            };
            if last.saturating_mul(1_000_000) > last_used {
                return Ok(false);
            }
            let names: Vec<Reference> = table.names_of(&named).map(|(name, _)| name.clone()).collect();
            (names, table.links_of(repository))
        };
        self.inner.untag_all(&names)?;
        for digest in links {
            self.unlink_blob(repository, &digest)?;
        }
        Ok(true)
    }

    /// As [`Self::lull`], of what docker has removed: it does not keep what it was built upon any more.
    pub(super) fn put_away(&self, id: &Digest) -> Result<Vec<Removed>, Error> {
        let layers = self.lull(id)?;
        let rests = |image: Arc<Image>| image.is_hidden() && (image.asleep || image.layers.is_empty());
        if self.get(id).is_some_and(rests) {
            let _claim = self.inner.claims.take([claims::image(id)]);
            self.inner.write().forget_parent(id);
            self.inner.write_image(id, Durability::Relaxed)?;
        }
        Ok(layers)
    }

    /// Puts an image to sleep that our own registry has: its unpacked layers go, and what the registry serves stays.
    /// Answers the layers that went; none if somebody uses them, or if the image cannot be woken again.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn lull(&self, id: &Digest) -> Result<Vec<Removed>, Error> {
        let inner = &self.inner;
        let Some(image) = self.get(id).filter(|image| !image.asleep) else {
            return Ok(Vec::new());
        };
        let Some((manifest, layers)) = self.asleep(&image) else {
            return Ok(Vec::new());
        };
        let claim = inner.claims.take([claims::image(id)]);
        let freed = {
            let mut table = inner.write();
            if is_used(&table, &image) {
                return Ok(Vec::new());
            }
            table.set_asleep(id, manifest, layers)
        };
        if let Some(image) = self.get(id) {
            // Before its files go. Should it fail, the next start finds them missing, and the image asleep.
            inner
                .rows
                .put(id, &ImageRow::of(&image, None), Durability::Durable)?;
        }
        drop(claim);
        let went = freed.layers.iter().map(|layer| Removed::Layer(layer.chain()));
        let went = went.collect();
        inner.discard(freed);
        Ok(went)
    }

    /// The layers of an image as they are while it sleeps, with their manifest, if all that wakes it is here.
    fn asleep(&self, image: &Image) -> Option<(Digest, Vec<Layer>)> {
        if image.layers.is_empty() {
            return None;
        }
        let manifests = self.inner.read().manifests_for(image);
        let mut whole = manifests.iter().filter(|manifest| self.has_all_blobs(manifest));
        whole.find_map(|manifest| Some((manifest.digest, sleeping(&image.config, manifest)?)))
    }

    /// Has somebody told whenever another 64 MiB were written, so that it may look how full the disk is. It must not
    /// block. Only the first one hears it.
    pub fn on_written(&self, listener: Box<dyn Fn() + Send + Sync>) {
        self.inner.content.listen(listener);
    }

    /// Waits until the files of all that was removed are gone from the disk.
    pub fn settle(&self) {
        self.inner.snapshots.drained();
    }
}

fn is_used(table: &Table, image: &Image) -> bool {
    let id = &image.id;
    table.holds(id) > 0
        || table.is_pending(id)
        || !table.children(id).is_empty()
        || (!image.asleep && table.is_under_writable(image.top()))
}

/// All names of an image, as references.
pub(super) fn references(image: &Image) -> Vec<Reference> {
    let digests = image
        .digests
        .iter()
        .filter_map(|name| Reference::parse(name).ok());
    image.tags.iter().cloned().chain(digests).collect()
}
