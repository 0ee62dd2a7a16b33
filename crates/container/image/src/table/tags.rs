//! Names, and what images show of them.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Freed, Kept, Table, Tag};
use crate::standing::{By, Standing};
use crate::{Digest, Image, ManifestSummary, Reference, Target};

/// What a name is to stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) target: Target,
    pub(crate) standing: Standing,
    pub(crate) time: Timestamp,
}

impl Table {
    /// The image that a name stands for, as far as docker goes.
    pub(crate) fn tagged(&self, reference: &Reference) -> Option<Digest> {
        let tag = self.tag(reference).filter(|tag| !tag.standing.hidden)?;
        tag.target.image
    }

    /// What a name stands for in our registry.
    pub(crate) fn offered(&self, reference: &Reference) -> Option<Target> {
        let tag = self.tag(reference).filter(|tag| !tag.standing.unserved)?;
        Some(tag.target)
    }

    /// Whose a name is that somebody gives.
    pub(crate) fn standing(&self, reference: &Reference, by: By, target: Target) -> Standing {
        Standing::given(self.tag(reference).map(|tag| tag.standing), by, target)
    }

    /// What stays of a name that docker removes: what was pushed under it, and is in the registry still.
    pub(crate) fn without_docker(&self, reference: &Reference) -> Option<(Target, Standing)> {
        let tag = self.tag(reference)?;
        let pushed = tag.standing.pushed?;
        let pinned = Reference {
            digest: Some(pushed),
            ..reference.repository()
        };
        let target = if tag.target.manifest == Some(pushed) {
            tag.target
        } else {
            // Docker has given the name to something else since.
            self.offered(&pinned)?
        };
        Some((target, Standing::without_docker(pushed)))
    }

    /// What stays of a name that is deleted in our registry: docker's.
    pub(crate) fn without_registry(&self, reference: &Reference) -> Option<(Target, Standing)> {
        let tag = self.tag(reference)?;
        let image = self.images.get(&tag.target.image?)?;
        let unpacked = !image.asleep && !image.layers.is_empty();
        Some((tag.target, tag.standing.without_registry(unpacked)?))
    }

    /// The image of a name that docker shows and that stands for this manifest or index.
    pub(crate) fn named_by(&self, manifest: &Digest) -> Option<Digest> {
        let mut tags = self.tags.values();
        let is_it = |tag: &&Tag| tag.target.manifest == Some(*manifest) && !tag.standing.hidden;
        tags.find(is_it)?.target.image
    }

    /// Manifests of an image: the one it came by, and those that its names stand for or list.
    pub(crate) fn manifests_for(&self, image: &Image) -> Vec<Arc<ManifestSummary>> {
        let named = self
            .tags
            .values()
            .filter(|tag| tag.target.image == Some(image.id));
        let tops = image
            .manifest
            .into_iter()
            .chain(named.filter_map(|tag| tag.target.manifest));
        let (mut waiting, mut seen, mut found): (Vec<Digest>, _, _) =
            (tops.collect(), HashSet::new(), Vec::new());
        waiting.reverse();
        while let Some(digest) = waiting.pop() {
            let Some(kept) = self.manifest(&digest).filter(|_| seen.insert(digest)) else {
                continue;
            };
            let config = kept.summary.config.as_ref();
            if config.is_some_and(|config| config.digest == image.id) {
                found.push(kept.summary.clone());
            }
            waiting.extend(kept.summary.manifests.iter().map(|child| child.digest));
        }
        found
    }

    pub(crate) fn tag(&self, reference: &Reference) -> Option<Tag> {
        self.tags.get(reference).copied()
    }

    /// All names, with what they stand for.
    pub(crate) fn all_tags(&self) -> impl Iterator<Item = (&Reference, Target)> {
        self.tags.iter().map(|(name, tag)| (name, tag.target))
    }

    /// Whether a manifest was pushed to our registry, or is listed by one that was.
    pub(crate) fn is_pushed(&self, digest: &Digest) -> bool {
        let tags = self.tags.values();
        let pushed = tags.filter_map(|tag| tag.standing.pushed.filter(|_| !tag.standing.unserved));
        let (mut waiting, mut seen): (Vec<Digest>, _) = (pushed.collect(), HashSet::new());
        while let Some(next) = waiting.pop() {
            if next == *digest {
                return true;
            }
            if let Some(kept) = self.manifest(&next).filter(|_| seen.insert(next)) {
                waiting.extend(kept.summary.manifests.iter().map(|child| child.digest));
            }
        }
        false
    }

