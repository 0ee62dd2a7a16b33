//! Everything that is known, in memory: which images there are, what they are called, which layers
//! they have, who writes upon them. Pure; the lock around it is held for microseconds.
//!
//! A layer counts its uses: images and snapshots whose topmost layer it is, layers upon it, and
//! leases. At zero it goes, and frees the one below. A manifest counts names, the image that came by it,
//! indexes that list it, and leases; a blob counts layers, manifests, repositories, compressions and leases.

mod layers;
mod manifests;
mod registry;
mod survey;
mod tags;
mod used;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::assemble::total;
use crate::rows::{CompressedName, LayerRow};
use crate::standing::Standing;
use crate::{Descriptor, Digest, Image, Layer, Reference, Step, Target};

pub(crate) use manifests::Kept;
pub(crate) use registry::Link;
pub(crate) use tags::{Given, Within};

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
    /// How many need a blob, be it here or not.
    blobs: HashMap<Digest, usize>,
    manifests: HashMap<Digest, Kept>,
    /// How many name a manifest, be it here or not.
    named: HashMap<Digest, usize>,
    /// Manifests by what they are about.
    subjects: HashMap<Digest, BTreeSet<Digest>>,
    /// Blobs of repositories.
    links: HashMap<String, BTreeMap<Digest, Link>>,
    /// Blobs that were deleted in repositories in which manifests and images name them still: there, they are not to be had.
    deleted: HashMap<String, BTreeSet<Digest>>,
    compressed: BTreeMap<CompressedName, Descriptor>,
    owners: BTreeMap<String, Writable>,
    /// How many leases hold an image.
    held: HashMap<Digest, usize>,
    /// When images were last used.
    used: HashMap<Digest, used::Used>,
    /// How many writable snapshots were ever made.
    prepared: u64,
}

#[derive(Debug)]
struct Counted {
    row: LayerRow,
    uses: usize,
}

/// What a tag names, whose it is, and when it was set in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) target: Target,
    pub(crate) standing: Standing,
    pub(crate) serial: u64,
}

/// What left the table with its last use: rows and files that are to be deleted.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Freed {
    pub(crate) layers: Vec<LayerRow>,
    pub(crate) manifests: Vec<Digest>,
    pub(crate) compressed: Vec<CompressedName>,
    pub(crate) blobs: Vec<Digest>,
}

