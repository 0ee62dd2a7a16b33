//! What repositories have besides names, and layers that were compressed.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{Freed, Table};
use crate::rows::CompressedName;
use crate::{Descriptor, Digest, Reference};

/// That a repository has a blob, and when it was last asked for: seconds since 1970.
#[derive(Debug)]
pub(crate) struct Link(AtomicI64);

impl Link {
    pub(crate) const fn new(second: i64) -> Self {
        Self(AtomicI64::new(second))
    }

    /// Whoever asked for the blob may be about to push a manifest that names it.
    pub(crate) fn touch(&self, second: i64) {
        self.0.fetch_max(second, Ordering::Relaxed);
    }

    pub(super) fn time(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Table {
    /// Links a blob that is here to a repository; answers whether that is new.
    pub(crate) fn add_link(&mut self, repository: &str, digest: Digest, second: i64) -> bool {
        self.set_deleted(repository, &digest, false);
        let links = self.links.entry(repository.to_owned()).or_default();
        if let Some(link) = links.get(&digest) {
            link.touch(second);
            return false;
        }
        links.insert(digest, Link::new(second));
        self.hold_blob(digest);
        true
    }

    pub(crate) fn link(&self, repository: &str, digest: &Digest) -> Option<&Link> {
        self.links.get(repository)?.get(digest)
    }

    /// Repositories that a blob is linked to.
    pub(crate) fn linked_to<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a String> {
        let has = self.links.iter().filter(|(_, links)| links.contains_key(digest));
        has.map(|(repository, _)| repository)
    }

    /// The blobs that are linked to a repository.
    pub(crate) fn links_of(&self, repository: &str) -> Vec<Digest> {
        let links = self.links.get(repository).into_iter();
        links.flat_map(|links| links.keys().copied()).collect()
    }

    pub(crate) fn has_links(&self, repository: &str) -> bool {
        self.links.contains_key(repository)
    }

    /// Notes that a linked blob was asked for; answers whether there is such a link.
    pub(crate) fn touch_link(&self, repository: &str, digest: &Digest, second: i64) -> bool {
        let link = self.link(repository, digest);
        if let Some(link) = link {
            link.touch(second);
        }
        link.is_some()
    }

    /// Whether there is a link that nobody has asked for since before `second`.
    pub(crate) fn is_idle(&self, repository: &str, digest: &Digest, second: i64) -> bool {
        self.link(repository, digest)
            .is_some_and(|link| link.time() <= second)
    }

    /// Takes a link away; `None` if there was none.
    pub(crate) fn remove_link(&mut self, repository: &str, digest: &Digest) -> Option<Freed> {
        let links = self.links.get_mut(repository)?;
        links.remove(digest)?;
        if links.is_empty() {
            self.links.remove(repository);
        }
        let mut freed = Freed::default();
        self.free_blob(digest, &mut freed);
        Some(freed)
    }

    /// Whether a blob was deleted in a repository in which it is named still.
    pub(crate) fn is_deleted(&self, repository: &str, digest: &Digest) -> bool {
        let deleted = self.deleted.get(repository);
        deleted.is_some_and(|deleted| deleted.contains(digest))
    }

    /// Notes that; answers whether it is new.
    pub(crate) fn set_deleted(&mut self, repository: &str, digest: &Digest, is: bool) -> bool {
        if is {
            return self
                .deleted
                .entry(repository.to_owned())
                .or_default()
                .insert(*digest);
        }
        let Some(deleted) = self.deleted.get_mut(repository) else {
            return false;
        };
        let was = deleted.remove(digest);
        if deleted.is_empty() {
            self.deleted.remove(repository);
        }
        was
    }

    /// Blobs that were deleted where nothing names them any more.
    pub(crate) fn forgotten(&self) -> Vec<(String, Digest)> {
        let mut forgotten = Vec::new();
        for (repository, deleted) in &self.deleted {
            let named = Reference::parse(repository);
            let named = named.map(|named| self.named_in(&named)).unwrap_or_default();
            let unnamed = deleted.iter().filter(|digest| !named.contains(*digest));
            forgotten.extend(unnamed.map(|digest| (repository.clone(), *digest)));
        }
        forgotten
    }

    /// Links from before `second`, or from then, whose blobs no manifest of their repository names.
    pub(crate) fn idle_links(&self, second: i64) -> Vec<(String, Digest)> {
        let mut idle = Vec::new();
        for (repository, links) in &self.links {
            let old = links.iter().filter(|(_, link)| link.time() <= second);
            let mut old: Vec<Digest> = old.map(|(digest, _)| *digest).collect();
            if old.is_empty() {
                continue;
            }
            let named = Reference::parse(repository);
            let used = named.map(|named| self.blobs_of(&named)).unwrap_or_default();
            old.retain(|digest| !used.contains(digest));
            idle.extend(old.into_iter().map(|digest| (repository.clone(), digest)));
        }
        idle
    }

    pub(crate) fn add_compressed(&mut self, name: CompressedName, blob: Descriptor) {
        self.hold_blob(blob.digest);
        self.compressed.insert(name, blob);
    }

    pub(crate) fn compressed(&self, name: &CompressedName) -> Option<&Descriptor> {
        self.compressed.get(name)
    }

    /// A layer that is gone needs no compressed form.
    pub(super) fn forget_compressed(&mut self, diff_id: &Digest, freed: &mut Freed) {
        if self.compressed.is_empty() || self.has_diff_id(diff_id) {
            return;
        }
        let gone = self.compressed.extract_if(.., |name, _| name.diff_id == *diff_id);
        for (name, blob) in gone.collect::<Vec<_>>() {
            self.free_blob(&blob.digest, freed);
            freed.compressed.push(name);
        }
    }
}
