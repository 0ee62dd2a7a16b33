//! Who keeps what, but for images.

use std::collections::{BTreeMap, HashSet};

use super::{Table, Tag};
use crate::reference::is_fetched;
use crate::{Digest, Image, Reference};

impl Table {
    /// Layers and blobs that something else than an image keeps: the snapshots of containers, links of repositories,
    /// and manifests that are named without being an image. What was fetched for the clients of our registry keeps nothing.
    pub(crate) fn pinned(&self) -> HashSet<Digest> {
        let mut pinned: HashSet<Digest> = self
            .links
            .iter()
            .filter(|(repository, _)| !is_fetched(repository))
            .flat_map(|(_, links)| links.keys().copied())
            .collect();
        for writable in self.owners.values() {
            let below = std::iter::successors(writable.top, |chain| self.layer(chain)?.parent);
            for chain in below {
                // What is below one that was met was met as well.
                if !pinned.insert(chain) {
                    break;
                }
                let blob = self.layer(&chain).and_then(|row| row.blob.as_ref());
                pinned.extend(blob.map(|blob| blob.digest));
            }
        }
        let artifacts = self
            .tags
            .iter()
            .filter(|(name, tag)| tag.target.image.is_none() && !is_fetched(&name.domain));
        let manifests = artifacts.filter_map(|(_, tag)| tag.target.manifest);
        pinned.extend(self.blobs_below(manifests));
        pinned
    }

    /// Repositories of what was fetched for the clients of our registry, with their blobs, and when one was last asked for:
    /// seconds since 1970.
    pub(crate) fn fetched(&self) -> BTreeMap<String, (Vec<Digest>, i64)> {
        let mut all = BTreeMap::new();
        for (repository, links) in self.links.iter().filter(|(repository, _)| is_fetched(repository)) {
            let last = links.values().map(super::Link::time).max().unwrap_or(0);
            let mut blobs: Vec<Digest> = links.keys().copied().collect();
            if let Ok(named) = Reference::parse(repository) {
                let manifests = self.names_of(&named).filter_map(|(_, tag)| tag.target.manifest);
                blobs.extend(self.blobs_below(manifests));
            }
            blobs.sort_unstable();
            blobs.dedup();
            all.insert(repository.clone(), (blobs, last));
        }
        all
    }

    /// The first name of an image that docker was told to forget.
    pub(crate) fn kept_name(&self, image: &Image) -> Option<Reference> {
        let is_it = |tag: &Tag| tag.standing.hidden && tag.target.image == Some(image.id);
        let mut kept = self.tags.iter().filter(|(_, tag)| image.kept > 0 && is_it(tag));
        kept.next().map(|(name, _)| name.clone())
    }

    /// Blobs that the manifests of an image name, and its layers' compressed forms.
    pub(crate) fn blobs_of_image(&self, image: &Image) -> Vec<Digest> {
        let named = self
            .tags
            .values()
            .filter(|tag| tag.target.image == Some(image.id));
        let manifests = named.filter_map(|tag| tag.target.manifest).chain(image.manifest);
        let mut blobs = self.blobs_below(manifests);
        if !image.asleep && !self.compressed.is_empty() {
            let diff_ids: HashSet<Digest> = image.layers.iter().map(|layer| layer.diff_id).collect();
            let forms = self
                .compressed
                .iter()
                .filter(|(name, _)| diff_ids.contains(&name.diff_id));
            blobs.extend(forms.map(|(_, blob)| blob.digest));
        }
        blobs
    }

    /// Blobs that manifests, and those that they list, name.
    fn blobs_below(&self, manifests: impl Iterator<Item = Digest>) -> Vec<Digest> {
        let (mut waiting, mut seen, mut blobs): (Vec<Digest>, _, _) =
            (manifests.collect(), HashSet::new(), Vec::new());
        while let Some(digest) = waiting.pop() {
            let Some(kept) = self.manifest(&digest).filter(|_| seen.insert(digest)) else {
                continue;
            };
            blobs.extend(kept.blobs());
            waiting.extend(kept.summary.manifests.iter().map(|child| child.digest));
        }
        blobs
    }
}
