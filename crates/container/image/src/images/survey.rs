//! Everything that images have on the disk, piece by piece, and who keeps each: what a collection is planned by.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{Image, Images};
use crate::table::Table;
use crate::{Digest, Error, Reference};

/// A piece on the disk: a layer's files, or a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The layer's chain id, or the blob's digest.
    pub digest: Digest,
    /// Bytes.
    pub bytes: u64,
    /// Whether something else than images keeps it: a snapshot, a repository, an artifact.
    pub pinned: bool,
}

/// What an image has, and who keeps it.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// The image.
    pub image: Arc<Image>,
    /// Its parts, by their places in [`Survey::parts`], in order.
    pub parts: Vec<usize>,
    /// When it was last used, in microseconds since 1970.
    pub last_used: i64,
    /// A name by which our registry keeps it although docker was told to forget it.
    pub kept: Option<Reference>,
    /// Whether a pull, a push, a build or the like has it.
    pub leased: bool,
    /// Whether all its tags were pulled or pushed under just these names, so that each can be had again. True if it has
    /// none.
    pub elsewhere: bool,
}

/// A repository of what was fetched from another registry for the clients of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its whole name.
    pub repository: String,
    /// Its parts, by their places in [`Survey::parts`].
    pub parts: Vec<usize>,
    /// When one of its blobs was last asked for, in microseconds since 1970.
    pub last_used: i64,
}

/// Everything that images have.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Each once.
    pub parts: Vec<Part>,
    /// In the order of their ids.
    pub images: Vec<Surveyed>,
    /// In the order of their names.
    pub fetched: Vec<Fetched>,
}

impl Images {
    /// Bytes of what is on its way in and no blob yet: `uploads` to our registry that last, what is in the making (`ingest`),
    /// `beginnings` of what broke off.
    ///
    /// # Errors
    /// The disk's.
    pub fn unfinished(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        let unfinished = self.inner.content.unfinished();
        unfinished.map_err(Error::io("read the content store"))
    }

    /// Looks at everything. It reads the content store's directory, so it is not for every second.
    ///
    /// # Errors
    /// The disk's.
    pub fn survey(&self) -> Result<Survey, Error> {
        let sizes = self.inner.content.sizes();
        let sizes = sizes.map_err(Error::io("read the content store"))?;
        let table = self.inner.read();
        let mut parts = Parts::new(&table, &sizes);
        let images = table.images().map(|image| Surveyed {
            parts: parts.of(image),
            last_used: table.last_used(&image.id),
            kept: table.kept_name(image),
            leased: table.holds(&image.id) > 0 || table.is_pending(&image.id),
            elsewhere: image.tags.iter().all(|tag| is_elsewhere(&table, tag)),
            image: image.clone(),
        });
        let images = images.collect();
        let fetched = table.fetched().into_iter();
        let fetched = fetched.map(|(repository, (blobs, last))| Fetched {
            parts: blobs.into_iter().filter_map(|blob| parts.blob(blob)).collect(),
            repository,
            last_used: last.saturating_mul(1_000_000),
        });
        let fetched = fetched.collect();
        // What nobody has is nothing that a collection frees.
        for (blob, bytes) in &sizes {
            parts.place(false, *blob, *bytes);
        }
        Ok(Survey {
            parts: parts.found,
            images,
            fetched,
        })
    }
}

/// A name that was given by hand stands for no manifest.
fn is_elsewhere(table: &Table, tag: &Reference) -> bool {
    table.tag(tag).is_some_and(|tag| tag.target.manifest.is_some())
}

/// Parts as they are found.
struct Parts<'t> {
    table: &'t Table,
    sizes: &'t HashMap<Digest, u64>,
    pinned: HashSet<Digest>,
    places: HashMap<(bool, Digest), usize>,
    found: Vec<Part>,
}

impl<'t> Parts<'t> {
    fn new(table: &'t Table, sizes: &'t HashMap<Digest, u64>) -> Self {
        Self {
            table,
            sizes,
            pinned: table.pinned(),
            places: HashMap::new(),
            found: Vec::new(),
        }
    }

    fn of(&mut self, image: &Image) -> Vec<usize> {
        let mut places = BTreeSet::new();
        let mut blobs: Vec<Digest> = self.table.blobs_of_image(image);
        for layer in &image.layers {
            blobs.extend(layer.blob.as_ref().map(|blob| blob.digest));
            let Some(row) = self.table.layer(&layer.chain_id).filter(|_| !image.asleep) else {
                continue;
            };
            blobs.extend(row.blob.as_ref().map(|blob| blob.digest));
            places.insert(self.place(true, layer.chain_id, row.size));
        }
        places.extend(blobs.into_iter().filter_map(|blob| self.blob(blob)));
        places.into_iter().collect()
    }

    fn blob(&mut self, digest: Digest) -> Option<usize> {
        let bytes = *self.sizes.get(&digest)?;
        Some(self.place(false, digest, bytes))
    }

    fn place(&mut self, layer: bool, digest: Digest, bytes: u64) -> usize {
        let (found, pinned) = (&mut self.found, &self.pinned);
        *self.places.entry((layer, digest)).or_insert_with(|| {
            let pinned = pinned.contains(&digest);
            found.push(Part {
                digest,
                bytes,
                pinned,
            });
            found.len() - 1
        })
    }
}
