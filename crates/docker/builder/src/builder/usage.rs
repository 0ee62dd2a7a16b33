//! The build cache as clients see it: `docker system df` and `docker builder prune`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engine::Engine;
use image::{Digest, Image, Images};
use jiff::Timestamp;

use super::Builder;
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
    /// The image it was carried out on.
    pub parent: Option<Digest>,
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
    /// Whether its image is one that clients see, or one of those was built upon it.
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
        let used = used(&self.images);
        let record = |(key, row): (Digest, StepRow)| {
            let image = self.images.get(&row.image)?;
            Some(CacheRecord {
                id: key.hex(),
                kind: CacheKind::Step,
                image: Some(row.image),
                parent: row.parent,
                description: row.description,
                size: own_size(&self.images, &image),
                created: row.created,
                last_used: row.last_used,
                uses: row.uses,
                in_use: used.contains(&image.id),
            })
        };
        let steps = self.cache.steps().into_iter().filter_map(record);
        steps.chain(self.mounts()).collect()
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

    /// Forgets the steps that the filter lets pass (all that nobody uses, unless `all`), and
    /// removes their images where nothing else needs them.
    ///
    /// # Errors
    /// [`image::Error::PruneRunning`] and the disk's.
    pub async fn prune(
        &self,
        all: bool,
        filter: impl Fn(&CacheRecord) -> bool + Send,
    ) -> Result<Pruned, BuildError> {
        let chosen: Vec<CacheRecord> = self
            .usage()
            .into_iter()
            .filter(|record| (all || !record.in_use) && filter(record))
            .collect();
        let (mounts, chosen): (Vec<_>, Vec<_>) = chosen
            .into_iter()
            .partition(|record| record.kind == CacheKind::Mount);
        // What was fetched is no record: it is only kept so that it need not be fetched again.
        let fetched = match &self.fetch {
            Some(fetch) => fetch.prune().await,
            None => 0,
        };
        let (images, engine) = (self.images.clone(), self.engine.clone());
        let caches = self.cache_mounts.clone();
        let cache = self.cache.clone();
        blocking(move || {
            let (mut freed, mut steps) = (fetched, Vec::new());
            for mount in mounts {
                // One that a step has taken meanwhile stays.
                if caches
                    .remove(&mount.id)
                    .map_err(BuildError::io("removing a cache mount"))?
                {
                    freed += mount.size;
                    steps.push(mount.id);
                }
            }
            let made: BTreeSet<Digest> = chosen.iter().filter_map(|record| record.image).collect();
            let used = |id: &Digest| uses(&engine, id);
            // A build's result is an image and no cache, even without a name.
            let wanted = |image: &Image| {
                image.is_dangling()
                    && !image.result
                    && (image.is_hidden() || image.step.is_none())
                    && made.contains(&image.id)
            };
            let pruned = images.prune_steps(&wanted, &used)?;
            // What a build under way stands upon stays, and is the cache's: else nobody would ever find it again.
            let is_gone = |id: &Digest| images.get(id).is_none_or(|image| !image.is_hidden());
            for record in chosen
                .into_iter()
                .filter(|record| record.image.as_ref().is_none_or(is_gone))
            {
                if let Ok(key) = Digest::from_hex(&record.id) {
                    cache.forget(&key);
                }
                steps.push(record.id);
            }
            images.forget_steps(made.into_iter())?;
            Ok(Pruned {
                steps,
                reclaimed: pruned.reclaimed + freed,
            })
        })
        .await
    }
}

/// Images that have a name or are what a build was asked for, and all that those were built upon.
fn used(images: &Images) -> BTreeSet<Digest> {
    let mut used = BTreeSet::new();
    for image in images.list() {
        let is_image = !image.is_dangling() || image.result || image.step.is_some();
        let mut next = is_image.then_some(image.id);
        while let Some(id) = next.filter(|id| used.insert(*id)) {
            next = images.get(&id).and_then(|image| image.parent);
        }
    }
    used
}

/// Removes images of steps that the cache no longer knows: what it has hidden nobody else would find.
pub(super) fn sweep(images: &Images, engine: &Engine, cache: &Cache) -> Result<(), image::Error> {
    let known: BTreeSet<Digest> = cache.steps().into_iter().map(|(_, row)| row.image).collect();
    let lost = |image: &Image| image.is_hidden() && !known.contains(&image.id);
    images.prune_steps(&lost, &|id| uses(engine, id)).map(drop)
}

/// Containers made from an image.
fn uses(engine: &Engine, id: &Digest) -> Vec<image::Use> {
    let id = id.to_string();
    let made_from =
        |container: &Arc<engine::Container>| container.image.as_ref().is_some_and(|image| image.id == id);
    let containers = engine.list().into_iter().filter(made_from);
    containers
        .map(|container| image::Use {
            container: container.id.as_str().to_owned(),
            running: container.state.status.is_running(),
        })
        .collect()
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