impl Freed {
    pub(crate) fn extend(&mut self, other: Self) {
        self.layers.extend(other.layers);
        self.manifests.extend(other.manifests);
        self.compressed.extend(other.compressed);
        self.blobs.extend(other.blobs);
    }
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
        if !image.asleep {
            self.hold_layer(image.top());
        }
        self.hold_manifest(image.manifest);
        self.images.insert(image.id, Arc::new(image));
    }

    /// An image that is there becomes known by a manifest, if it was by none.
    pub(crate) fn set_manifest(&mut self, id: &Digest, manifest: Digest) {
        let Some(image) = self.images.get_mut(id).filter(|image| image.manifest.is_none()) else {
            return;
        };
        Arc::make_mut(image).manifest = Some(manifest);
        self.hold_manifest(Some(manifest));
    }

    /// The layers of an image that slept are all here.
    pub(crate) fn set_awake(&mut self, id: &Digest) {
        let Some(image) = self.images.get(id).filter(|image| image.asleep) else {
            return;
        };
        let Some(layers) = self.chain(&image.config.chain_ids()) else {
            return;
        };
        self.hold_layer(layers.last().map(|layer| layer.chain_id));
        if let Some(image) = self.images.get_mut(id).map(Arc::make_mut) {
            image.size = total(layers.iter().map(|layer| layer.size));
            (image.layers, image.asleep) = (layers, false);
        }
    }

    /// The image exists elsewhere, too.
    pub(crate) fn set_elsewhere(&mut self, id: &Digest) {
        if let Some(image) = self.images.get_mut(id) {
            Arc::make_mut(image).made_here = false;
        }
    }

    /// Takes an image and its names out; answers the names, and what nobody uses any more.
    pub(crate) fn remove_image(&mut self, id: &Digest) -> (Vec<Reference>, Freed) {
        let mut freed = Freed::default();
        let Some(image) = self.images.remove(id) else {
            return (Vec::new(), freed);
        };
        self.pending.remove(id);
        self.used.remove(id);
        let named = self.tags.extract_if(.., |_, tag| tag.target.image == Some(*id));
        let (names, tags): (Vec<_>, Vec<_>) = named.unzip();
        for tag in tags {
            self.free_manifest(tag.target.manifest, &mut freed);
        }
        if !image.asleep {
            self.free_layer(image.top(), &mut freed);
        }
        self.free_manifest(image.manifest, &mut freed);
        (names, freed)
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

    /// The one image, of those that clients see, whose id begins so.
    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<Digest> {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if hex.is_empty() {
            return None;
        }
        let shown = self.images.values().filter(|image| !image.is_hidden());
        let mut found = shown.filter(|image| image.id.hex().starts_with(hex));
        found
            .next()
            .map(|image| image.id)
            .filter(|_| found.next().is_none())
    }

    /// Notes that an image goes with its lease, until that is kept.
    pub(crate) fn set_pending(&mut self, id: Digest) {
        self.pending.insert(id);
    }

    /// The image stays, whatever becomes of its lease; answers whether that is new.
    pub(crate) fn settle(&mut self, id: &Digest) -> bool {
        self.pending.remove(id)
    }

    pub(crate) fn is_pending(&self, id: &Digest) -> bool {
        self.pending.contains(id)
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

    /// Whether a writable snapshot stands upon this layer.
    pub(crate) fn is_under_writable(&self, top: Option<Digest>) -> bool {
        self.owners.values().any(|writable| writable.top == top)
    }

    /// How many writable snapshots were ever made: another number means that somebody may use what was free before.
    pub(crate) const fn prepared(&self) -> u64 {
        self.prepared
    }

    /// The layers of an image that is awake, and which `manifest` has all, are given up.
    pub(crate) fn set_asleep(&mut self, id: &Digest, manifest: Digest, layers: Vec<Layer>) -> Freed {
        let mut freed = Freed::default();
        let known = self.manifests.contains_key(&manifest);
        let Some(image) = self.images.get_mut(id).filter(|image| known && !image.asleep) else {
            return freed;
        };
        let top = image.top();
        let image = Arc::make_mut(image);
        image.size = layers.iter().map(|layer| layer.size).sum();
        (image.layers, image.asleep) = (layers, true);
        let before = image.manifest.replace(manifest);
        self.hold_manifest(Some(manifest));
        self.free_manifest(before, &mut freed);
        self.free_layer(top, &mut freed);
        freed
    }

    /// Docker has removed an image that our registry keeps: there is nothing that it was built upon any more.
    pub(crate) fn forget_parent(&mut self, id: &Digest) {
        if let Some(image) = self.images.get_mut(id).filter(|image| image.is_hidden()) {
            Arc::make_mut(image).parent = None;
        }
    }

    /// Notes that somebody was told an image's id, or that this means nothing any more; answers whether that is new.
    pub(crate) fn set_result(&mut self, id: &Digest, result: bool) -> bool {
        match self.images.get_mut(id).filter(|image| image.result != result) {
            Some(image) => {
                let image = Arc::make_mut(image);
                image.result = result;
                image.be_shown();
                true
            }
            None => false,
        }
    }

    /// Somebody has made an image that the build cache has hidden so far.
    pub(crate) fn be_shown(&mut self, id: &Digest) {
        if let Some(image) = self.images.get_mut(id).filter(|image| image.is_hidden()) {
            Arc::make_mut(image).be_shown();
        }
    }

    /// Notes whether the build cache has an image; answers whether that is new.
    pub(crate) fn set_known(&mut self, id: &Digest, known: bool) -> bool {
        let Some(image) = self.images.get_mut(id) else {
            return false;
        };
        let before = image.step;
        Arc::make_mut(image).set_known(known);
        image.step != before
    }

    /// What the build cache has, too, is no image any more: it is hidden, and gives up the manifest it was known by.
    pub(crate) fn hide(&mut self, id: &Digest) -> Freed {
        let mut freed = Freed::default();
        if let Some(image) = self.images.get_mut(id).map(Arc::make_mut) {
            (image.step, image.result) = (Some(Step::Hidden), false);
            let manifest = image.manifest.take();
            self.free_manifest(manifest, &mut freed);
        }
        freed
    }

    pub(crate) fn writable(&self, owner: &str) -> Option<Writable> {
        self.owners.get(owner).copied()
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = (&String, &Writable)> {
        self.owners.iter()
    }

    pub(crate) fn add_writable(&mut self, owner: &str, writable: Writable) {
        self.hold_layer(writable.top);
        self.prepared += 1;
        self.owners.insert(owner.to_owned(), writable);
    }

    pub(crate) fn remove_writable(&mut self, owner: &str) -> Freed {
        let removed = self.owners.remove(owner);
        let mut freed = Freed::default();
        self.free_layer(removed.and_then(|writable| writable.top), &mut freed);
        freed
    }
}
