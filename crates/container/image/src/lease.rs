//! Leases: what is made together stays together or goes together.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::Durability;

use crate::claims;
use crate::inner::Inner;
use crate::rows::{self, ImageRow, LeaseId, LeaseRow, TagRow};
use crate::table::{Freed, Given, Tag};
use crate::{Digest, Error, ManifestSummary, Reference};

/// A hold on what is being made or used; see [`crate::Images::lease`].
///
/// Dropped without [`Self::keep`], what was made under it is undone; images that were merely
/// [added](Self::add) stay, and may be removed from then on.
pub struct Lease {
    inner: Arc<Inner>,
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Once there is a row for it.
    id: Option<LeaseId>,
    /// What must not go.
    layers: Vec<Digest>,
    images: Vec<Digest>,
    manifests: Vec<Digest>,
    blobs: Vec<Digest>,
    /// Images that were made, in order.
    made: Vec<Digest>,
    /// Names that were given: which, how, and what they stood for before.
    tags: Vec<(Reference, Option<Tag>, Option<Tag>)>,
    /// What images that were here before will know once the lease is kept.
    learned: Vec<Learned>,
    /// Whether anything was written that only a sync makes durable.
    unsynced: bool,
}

/// What an image learns: a manifest, and whether all its layers are here now.
#[derive(Clone, Copy)]
struct Learned {
    image: Digest,
    manifest: Option<Digest>,
    awake: bool,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Names of leases that are held. One name has one lease at a time.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeSet<String>>);

impl Names {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    pub(crate) fn new(inner: Arc<Inner>, name: &str) -> Result<Self, Error> {
        if !inner.leases.lock().insert(name.to_owned()) {
            return Err(Error::LeaseInUse(name.to_owned()));
        }
        Ok(Self {
            inner,
            name: name.to_owned(),
            state: Mutex::default(),
        })
    }

