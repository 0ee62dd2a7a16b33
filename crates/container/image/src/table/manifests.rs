//! Manifests and blobs, and who needs them.

use std::sync::Arc;

use super::{Freed, Table};
use crate::{Digest, ManifestSummary};

/// A manifest that is here.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) summary: Arc<ManifestSummary>,
    /// Whether its bytes are a blob of their own, being too long for a row.
    pub(crate) file: bool,
}

impl Kept {
    pub(super) fn blobs(&self) -> impl Iterator<Item = Digest> {
        let own = self.file.then_some(self.summary.digest);
        let named = self.summary.blobs().map(|blob| blob.digest);
        own.into_iter().chain(named)
    }
}

impl Table {
    /// Adds a manifest that nobody names yet. Of one that is there, only the media type may be new.
    pub(crate) fn add_manifest(&mut self, kept: Kept) {
        let digest = kept.summary.digest;
        if self.manifests.insert(digest, kept.clone()).is_some() {
            return;
        }
        for child in &kept.summary.manifests {
            self.hold_manifest(Some(child.digest));
        }
        for blob in kept.blobs() {
            self.hold_blob(blob);
        }
        if let Some(subject) = &kept.summary.subject {
            self.subjects.entry(subject.digest).or_default().insert(digest);
        }
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Option<&Kept> {
        self.manifests.get(digest)
    }

    /// Manifests that are about another one.
    pub(crate) fn about(&self, subject: &Digest) -> impl Iterator<Item = &Kept> {
        let found = self.subjects.get(subject).into_iter().flatten();
        found.filter_map(|digest| self.manifests.get(digest))
    }

    /// Counts a use of a manifest, be it here or not.
    pub(crate) fn hold_manifest(&mut self, digest: Option<Digest>) {
        if let Some(digest) = digest {
            *self.named.entry(digest).or_default() += 1;
        }
    }

    /// Takes back a use; with its last one a manifest leaves the table, and frees what it names.
    pub(crate) fn free_manifest(&mut self, digest: Option<Digest>, freed: &mut Freed) {
        let mut waiting: Vec<Digest> = digest.into_iter().collect();
        while let Some(digest) = waiting.pop() {
            if take(&mut self.named, &digest) {
                waiting.extend(self.remove_manifest(&digest, freed));
            }
        }
    }

    /// What it names in turn loses a use.
    pub(crate) fn remove_manifest(&mut self, digest: &Digest, freed: &mut Freed) -> Vec<Digest> {
        let Some(kept) = self.manifests.remove(digest) else {
            return Vec::new();
        };
        for blob in kept.blobs() {
            self.free_blob(&blob, freed);
        }
        if let Some(subject) = &kept.summary.subject {
            self.forget_subject(&subject.digest, digest);
        }
        freed.manifests.push(*digest);
        kept.summary.manifests.iter().map(|child| child.digest).collect()
    }

    fn forget_subject(&mut self, subject: &Digest, about: &Digest) {
        if let Some(others) = self.subjects.get_mut(subject) {
            others.remove(about);
            if others.is_empty() {
                self.subjects.remove(subject);
            }
        }
    }

    /// What a crash has left: layers that nobody uses, manifests that nobody names.
    pub(crate) fn free_unused(&mut self) -> Freed {
        let mut freed = Freed::default();
        self.free_unused_layers(&mut freed);
        let unnamed = self
            .manifests
            .keys()
            .filter(|digest| !self.named.contains_key(*digest));
        for digest in unnamed.copied().collect::<Vec<_>>() {
            self.hold_manifest(Some(digest));
            self.free_manifest(Some(digest), &mut freed);
        }
        freed
    }

    /// Whether somebody needs the blob.
    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest)
    }

    pub(crate) fn hold_blob(&mut self, digest: Digest) {
        *self.blobs.entry(digest).or_default() += 1;
    }

    pub(crate) fn free_blob(&mut self, digest: &Digest, freed: &mut Freed) {
        if take(&mut self.blobs, digest) {
            freed.blobs.push(*digest);
        }
    }
}

/// Counts down; answers whether that was the last.
fn take(counts: &mut std::collections::HashMap<Digest, usize>, digest: &Digest) -> bool {
    let Some(count) = counts.get_mut(digest) else {
        return false;
    };
    *count -= 1;
    let last = *count == 0;
    if last {
        counts.remove(digest);
    }
    last
}

#[cfg(test)]
mod tests;
