//! Removing what nobody uses, when a person asks for it (`docker image prune`).

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::evict::references;
use super::{Image, Images, Pruned, Remove, Removed, Use};
use crate::{Digest, Error};

impl Images {
    /// Removes the images that the filter lets pass and that nobody uses: no container, no image built upon
    /// it. Only for when a person asks: nothing in here is removed automatically.
    ///
    /// What was pushed to our own registry stays there, as with [`Self::remove`].
    ///
    /// # Errors
    /// [`Error::PruneRunning`].
    pub fn prune(
        &self,
        filter: &dyn Fn(&Image) -> bool,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Pruned, Error> {
        if self.inner.pruning.swap(true, Ordering::AcqRel) {
            return Err(Error::PruneRunning);
        }
        let pruned = self.prune_alone(filter, used);
        if let Err(error) = self.drop_beginnings() {
            tracing::warn!(%error, "beginnings of blobs are left");
        }
        self.inner.pruning.store(false, Ordering::Release);
        Ok(pruned)
    }

    fn prune_alone(&self, filter: &dyn Fn(&Image) -> bool, used: &dyn Fn(&Digest) -> Vec<Use>) -> Pruned {
        let sizes: HashMap<Digest, u64> = self
            .inner
            .read()
            .layers()
            .map(|row| (row.chain(), row.size))
            .collect();
        let options = Remove {
            force: false,
            prune_parents: true,
        };
        let is_intermediate = |image: &Image| image.is_dangling() && !self.children(&image.id).is_empty();
        let mut pruned = Pruned::default();
        for image in self
            .list()
            .into_iter()
            .filter(|image| !is_intermediate(image) && filter(image))
        {
            // What is in use stays; that is what pruning means.
            if image.is_dangling() {
                let removed = self.remove_nameless(&image.id, options, used);
                pruned.removed.extend(removed.unwrap_or_default());
            }
            for name in references(&image) {
                let removed = self.remove(&name.to_string(), options, used);
                pruned.removed.extend(removed.unwrap_or_default());
            }
        }
        let layers = pruned.removed.iter().filter_map(|removed| match removed {
            Removed::Layer(chain) => sizes.get(chain),
            _ => None,
        });
        pruned.reclaimed = layers.sum();
        pruned
    }
}
