//! The repositories of our own registry. A repository is the beginning of references: what has a name
//! `REPOSITORY:TAG` or `REPOSITORY@DIGEST` is in it, whoever gave that name.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::Durability;

use super::compose::{Form, compose};
use super::{Image, Images, ServedManifest, Target, Unlinked};
use crate::inner::Inner;
use crate::rows::TagRow;
use crate::table::{Freed, Given, Table, Within};
use crate::{Descriptor, Digest, Error, ManifestSummary, Reference, ReferenceError, claims};

impl Images {
    /// The manifest that a tag or a digest names in a repository. An image that was built, loaded or
    /// committed here and was never pushed gets one now, the same each time.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn manifest_in(&self, reference: &Reference) -> Result<Option<ServedManifest>, Error> {
        match reference.digest {
            Some(digest) => self.by_digest(reference, &digest),
            None => self.by_tag(reference),
        }
    }

    fn by_tag(&self, reference: &Reference) -> Result<Option<ServedManifest>, Error> {
        let Some(target) = self.offered(reference) else {
            return Ok(None);
        };
        let image = target.image.and_then(|id| self.get(&id));
        image.iter().for_each(|image| self.inner.touch(&image.id));
        let came_by = image.as_ref().and_then(|image| image.manifest);
        for digest in target.manifest.into_iter().chain(came_by) {
            let whole = self.is_whole(&self.inner.read(), reference, &digest);
            if whole && let Some(served) = self.served(&digest)? {
                return Ok(Some(served));
            }
        }
        if let Some(served) = image.and_then(|image| composed(&image)) {
            return Ok(Some(served));
        }
        target.manifest.map_or(Ok(None), |digest| self.served(&digest))
    }

    fn by_digest(&self, reference: &Reference, digest: &Digest) -> Result<Option<ServedManifest>, Error> {
        let table = self.inner.read();
        let came_by = |image: &&Arc<Image>| image.manifest == Some(*digest);
        let images = table.images_of(reference);
        let named = table.has_manifest_in(reference, digest);
        if named || images.iter().any(came_by) && self.is_whole(&table, reference, digest) {
            drop(table);
            return self.served(digest);
        }
        let mut made = images.into_iter().filter_map(|image| composed(image));
        Ok(made.find(|made| made.digest == *digest))
    }

    /// The manifest with this digest that an image would get here which has none of its own.
    #[must_use]
    pub fn made_manifest(&self, digest: &Digest) -> Option<ServedManifest> {
        let images = self.all();
        let mut made = images.iter().filter_map(|image| composed(image));
        made.find(|made| made.digest == *digest)
    }

    /// What a name stands for in our registry: none if it was deleted there, be it docker's still. In memory.
    #[must_use]
    pub fn offered(&self, reference: &Reference) -> Option<Target> {
        self.inner.read().offered(reference)
    }

    /// Whether all that a manifest names is here, and in the repository: an image may have come by layers that lie here
    /// otherwise, or that are here for other pushes only. An index is served in any case: it is what the name stands for.
    fn is_whole(&self, table: &Table, reference: &Reference, digest: &Digest) -> bool {
        let Some(kept) = table.manifest(digest) else {
            return false;
        };
        let (summary, repository) = (&kept.summary, reference.name());
        let linked = |blob: &Descriptor| table.link(&repository, &blob.digest).is_some();
        if summary.blobs().all(linked) {
            return true;
        }
        let named = reference.repository();
        let mut within = Within::new(&named);
        let is_in = within.has_manifest(table, digest)
            || summary
                .blobs()
                .all(|blob| linked(blob) || within.has_blob(table, &blob.digest));
        is_in && self.has_files(table, summary)
    }

    /// Whether the files of all blobs of a manifest are here.
    pub(super) fn has_all_blobs(&self, summary: &ManifestSummary) -> bool {
        self.has_files(&self.inner.read(), summary)
    }

    fn has_files(&self, table: &Table, summary: &ManifestSummary) -> bool {
        let here = |blob: &Descriptor| self.inner.content.has(&blob.digest);
        let config = |blob: &Descriptor| here(blob) || table.image(&blob.digest).is_some();
        summary.config.as_ref().is_none_or(config) && summary.layers.iter().all(here)
    }

    /// A stored manifest as it is sent.
    pub(super) fn served(&self, digest: &Digest) -> Result<Option<ServedManifest>, Error> {
        let stored = self.stored_manifest(digest)?;
        Ok(stored.map(|stored| ServedManifest {
            digest: *digest,
            media_type: stored.summary.media_type.clone(),
            bytes: stored.bytes,
        }))
    }

    /// Repositories of a registry (`localhost:5000`) by the rest of their names, those after `after`, in order, at
    /// most `limit`.
    #[must_use]
    pub fn repositories(&self, domain: &str, after: &str, limit: usize) -> Vec<String> {
        let table = self.inner.read();
        let mut at = Reference {
            domain: domain.to_owned(),
            path: after.to_owned(),
            tag: None,
            digest: None,
        };
        let mut found = Vec::new();
        while found.len() < limit {
            match table.after(&at) {
                Some(next) if next.domain == domain => {
                    at = next.repository();
                    if table.served_in(&at).next().is_some() {
                        found.push(at.path.clone());
                    }
                }
                _ => break,
            }
        }
        found
    }

    /// Whole names of repositories that may have a blob, at most `limit`: first those that it is linked to, then all that
    /// have names, whose images may have it.
    #[must_use]
    pub fn may_have(&self, digest: &Digest, limit: usize) -> Vec<String> {
        let table = self.inner.read();
        let mut found: Vec<String> = table.linked_to(digest).take(limit).cloned().collect();
        // In order, so that the same one is mounted from each time.
        found.sort_unstable();
        let mut at = Reference {
            domain: String::new(),
            path: String::new(),
            tag: None,
            digest: None,
        };
        while let Some(next) = table.after(&at).filter(|_| found.len() < limit) {
            found.push(next.name());
            at = next.repository();
        }
        found
    }

    /// Tags of a repository after the tag `after`, in order, at most `limit`; `None` if there is no such
    /// repository.
    #[must_use]
    pub fn tags_in(&self, repository: &str, after: &str, limit: usize) -> Option<Vec<String>> {
        let named = named(repository).ok()?;
        let table = self.inner.read();
        if table.served_in(&named).next().is_none() && !table.has_links(repository) {
            return None;
        }
        let names = table.served_in(&named).filter_map(|(name, _)| name.tag.as_ref());
        let tags = names.filter(|tag| tag.as_str() > after).take(limit);
        Some(tags.cloned().collect())
    }

    /// The notes of a stored manifest; none of one that is not here.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn annotations(&self, digest: &Digest) -> Result<BTreeMap<String, String>, Error> {
        self.inner.annotations(digest)
    }

    /// Manifests of the repository that are about another one (distribution-spec, "Listing Referrers"), without their notes
    /// ([`Self::annotations`]).
    #[must_use]
    pub fn referrers(&self, repository: &str, subject: &Digest) -> Vec<Descriptor> {
        let Ok(named) = named(repository) else {
            return Vec::new();
        };
        let table = self.inner.read();
        let about = table.about(subject).map(|kept| &kept.summary);
        let mut within = Within::new(&named);
        let here = about.filter(|summary| within.has_manifest(&table, &summary.digest));
        here.map(|summary| referrer(summary)).collect()
    }

    /// Takes a tag out of our registry, durably; answers what it named. What has no name any more and was never run goes with
    /// it. A name that docker gave or pulled itself, or whose image is unpacked, stays docker's.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn untag(&self, reference: &Reference) -> Result<Option<Target>, Error> {
        let Some(target) = self.offered(reference) else {
            return Ok(None);
        };
        self.inner.unserve(std::slice::from_ref(reference))?;
        self.forget_nameless(target.image)?;
        Ok(Some(target))
    }

    /// Takes a manifest out of a repository of our registry with all tags there that name it, durably; `None` if it is
    /// not in it by a name of its own. Docker's names stay, as with [`Self::untag`].
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn delete_manifest(&self, repository: &str, digest: &Digest) -> Result<Option<Unlinked>, Error> {
        let named = named(repository)?;
        let names: Vec<(Reference, Target)> = {
            let table = self.inner.read();
            let is_it = |target: &Target| match (target.manifest, target.image) {
                (Some(manifest), _) => manifest == *digest,
                (None, Some(id)) => {
                    let image = table.image(&id);
                    let made =
                        |image: &Arc<Image>| composed(image).is_some_and(|made| made.digest == *digest);
                    image.is_some_and(|image| image.manifest == Some(*digest) || made(&image))
                }
                (None, None) => false,
            };
            let names = table.served_in(&named).filter(|(_, target)| is_it(target));
            names.map(|(name, target)| (name.clone(), *target)).collect()
        };
        if names.is_empty() {
            return Ok(None);
        }
        let (names, targets): (Vec<Reference>, Vec<Target>) = names.into_iter().unzip();
        self.inner.unserve(&names)?;
        let mut unlinked = Unlinked {
            tags: names.into_iter().filter_map(|name| name.tag).collect(),
            images: Vec::new(),
        };
        for target in targets {
            unlinked.images.extend(self.forget_nameless(target.image)?);
        }
        Ok(Some(unlinked))
    }

    /// Removes an image that nobody has a name for, nobody builds upon, and nobody has ever run: no container can
    /// need it. Any other stays for `docker image prune`.
    fn forget_nameless(&self, id: Option<Digest>) -> Result<Option<Digest>, Error> {
        let inner = &self.inner;
        let Some(id) = id else { return Ok(None) };
        let claim = inner.claims.take([claims::image(&id)]);
        let freed = {
            let mut table = inner.write();
            let goes = table
                .image(&id)
                .is_some_and(|image| was_only_pushed(&table, &image));
            if !goes || table.holds(&id) > 0 || !table.children(&id).is_empty() {
                return Ok(None);
            }
            table.remove_image(&id).1
        };
        inner.delete_image_rows(&id, Durability::Durable)?;
        drop(claim);
        inner.discard(freed);
        Ok(Some(id))
    }
}