    /// Names that nobody sees and that keep indexes for an image ([`Reference::nameless`]).
    pub(crate) fn nameless(&self, id: &Digest) -> Vec<Reference> {
        let of_image = self.tags.iter().filter(|(_, tag)| tag.target.image == Some(*id));
        let names = of_image.map(|(name, _)| name).filter(|name| name.is_nameless());
        names.cloned().collect()
    }

    /// The manifests that names stand for.
    pub(crate) fn named_manifests(&self) -> impl Iterator<Item = &Digest> {
        self.tags.values().filter_map(|tag| tag.target.manifest.as_ref())
    }

    /// All names in a repository, in order: tags, then those with a digest.
    pub(crate) fn names_of(&self, repository: &Reference) -> impl Iterator<Item = (&Reference, &Tag)> {
        let names = self.tags.range(repository.repository()..);
        names.take_while(|(name, _)| name.is_in(repository))
    }

    /// Those that our registry serves.
    pub(crate) fn served_in(&self, repository: &Reference) -> impl Iterator<Item = (&Reference, &Target)> {
        let names = self.names_of(repository);
        let served = names.filter(|(_, tag)| !tag.standing.unserved);
        served.map(|(name, tag)| (name, &tag.target))
    }

    /// The first name after all names in a repository.
    pub(crate) fn after(&self, repository: &Reference) -> Option<&Reference> {
        let last = repository.last_of_repository();
        let bounds = (Bound::Excluded(last), Bound::Unbounded);
        self.tags.range(bounds).next().map(|(name, _)| name)
    }

    /// All tags of a repository that name images, as far as docker goes.
    pub(crate) fn tags_of(&self, repository: &Reference) -> Vec<(Reference, Digest)> {
        let named = self.names_of(repository);
        let shown = named.filter(|(_, tag)| !tag.standing.hidden);
        shown
            .filter_map(|(reference, tag)| Some((reference.clone(), tag.target.image?)))
            .collect()
    }

    /// Every manifest that is in a repository: those that have a name there, and what those list.
    pub(crate) fn manifests_of(&self, repository: &Reference) -> Vec<&Kept> {
        let named = self
            .served_in(repository)
            .filter_map(|(_, target)| target.manifest);
        let mut waiting: Vec<Digest> = named.collect();
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        while let Some(digest) = waiting.pop() {
            let Some(kept) = self.manifest(&digest).filter(|_| seen.insert(digest)) else {
                continue;
            };
            waiting.extend(kept.summary.manifests.iter().map(|child| child.digest));
            found.push(kept);
        }
        found
    }

    /// Every image that has a name in a repository.
    pub(crate) fn images_of(&self, repository: &Reference) -> Vec<&Arc<Image>> {
        let named = self.served_in(repository).filter_map(|(_, target)| target.image);
        let mut seen = HashSet::new();
        named
            .filter(|id| seen.insert(*id))
            .filter_map(|id| self.images.get(&id))
            .collect()
    }

    /// Whether a manifest is in a repository: by a name of its own, or listed by one that is.
    pub(crate) fn has_manifest_in(&self, repository: &Reference, digest: &Digest) -> bool {
        Within::new(repository).has_manifest(self, digest)
    }

    /// Whether a manifest or an image of a repository has a blob.
    pub(crate) fn has_blob_in(&self, repository: &Reference, digest: &Digest) -> bool {
        let in_manifest = |kept: &&Kept| kept.summary.blobs().any(|blob| blob.digest == *digest);
        let in_image = |image: &&Arc<Image>| {
            let mut blobs = image.layers.iter().filter_map(|layer| layer.blob.as_ref());
            image.id == *digest || blobs.any(|blob| blob.digest == *digest)
        };
        self.may_have_blob(digest)
            && !self.is_deleted(&repository.name(), digest)
            && (self.manifests_of(repository).iter().any(in_manifest)
                || self.images_of(repository).iter().any(in_image))
    }

    /// Whether anything has the blob: most questions are about new ones.
    fn may_have_blob(&self, digest: &Digest) -> bool {
        self.has_blob(digest) || self.images.contains_key(digest)
    }

    /// Every blob that manifests and images of a repository name and that was not deleted there.
    pub(super) fn blobs_of(&self, repository: &Reference) -> HashSet<Digest> {
        let mut blobs = self.named_in(repository);
        let name = repository.name();
        blobs.retain(|digest| !self.is_deleted(&name, digest));
        blobs
    }