    /// Keeps an image that exists from being removed while the lease lasts.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn add(&self, image: &Digest) -> Result<(), Error> {
        let mut table = self.inner.write();
        if table.image(image).is_none() {
            return Err(Error::NoSuchImage(image.to_string()));
        }
        table.hold_image(*image);
        drop(table);
        self.inner.touch(image);
        self.lock().images.push(*image);
        Ok(())
    }

    /// Ends the lease; all that was made under it stays, and is durable when this returns.
    ///
    /// # Errors
    /// The disk's or the store's; then it is undone.
    pub fn keep(self) -> Result<(), Error> {
        self.must_sync();
        self.keep_rows()
    }

    /// As [`Self::keep`], for what can be had again: all of it counts and survives the death of this process when this
    /// returns, and is durable soon after. Until it is, a loss of power takes all of it back.
    ///
    /// # Errors
    /// The store's; then it is undone. Where the disk fails afterwards it is undone as well, which the log says.
    pub fn keep_soon(self) -> Result<(), Error> {
        let boot = sys::clock::boot_id().ok();
        // What others learn may be written only when it is durable.
        let learns = !self.lock().learned.is_empty();
        let Some(boot) = boot.filter(|_| self.lock().id.is_some() && !learns) else {
            return self.keep();
        };
        let made = self.lock().made.clone();
        self.inner.soon.begin(&made);
        let row = rows::kept_lease(boot);
        let written = self.inner.rows.put(&self.name, &row, Durability::Relaxed);
        let soon = Keeping { lease: self, made };
        written?;
        std::thread::Builder::new()
            .name("keep".to_owned())
            .spawn(move || soon.keep())
            .map_err(Error::io("start a thread"))?;
        Ok(())
    }

    /// As [`Self::keep`], where all content is known to be durable but what [`Self::must_sync`] says.
    pub(crate) fn keep_rows(&self) -> Result<(), Error> {
        let Some(_) = self.lock().id else { return Ok(()) };
        if self.lock().unsynced {
            self.inner.sync()?;
        }
        self.teach()?;
        // This one write makes everything count.
        self.inner
            .rows
            .delete::<LeaseRow>(&self.name, Durability::Durable)?;
        let mut freed = Freed::default();
        let mut state = self.lock();
        state.id = None;
        let mut table = self.inner.write();
        for (_, _, previous) in state.tags.drain(..) {
            table.free_manifest(previous.and_then(|tag| tag.target.manifest), &mut freed);
        }
        for id in state.made.drain(..) {
            table.settle(&id);
        }
        drop(table);
        drop(state);
        self.inner.discard(freed);
        Ok(())
    }

    /// All that images learn is durable by now, so their rows may say it whatever becomes of the lease.
    fn teach(&self) -> Result<(), Error> {
        let learned = std::mem::take(&mut self.lock().learned);
        for Learned {
            image,
            manifest,
            awake,
        } in learned
        {
            let _claim = self.inner.claims.take([claims::image(&image)]);
            let known = {
                let mut table = self.inner.write();
                if let Some(manifest) = manifest {
                    table.set_manifest(&image, manifest);
                }
                if awake {
                    table.set_awake(&image);
                }
                table.image(&image)
            };
            if let Some(known) = known {
                self.inner
                    .rows
                    .put(&image, &ImageRow::of(&known, None), Durability::Relaxed)?;
            }
        }
        Ok(())
    }

    /// Notes that something was written, or is relied upon, that is not known to be durable.
    pub(crate) fn must_sync(&self) {
        self.lock().unsynced = true;
    }

    /// Notes what an image that was here before learns from this lease.
    pub(crate) fn learned(&self, image: Digest, manifest: Option<Digest>, awake: bool) -> Result<(), Error> {
        self.begin()?;
        self.lock().learned.push(Learned {
            image,
            manifest,
            awake,
        });
        Ok(())
    }

    /// Writes the lease's row before the first row that names it.
    pub(crate) fn begin(&self) -> Result<LeaseId, Error> {
        let known = self.lock().id;
        if let Some(id) = known {
            return Ok(id);
        }
        let id = self
            .inner
            .rows
            .put(&self.name, &rows::lease(), Durability::Relaxed)?;
        self.lock().id = Some(id);
        Ok(id)
    }

    /// Holds a blob if it is here.
    #[must_use]
    pub fn hold_blob(&self, digest: &Digest) -> bool {
        // Nobody deletes it meanwhile.
        let _claim = self.inner.claims.take([claims::blob(digest)]);
        let there = self.inner.read().has_blob(digest) && self.inner.content.has(digest);
        if there {
            self.note_blob(*digest);
        }
        there
    }

    /// Holds a blob that is here; the caller has its claim.
    pub(crate) fn note_blob(&self, digest: Digest) {
        self.inner.write().hold_blob(digest);
        self.lock().blobs.push(digest);
    }

    /// Takes over holds that were counted already.
    pub(crate) fn have_held(&self, blobs: Vec<Digest>, manifests: Vec<Digest>) {
        let mut state = self.lock();
        state.blobs.extend(blobs);
        state.manifests.extend(manifests);
    }

    /// Holds a manifest if it is here.
    pub(crate) fn hold_manifest(&self, digest: Digest) -> Option<Arc<ManifestSummary>> {
        let mut table = self.inner.write();
        let summary = table.manifest(&digest)?.summary.clone();
        table.hold_manifest(Some(digest));
        drop(table);
        self.lock().manifests.push(digest);
        Some(summary)
    }

    /// Holds the layer with this chain id if it is there, unpacked.
    #[must_use]
    pub fn hold_layer(&self, chain: Digest) -> bool {
        let mut table = self.inner.write();
        let there = table.layer(&chain).is_some();
        if there {
            table.hold_layer(Some(chain));
            drop(table);
            self.lock().layers.push(chain);
        }
        there
    }

    /// Notes that an image was made under the lease.
    pub(crate) fn made(&self, id: Digest) {
        self.lock().made.push(id);
    }

    /// Notes that a tag was set under the lease.
    pub(crate) fn tagged(&self, reference: &Reference, set: Option<Tag>, previous: Option<Tag>) {
        self.lock().tags.push((reference.clone(), set, previous));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what was made, the last first.
    fn undo(&self, state: &State) -> Result<(), Error> {
        for (reference, set, previous) in state.tags.iter().rev() {
            self.undo_tag(reference, *set, *previous)?;
        }
        for id in state.made.iter().rev() {
            let own = state.images.iter().filter(|held| *held == id).count();
            self.undo_image(id, own)?;
        }
        if state.id.is_some() {
            self.inner
                .rows
                .delete::<LeaseRow>(&self.name, Durability::Relaxed)?;
        }
        Ok(())
    }

    fn undo_tag(&self, reference: &Reference, set: Option<Tag>, previous: Option<Tag>) -> Result<(), Error> {
        let _claim = self.inner.claims.take([claims::tag(reference)]);
        // Somebody else may have given it since, be it to the same image.
        if self.inner.read().tag(reference) != set {
            return Ok(());
        }
        let given = previous.map(|Tag { target, standing, .. }| Given {
            target,
            standing,
            time: self.inner.now(),
        });
        match given {
            Some(Given {
                target,
                standing,
                time,
            }) => drop(self.inner.rows.put(
                reference,
                &TagRow::new(target, standing, time),
                Durability::Relaxed,
            )?),
            None => self.inner.rows.delete::<TagRow>(reference, Durability::Relaxed)?,
        }
        let (_, freed) = self.inner.write().set_tag(reference, given);
        self.inner.discard(freed);
        Ok(())
    }

    /// `own`: how often this lease itself holds it.
    fn undo_image(&self, id: &Digest, own: usize) -> Result<(), Error> {
        let _claim = self.inner.claims.take([claims::image(id)]);
        // Somebody else has made the same one, or has come to rely on it: it stays, and is theirs.
        if !self.inner.write().settle(id) {
            return Ok(());
        }
        if self.inner.read().holds(id) > own {
            return self.inner.adopt_image(id);
        }
        self.inner.delete_image_rows(id, Durability::Relaxed)?;
        let (tags, freed) = self.inner.write().remove_image(id);
        for tag in tags {
            self.inner.rows.delete::<TagRow>(&tag, Durability::Relaxed)?;
        }
        self.inner.discard(freed);
        Ok(())
    }

    fn release(&self, state: &State) {
        let mut freed = Freed::default();
        let mut table = self.inner.write();
        for image in &state.images {
            table.free_image(image);
        }
        for chain in state.layers.iter().rev() {
            table.free_layer(Some(*chain), &mut freed);
        }
        let before = state
            .tags
            .iter()
            .filter_map(|(_, _, previous)| previous.as_ref()?.target.manifest);
        for manifest in state.manifests.iter().copied().chain(before) {
            table.free_manifest(Some(manifest), &mut freed);
        }
        for blob in &state.blobs {
            table.free_blob(blob, &mut freed);
        }
        drop(table);
        self.inner.discard(freed);
    }
}

/// A lease that is kept soon; whoever waits for its images goes on when it is, or cannot be.
struct Keeping {
    lease: Lease,
    made: Vec<Digest>,
}

impl Keeping {
    fn keep(self) {
        self.lease.must_sync();
        if let Err(error) = self.lease.keep_rows() {
            tracing::error!(lease = self.lease.name, %error, "what was pulled is not durable and is taken back");
        }
    }
}

impl Drop for Keeping {
    /// Before the lease is undone: they may hold what that waits for.
    fn drop(&mut self) {
        self.lease.inner.soon.end(&self.made);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let state = std::mem::take(&mut *self.lock());
        if let Err(error) = self.undo(&state) {
            // The lease's row is still there, so the next start takes everything back.
            tracing::warn!(lease = self.name, %error, "what was begun is left to the next start");
        }
        self.release(&state);
        self.inner.leases.lock().remove(&self.name);
    }
}
