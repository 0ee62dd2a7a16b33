//! Everything that is known, in memory: which images there are, what they are called, which layers
//! they have, who writes upon them. Pure; the lock around it is held for microseconds.
//!
//! A layer counts its uses: images and snapshots whose topmost layer it is, layers upon it, and
//! leases. At zero it goes, and frees the one below.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::rows::LayerRow;
use crate::{Digest, Image, Layer, Reference};

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
    // Layers.

    /// Adds a layer that nobody uses yet, upon one that is there.
    pub(crate) fn add_layer(&mut self, row: LayerRow) {
        self.hold_layer(row.parent);
        if let Some(blob) = &row.blob {
            *self.blobs.entry(blob.digest).or_default() += 1;
        }
        self.layers.insert(row.chain(), Counted { row, uses: 0 });
    }

    pub(crate) fn layer(&self, chain: &Digest) -> Option<&LayerRow> {
        self.layers.get(chain).map(|counted| &counted.row)
    }

    pub(crate) fn layers(&self) -> impl Iterator<Item = &LayerRow> {
        self.layers.values().map(|counted| &counted.row)
    }

    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest)
    }

    /// Counts a use of a layer; `None`, or a layer that is not there, has none to count.
    pub(crate) fn hold_layer(&mut self, chain: Option<Digest>) {
        if let Some(counted) = chain.and_then(|chain| self.layers.get_mut(&chain)) {
            counted.uses += 1;
        }
    }

    /// Takes back a use; answers the layers that nobody uses any more, which are out of the table.
    #[must_use]
    pub(crate) fn free_layer(&mut self, chain: Option<Digest>) -> Vec<LayerRow> {
        let mut freed = Vec::new();
        let mut next = chain;
        while let Some(chain) = next {
            let Some(counted) = self.layers.get_mut(&chain) else {
                break;
            };
            counted.uses = counted.uses.saturating_sub(1);
            if counted.uses > 0 {
                break;
            }
            let row = self.layers.remove(&chain).map(|counted| counted.row);
            next = row.as_ref().and_then(|row| row.parent);
            self.forget_blob(row.as_ref());
            freed.extend(row);
        }
        freed
    }

    /// Layers that were left over by a crash: nothing is upon them.
    #[must_use]
    pub(crate) fn free_unused(&mut self) -> Vec<LayerRow> {
        let unused = self.layers.iter().filter(|(_, counted)| counted.uses == 0);
        let unused: Vec<Digest> = unused.map(|(chain, _)| *chain).collect();
        unused
            .into_iter()
            .flat_map(|chain| self.free_layer(Some(chain)))
            .collect()
    }

    fn forget_blob(&mut self, row: Option<&LayerRow>) {
        let Some(blob) = row.and_then(|row| row.blob.as_ref()) else {
            return;
        };
        if let Some(count) = self.blobs.get_mut(&blob.digest) {
            *count -= 1;
            if *count == 0 {
                self.blobs.remove(&blob.digest);
            }
        }
    }

    /// The chain's directories, topmost first.
    pub(crate) fn numbers(&self, top: Option<Digest>) -> Vec<u64> {
        let row = |chain: &Option<Digest>| chain.and_then(|chain| self.layer(&chain));
        std::iter::successors(row(&top), |layer| row(&layer.parent))
            .map(|layer| layer.number)
            .collect()
    }

    /// The layers of a chain, bottom first; `None` if one is missing.
    pub(crate) fn chain(&self, chain_ids: &[Digest]) -> Option<Vec<Layer>> {
        let layer = |chain: &Digest| {
            self.layer(chain).map(|row| Layer {
                diff_id: row.diff_id,
                chain_id: *chain,
                size: row.size,
                blob: row.blob.clone(),
            })
        };
        chain_ids.iter().map(layer).collect()
    }

    // Images.

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

    // Tags.

    pub(crate) fn tagged(&self, reference: &Reference) -> Option<Digest> {
        self.tag(reference).map(|tag| tag.id)
    }

    pub(crate) fn tag(&self, reference: &Reference) -> Option<Tag> {
        self.tags.get(reference).copied()
    }

    /// All tags of a repository.
    pub(crate) fn tags_of(&self, name: &str) -> Vec<(Reference, Digest)> {
        let named = self.tags.iter().filter(|(reference, _)| reference.name() == name);
        named
            .map(|(reference, tag)| (reference.clone(), tag.id))
            .collect()
    }

    /// Makes a tag name an image from some time on, or nothing; answers what it named.
    pub(crate) fn set_tag(
        &mut self,
        reference: &Reference,
        given: Option<(Digest, Timestamp)>,
    ) -> Option<Digest> {
        let previous = match given {
            Some((id, _)) => {
                self.tagged += 1;
                let serial = self.tagged;
                self.tags.insert(reference.clone(), Tag { id, serial })
            }
            None => self.tags.remove(reference),
        };
        let previous = previous.map(|tag| tag.id);
        if let Some((id, time)) = given {
            self.stamp(&id, time);
        }
        for id in previous.into_iter().chain(given.map(|(id, _)| id)) {
            self.refresh_tags(&id);
        }
        previous
    }

    fn stamp(&mut self, id: &Digest, time: Timestamp) {
        if let Some(image) = self.images.get_mut(id) {
            let image = Arc::make_mut(image);
            image.last_tagged = image.last_tagged.max(Some(time));
        }
    }

    fn refresh_tags(&mut self, id: &Digest) {
        let Some(image) = self.images.get_mut(id) else {
            return;
        };
        let named = self.tags.iter().filter(|(_, tag)| tag.id == *id);
        let (digests, tags): (Vec<_>, Vec<_>) = named
            .map(|(reference, _)| reference.clone())
            .partition(|reference| reference.digest.is_some());
        let image = Arc::make_mut(image);
        image.tags = tags;
        image.digests = digests.iter().map(Reference::familiar).collect();
    }

    // Writable snapshots.

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

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(table: &mut Table, number: u64, parent: Option<Digest>) -> Digest {
        let row = LayerRow::new(number, Digest::of(&number.to_le_bytes()), parent, 10);
        let chain = row.chain();
        table.add_layer(row);
        chain
    }

    fn numbers(rows: &[LayerRow]) -> Vec<u64> {
        rows.iter().map(|row| row.number).collect()
    }

    #[test]
    fn a_layer_goes_with_its_last_use_and_frees_the_one_below() {
        let mut table = Table::default();
        let bottom = layer(&mut table, 1, None);
        let top = layer(&mut table, 2, Some(bottom));
        let other = layer(&mut table, 3, Some(bottom));
        assert_eq!(table.numbers(Some(top)), [2, 1]);
        table.add_writable(
            "a",
            Writable {
                number: 9,
                top: Some(top),
            },
        );
        table.hold_layer(Some(other));
        assert_eq!(numbers(&table.remove_writable("a")), [2]);
        assert_eq!(numbers(&table.free_layer(Some(other))), [3, 1]);
        assert_eq!(table.layers().count(), 0);
    }

    #[test]
    fn what_a_crash_left_is_freed_from_the_top() {
        let mut table = Table::default();
        let bottom = layer(&mut table, 1, None);
        layer(&mut table, 2, Some(bottom));
        let kept = layer(&mut table, 3, None);
        table.add_writable(
            "a",
            Writable {
                number: 9,
                top: Some(kept),
            },
        );
        assert_eq!(numbers(&table.free_unused()), [2, 1]);
        assert!(table.layer(&kept).is_some());
    }
}