    /// Every blob that manifests and images of a repository name.
    pub(super) fn named_in(&self, repository: &Reference) -> HashSet<Digest> {
        let mut blobs = HashSet::new();
        for kept in self.manifests_of(repository) {
            blobs.extend(kept.summary.blobs().map(|blob| blob.digest));
        }
        for image in self.images_of(repository) {
            blobs.insert(image.id);
            blobs.extend(
                image
                    .layers
                    .iter()
                    .filter_map(|layer| Some(layer.blob.as_ref()?.digest)),
            );
        }
        blobs
    }

    /// Makes a name stand for something from some time on, or for nothing; answers what it stood for.
    pub(crate) fn set_tag(&mut self, reference: &Reference, given: Option<Given>) -> (Option<Tag>, Freed) {
        // What it stands for next may be what it stood for: that must not go in between.
        self.hold_manifest(given.and_then(|given| given.target.manifest));
        let previous = match given {
            Some(Given { target, standing, .. }) => {
                self.tagged += 1;
                let tag = Tag {
                    target,
                    standing,
                    serial: self.tagged,
                };
                self.tags.insert(reference.clone(), tag)
            }
            None => self.tags.remove(reference),
        };
        let mut freed = Freed::default();
        self.free_manifest(previous.and_then(|tag| tag.target.manifest), &mut freed);
        if let Some(tag) = previous {
            self.show(tag.target.image, |image| image.lose(reference, tag.standing));
        }
        if let Some(given) = given {
            self.show(given.target.image, |image| image.gain(reference, &given));
        }
        (previous, freed)
    }

    fn show(&mut self, id: Option<Digest>, change: impl FnOnce(&mut Image)) {
        if let Some(image) = id.and_then(|id| self.images.get_mut(&id)) {
            change(Arc::make_mut(image));
        }
    }
}

/// What is in one repository, for whoever asks more than once: all of it is gathered at the first question that names
/// alone do not answer, since a manifest may name thousands in a repository of thousands.
pub(crate) struct Within<'a> {
    repository: &'a Reference,
    manifests: Option<HashSet<Digest>>,
    blobs: Option<HashSet<Digest>>,
}

impl<'a> Within<'a> {
    pub(crate) const fn new(repository: &'a Reference) -> Self {
        Self {
            repository,
            manifests: None,
            blobs: None,
        }
    }

    /// As [`Table::has_manifest_in`]. The table must be the same one each time, and not have changed.
    pub(crate) fn has_manifest(&mut self, table: &Table, digest: &Digest) -> bool {
        let pinned = Reference {
            digest: Some(*digest),
            ..self.repository.repository()
        };
        if table.manifest(digest).is_none() {
            return false;
        }
        let gather = || {
            let all = table.manifests_of(self.repository);
            all.into_iter().map(|kept| kept.summary.digest).collect()
        };
        table.offered(&pinned).is_some() || self.manifests.get_or_insert_with(gather).contains(digest)
    }

    /// As [`Table::has_blob_in`].
    pub(crate) fn has_blob(&mut self, table: &Table, digest: &Digest) -> bool {
        let gather = || table.blobs_of(self.repository);
        table.may_have_blob(digest) && self.blobs.get_or_insert_with(gather).contains(digest)
    }
}

impl Image {
    /// What docker was told to forget is counted and not shown.
    fn gain(&mut self, reference: &Reference, given: &Given) {
        if reference.is_nameless() {
            return;
        }
        if given.standing.hidden {
            self.kept += 1;
            return;
        }
        self.hide(reference);
        self.show(reference, given.time);
    }

    fn lose(&mut self, reference: &Reference, standing: Standing) {
        if reference.is_nameless() {
            return;
        }
        if standing.hidden {
            self.kept = self.kept.saturating_sub(1);
        } else {
            self.hide(reference);
        }
    }

    fn show(&mut self, reference: &Reference, time: Timestamp) {
        self.be_shown();
        self.last_tagged = self.last_tagged.max(Some(time));
        if reference.digest.is_none() {
            let place = self.tags.partition_point(|other| other < reference);
            self.tags.insert(place, reference.clone());
            return;
        }
        self.digests.push(reference.familiar());
        self.digests
            .sort_by_cached_key(|name| Reference::parse(name).ok());
    }

    fn hide(&mut self, reference: &Reference) {
        self.tags.retain(|tag| tag != reference);
        if reference.digest.is_some() {
            let shown = reference.familiar();
            self.digests.retain(|name| *name != shown);
        }
    }
}
