//! Everything that is known, in memory: which images there are, what they are called, which layers
//! they have, who writes upon them. Pure; the lock around it is held for microseconds.
//!
//! A layer counts its uses: images and snapshots whose topmost layer it is, layers upon it, and
//! leases. At zero it goes, and frees the one below.

mod layers;
mod tags;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::rows::LayerRow;
use crate::{Digest, Image, Reference};

#[derive(Debug, Default)]
pub(crate) struct Table {
    images: BTreeMap<Digest, Arc<Image>>,
    tags: BTreeMap<Reference, Tag>,
    /// How often tags were set.
    tagged: u64,
    /// Images whose lease was not kept yet.
    pending: HashSet<Digest>,
    /// By chain id.
    layers: HashMap<Digest, Counted>,
    /// How many layers have a blob.
    blobs: HashMap<Digest, usize>,
    owners: BTreeMap<String, Writable>,
    /// How many leases hold an image.
    held: HashMap<Digest, usize>,
}

#[derive(Debug)]
struct Counted {
    row: LayerRow,
    uses: usize,
}

/// What a tag names, and when it was set in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) id: Digest,
    pub(crate) serial: u64,
}

/// A writable snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writable {
    pub(crate) number: u64,
    /// The topmost layer below it.
    pub(crate) top: Option<Digest>,
}

impl Table {
    pub(crate) fn image(&self, id: &Digest) -> Option<Arc<Image>> {
        self.images.get(id).cloned()
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &Arc<Image>> {
        self.images.values()
    }

    pub(crate) fn add_image(&mut self, image: Image) {
        self.hold_layer(image.layers.last().map(|layer| layer.chain_id));
        self.images.insert(image.id, Arc::new(image));
    }

    /// Takes an image and its tags out; answers the tags, and the layers that nobody uses any more.
    pub(crate) fn remove_image(&mut self, id: &Digest) -> (Vec<Reference>, Vec<LayerRow>) {
        let Some(image) = self.images.remove(id) else {
            return (Vec::new(), Vec::new());
        };
        let top = image.layers.last().map(|layer| layer.chain_id);
        self.pending.remove(id);
        let named = self.tags.extract_if(.., |_, tag| tag.id == *id);
        (
            named.map(|(reference, _)| reference).collect(),
            self.free_layer(top),
        )
    }

    /// Images whose parent this is.
    pub(crate) fn children(&self, id: &Digest) -> Vec<Digest> {
        let is_child = |image: &&Arc<Image>| image.parent.as_ref() == Some(id);
        self.images
            .values()
            .filter(is_child)
            .map(|image| image.id)
            .collect()
    }

    /// The one image whose id begins so.
    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<Digest> {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if hex.is_empty() {
            return None;
        }
        let mut found = self.images.keys().filter(|id| id.hex().starts_with(hex));
        found.next().copied().filter(|_| found.next().is_none())
    }

    /// Notes that an image goes with its lease, until that is kept.
    pub(crate) fn set_pending(&mut self, id: Digest) {
        self.pending.insert(id);
    }

    /// The image stays, whatever becomes of its lease; answers whether that is new.
    pub(crate) fn settle(&mut self, id: &Digest) -> bool {
        self.pending.remove(id)
    }

    pub(crate) fn hold_image(&mut self, id: Digest) {
        *self.held.entry(id).or_default() += 1;
    }

    pub(crate) fn free_image(&mut self, id: &Digest) {
        if let Some(count) = self.held.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(id);
            }
        }
    }

    /// How many leases hold it.
    pub(crate) fn holds(&self, id: &Digest) -> usize {
        self.held.get(id).copied().unwrap_or(0)
    }

    pub(crate) fn writable(&self, owner: &str) -> Option<Writable> {
        self.owners.get(owner).copied()
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = (&String, &Writable)> {
        self.owners.iter()
    }

    pub(crate) fn add_writable(&mut self, owner: &str, writable: Writable) {
        self.hold_layer(writable.top);
        self.owners.insert(owner.to_owned(), writable);
    }

    #[must_use]
    pub(crate) fn remove_writable(&mut self, owner: &str) -> Vec<LayerRow> {
        let removed = self.owners.remove(owner);
        self.free_layer(removed.and_then(|writable| writable.top))
    }
}
