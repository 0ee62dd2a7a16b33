//! Removing what nobody uses, when a person asks for it (`docker image prune`).

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::{Image, Images, Pruned, Remove, Removed, Use};
use crate::{Digest, Error, Reference};

impl Images {
    /// Removes the images that the filter lets pass and that nobody uses: no container, no image built upon
    /// it. Only for when a person asks: nothing in here is removed automatically.
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
            for name in names(&image) {
                // What is in use stays; that is what pruning means.
                pruned
                    .removed
                    .extend(self.remove(&name, options, used).unwrap_or_default());
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

/// What to remove so that the image goes: each of its names, or its id.
fn names(image: &Image) -> Vec<String> {
    if image.is_dangling() {
        return vec![image.id.hex()];
    }
    let tags = image.tags.iter().map(Reference::to_string);
    tags.chain(image.digests.iter().cloned()).collect()
}
