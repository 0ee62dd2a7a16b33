//! Leases: what is made together stays together or goes together.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::Durability;

use crate::claims;
use crate::inner::Inner;
use crate::rows::{self, ImageRow, LeaseId, LeaseRow, TagRow};
use crate::table::Tag;
use crate::{Digest, Error, Reference};

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
    /// Layers and images that must not go.
    layers: Vec<Digest>,
    images: Vec<Digest>,
    /// What was made, in order.
    made: Vec<Digest>,
    /// Tags that were set: which, how, and what they named before.
    tags: Vec<(Reference, Option<Tag>, Option<Digest>)>,
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
        self.lock().images.push(*image);
        Ok(())
    }

    /// Ends the lease; all that was made under it stays, and is durable when this returns.
    ///
    /// # Errors
    /// The disk's or the store's; then it is undone.
    pub fn keep(self) -> Result<(), Error> {
        let Some(_) = self.lock().id else { return Ok(()) };
        self.inner.sync()?;
        // This one write makes everything count.
        self.inner
            .rows
            .delete::<LeaseRow>(&self.name, Durability::Durable)?;
        let mut state = self.lock();
        state.id = None;
        state.tags.clear();
        let mut table = self.inner.write();
        for id in state.made.drain(..) {
            table.settle(&id);
        }
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
    pub fn hold_blob(&self, _digest: &Digest) -> bool {
        todo!()
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
    pub(crate) fn tagged(&self, reference: &Reference, set: Option<Tag>, previous: Option<Digest>) {
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

    fn undo_tag(
        &self,
        reference: &Reference,
        set: Option<Tag>,
        previous: Option<Digest>,
    ) -> Result<(), Error> {
        let _claim = self.inner.claims.take([claims::tag(reference)]);
        // Somebody else may have set it since, be it to the same image.
        if self.inner.read().tag(reference) != set {
            return Ok(());
        }
        let given = previous.map(|previous| (previous, self.inner.now()));
        match given {
            Some((id, now)) => drop(self.inner.rows.put(
                reference,
                &TagRow::new(id, now),
                Durability::Relaxed,
            )?),
            None => self.inner.rows.delete::<TagRow>(reference, Durability::Relaxed)?,
        }
        self.inner.write().set_tag(reference, given);
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
        self.inner.rows.delete::<ImageRow>(id, Durability::Relaxed)?;
        let (tags, layers) = self.inner.write().remove_image(id);
        for tag in tags {
            self.inner.rows.delete::<TagRow>(&tag, Durability::Relaxed)?;
        }
        self.inner.discard(&layers);
        Ok(())
    }

    fn release(&self, state: &State) {
        let mut table = self.inner.write();
        for image in &state.images {
            table.free_image(image);
        }
        let freed: Vec<_> = state
            .layers
            .iter()
            .rev()
            .flat_map(|chain| table.free_layer(Some(*chain)))
            .collect();
        drop(table);
        self.inner.discard(&freed);
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