/// Whether nobody has a name for an image, and no container can stand upon it.
fn was_only_pushed(table: &Table, image: &Image) -> bool {
    let nameless =
        image.is_dangling() && image.kept == 0 && !image.result && table.nameless(&image.id).is_empty();
    // Without layers there is nothing to unpack, so it does not show whether it was run.
    let untouched = image.layers.is_empty()
        && image.manifest.is_some()
        && image.step.is_none()
        && !table.is_under_writable(None);
    nameless && (image.asleep || untouched)
}

impl Inner {
    /// Has our registry forget names; those that are docker's stay. All of it is durable with the last.
    fn unserve(&self, names: &[Reference]) -> Result<(), Error> {
        let mut gone = Vec::new();
        for name in names {
            let _claim = self.claims.take([claims::tag(name)]);
            let Some((target, standing)) = self.read().without_registry(name) else {
                gone.push(name.clone());
                continue;
            };
            let time = self.now();
            self.give(
                name,
                Given {
                    target,
                    standing,
                    time,
                },
                Durability::Durable,
            )?;
        }
        self.untag_all(&gone)
    }

    /// Takes names away; all of it is durable with the last.
    pub(super) fn untag_all(&self, names: &[Reference]) -> Result<(), Error> {
        let _claim = self.claims.take(names.iter().map(claims::tag));
        for (at, name) in names.iter().enumerate() {
            let last = at + 1 == names.len();
            let durability = if last {
                Durability::Durable
            } else {
                Durability::Relaxed
            };
            self.rows.delete::<TagRow>(name, durability)?;
        }
        let mut freed = Freed::default();
        {
            let mut table = self.write();
            for name in names {
                freed.extend(table.set_tag(name, None).1);
            }
        }
        self.discard(freed);
        Ok(())
    }
}

/// A repository's whole name, and nothing else.
pub(super) fn named(repository: &str) -> Result<Reference, Error> {
    let named = Reference::parse(repository)?;
    // A short name is another one's whole name only by chance.
    if named.is_name_only() && named.name() == repository {
        Ok(named)
    } else {
        Err(ReferenceError::Format.into())
    }
}

/// The manifest of an image that came by none.
fn composed(image: &Image) -> Option<ServedManifest> {
    let layers: Option<Vec<Descriptor>> = image.layers.iter().map(|layer| layer.blob.clone()).collect();
    compose(image, &layers?, Form::Oci).ok().map(|(served, _)| served)
}

fn referrer(summary: &ManifestSummary) -> Descriptor {
    let mut descriptor = Descriptor::new(&summary.media_type, summary.digest, summary.size);
    descriptor.artifact_type = summary.kind().map(str::to_owned);
    descriptor
}
