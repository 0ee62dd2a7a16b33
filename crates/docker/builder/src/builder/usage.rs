//! The build cache as clients see it: `docker system df` and `docker builder prune`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use image::{Digest, Image, Images};
use jiff::Timestamp;

use super::Builder;
use super::choose::choose;
use crate::BuildError;
use crate::cache::{Cache, StepRow};
use crate::cache_mounts::MountRow;
use crate::driver::blocking;

/// What a record of the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// A step and its layer.
    Step,
    /// A directory of `RUN --mount=type=cache`.
    Mount,
}

impl CacheKind {
    /// The Engine API's word (`Type`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Step => "regular",
            Self::Mount => "exec.cachemount",
        }
    }
}

/// A step that the cache has, or a cache mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRecord {
    /// Its key.
    pub id: String,
    /// What it is.
    pub kind: CacheKind,
    /// The image it made; a cache mount has made none.
    pub image: Option<Digest>,
    /// The record of the step that made what it was carried out on, if there is one.
    pub parent: Option<String>,
    /// Its command line.
    pub description: String,
    /// Bytes of the files of the layer that it made.
    pub size: u64,
    /// When it was carried out.
    pub created: Timestamp,
    /// When it was used last.
    pub last_used: Timestamp,
    /// How often it was used since.
    pub uses: u64,
    /// Whether its layer is also that of an image: one with a name, one that a build was asked for, one that was made
    /// otherwise upon it.
    pub shared: bool,
    /// Whether a build uses it now.
    pub in_use: bool,
}

/// What [`Builder::prune`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Keys of the steps that were forgotten.
    pub steps: Vec<String>,
    /// Bytes of the files of the layers that went with them.
    pub reclaimed: u64,
}

impl Builder {
    /// What the cache has, in the order of its keys.
    #[must_use]
    pub fn usage(&self) -> Vec<CacheRecord> {
        let steps = self.cache.steps();
        let made: BTreeMap<Digest, String> = steps.iter().map(|(key, row)| (row.image, key.hex())).collect();
        let images = self.images.all();
        let is_image = |image: &Image| match image.step {
            Some(_) => !image.is_hidden(),
            None => !image.is_dangling() || image.result || !made.contains_key(&image.id),
        };
        let shared = self.with_those_below(images.iter().filter(|image| is_image(image)));
        let held = self.with_those_below(images.iter().filter(|image| self.images.is_held(&image.id)));
        let record = |(key, row): (Digest, StepRow)| {
            let image = self.images.get(&row.image)?;
            Some(CacheRecord {
                id: key.hex(),
                kind: CacheKind::Step,
                image: Some(row.image),
                parent: row.parent.and_then(|parent| made.get(&parent).cloned()),
                description: row.description,
                size: own_size(&self.images, &image),
                created: row.created,
                last_used: row.last_used,
                uses: row.uses,
                shared: shared.contains(&row.image),
                in_use: held.contains(&row.image),
            })
        };
        let steps = steps.into_iter().filter_map(record);
        steps.chain(self.mounts()).collect()
    }

    /// Images with all those that they were built upon.
    fn with_those_below<'a>(&self, images: impl Iterator<Item = &'a Arc<Image>>) -> BTreeSet<Digest> {
        let mut all = BTreeSet::new();
        for image in images {
            let mut next = Some(image.clone());
            while let Some(image) = next.filter(|image| all.insert(image.id)) {
                next = image.parent.and_then(|parent| self.images.get(&parent));
            }
        }
        all
    }

    fn mounts(&self) -> impl Iterator<Item = CacheRecord> {
        let record = |(name, row, in_use): (String, MountRow, bool)| CacheRecord {
            kind: CacheKind::Mount,
            image: None,
            parent: None,
            description: row.description,
            size: size(&self.cache_mounts.path(&name)),
            created: row.created,
            last_used: row.last_used,
            uses: row.uses,
            shared: false,
            in_use,
            id: name,
        };
        self.cache_mounts.list().into_iter().map(record)
    }

    /// Removes a cache mount that no step uses; says whether it did. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn evict_mount(&self, id: &str) -> std::io::Result<bool> {
        self.cache_mounts.remove(id)
    }

    /// As [`Self::prune_to`], however much is left.
    ///
    /// # Errors
    /// The disk's and the store's.
    pub async fn prune(
        &self,
        all: bool,
        filter: impl Fn(&CacheRecord) -> bool + Send,
    ) -> Result<Pruned, BuildError> {
        self.prune_to(all, 0, filter).await
    }

    /// Forgets the records that the filter lets pass and nobody uses (without `all`, none that is also an image's), and
    /// removes what they made where nothing else needs it. With `keep`, only so many that less than so many bytes are left.
    ///
    /// # Errors
    /// The disk's and the store's.
    pub async fn prune_to(
        &self,
        all: bool,
        keep: u64,
        filter: impl Fn(&CacheRecord) -> bool + Send,
    ) -> Result<Pruned, BuildError> {
        let mut records: Vec<_> = self.usage().into_iter().map(Some).collect();
        let listed: Vec<&CacheRecord> = records.iter().flatten().collect();
        let chosen = choose(&listed, all, keep, &filter);
        let chosen: Vec<_> = chosen.into_iter().filter_map(|at| records[at].take()).collect();
        let builder = self.clone();
        blocking(move || {
            let made: BTreeSet<Digest> = builder
                .cache
                .steps()
                .into_iter()
                .map(|(_, row)| row.image)
                .collect();
            let mut pruned = Pruned {
                reclaimed: sweep(&builder.images, &builder.cache)?,
                ..Pruned::default()
            };
            for record in chosen {
                if let Some(freed) = builder.forget(&record, &made)? {
                    pruned.reclaimed += freed;
                    pruned.steps.push(record.id);
                }
            }
            Ok(pruned)
        })
        .await
    }

    /// Removes what was fetched for builds, which is only kept so that it need not be fetched again. Answers its bytes.
    pub async fn prune_fetched(&self) -> u64 {
        match &self.fetch {
            Some(fetch) => fetch.prune().await,
            None => 0,
        }
    }

    /// Answers the bytes that became free; none if it stays, since somebody has begun to use it.
    fn forget(&self, record: &CacheRecord, made: &BTreeSet<Digest>) -> Result<Option<u64>, BuildError> {
        let Some(id) = record.image else {
            let removed = self.cache_mounts.remove(&record.id);
            let removed = removed.map_err(BuildError::io("removing a cache mount"))?;
            return Ok(removed.then_some(record.size));
        };
        let (mut freed, image) = (None, self.images.get(&id));
        if let Some(image) = &image {
            freed = self.images.evict_unnamed(&id)?;
            if freed.is_none() && !record.shared {
                return Ok(None);
            }
            // What the cache has forgotten, and nobody has a name for, goes with the last that was made upon it.
            let mut below = image.parent.filter(|_| freed.is_some());
            while let Some(parent) = below.filter(|parent| !made.contains(parent)) {
                below = self.images.get(&parent).and_then(|image| image.parent);
                match self.images.evict_unnamed(&parent)? {
                    Some(more) => freed = freed.map(|bytes| bytes + more),
                    None => break,
                }
            }
        }
        if let Ok(key) = Digest::from_hex(&record.id) {
            self.cache.forget(&key);
        }
        self.images.forget_step(&id)?;
        Ok(Some(freed.unwrap_or(0)))
    }
}

/// Removes images of steps that the cache no longer knows, since the step was made again or a row was lost; those that were
/// made last first. What it has hidden nobody else would find. Answers the bytes that became free.
pub(super) fn sweep(images: &Images, cache: &Cache) -> Result<u64, image::Error> {
    let known: BTreeSet<Digest> = cache.steps().into_iter().map(|(_, row)| row.image).collect();
    let mut lost = images.all();
    lost.retain(|image| image.is_hidden() && !known.contains(&image.id));
    let mut freed = 0;
    loop {
        let before = lost.len();
        let mut left = Vec::new();
        for image in lost {
            match images.evict_unnamed(&image.id)? {
                Some(bytes) => freed += bytes,
                None => left.push(image),
            }
        }
        if left.is_empty() || left.len() == before {
            return Ok(freed);
        }
        lost = left;
    }
}

/// Bytes of the files below a directory; what goes away meanwhile counts nothing.
fn size(directory: &Path) -> u64 {
    let mut total = 0;
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                Ok(metadata) if metadata.is_file() => total += metadata.len(),
                _ => {}
            }
        }
    }
    total
}

/// Bytes that an image adds to its parent.
fn own_size(images: &Images, image: &Image) -> u64 {
    let below = image
        .parent
        .and_then(|parent| images.get(&parent))
        .map_or(0, |parent| parent.size);
    image.size.saturating_sub(below)
}
