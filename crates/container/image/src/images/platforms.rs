//! Removing single platforms of what a name stands for (`docker image rm --platform`).
//!
//! The index stays as it is, since its digest is its name; what it lists is not here any more, as if it had never been pulled.

use std::sync::Arc;

use super::conflict::{self, Strictness, refusal};
use super::names::identifier;
use super::{Images, Remove, Removed, Use};
use crate::table::{Freed, Table};
use crate::{Digest, Error, ManifestSummary, Platform, Reference, Target};

impl Images {
    /// Takes away what is here of some platforms of an image: their manifests, and the images that they are. Names that stood
    /// for one of those stand for another platform's from then on; the last platform that is here goes with the image and its
    /// name. Answers what went, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], also where a platform is not here, and [`Error::Conflict`] about what is used, or served by our
    /// own registry, which keeps what was pushed until it is deleted there.
    pub fn remove_platforms(
        &self,
        called: &str,
        platforms: &[Platform],
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        let mut removed = Vec::new();
        for platform in platforms {
            removed.extend(self.remove_platform(called, platform, used)?);
        }
        Ok(removed)
    }

    fn remove_platform(
        &self,
        called: &str,
        platform: &Platform,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        let image = self.resolve(called)?;
        let missing = || {
            let variant = platform.variant.iter().map(|variant| format!("/{variant}"));
            let variant: String = variant.collect();
            let Platform { os, architecture, .. } = platform;
            Error::NoSuchImage(format!("{called} ({os}/{architecture}{variant})"))
        };
        let Some(index) = self.index_called(called) else {
            let is_it = platform.is_met_by(&image.config.platform());
            return if is_it {
                self.remove_whole(called, used)
            } else {
                Err(missing())
            };
        };
        let summary = self
            .in_index(&index, platform)
            .into_iter()
            .next()
            .ok_or_else(missing)?;
        if !self.is_last(&index, &summary) {
            return self.remove_variant(&summary, used);
        }
        self.remove_whole(called, used)
    }

    fn remove_whole(&self, called: &str, used: &dyn Fn(&Digest) -> Vec<Use>) -> Result<Vec<Removed>, Error> {
        let options = Remove {
            force: true,
            prune_parents: true,
        };
        self.remove(called, options, used)
    }

    /// Whether no other image of an index is here.
    fn is_last(&self, index: &ManifestSummary, summary: &ManifestSummary) -> bool {
        let listed = index
            .manifests
            .iter()
            .filter(|entry| entry.digest != summary.digest);
        !listed
            .filter_map(|entry| self.manifest(&entry.digest))
            .any(|other| self.is_image(&other))
    }

    /// Whether it is an image, all of which is here.
    fn is_image(&self, summary: &ManifestSummary) -> bool {
        let known = |config: &crate::Descriptor| self.platform_of(&config.digest).is_some();
        summary.config.as_ref().is_some_and(known) && self.has_all_blobs(summary)
    }

    /// The platform that a configuration says; none of what is not here, or speaks of something else than an image.
    fn platform_of(&self, config: &Digest) -> Option<Platform> {
        let platform = match self.get(config) {
            Some(image) => image.config.platform(),
            None => crate::ImageConfig::parse(&self.inner.content.read(config).ok()?)
                .ok()?
                .platform(),
        };
        (platform.os == "linux").then_some(platform)
    }

    fn remove_variant(
        &self,
        summary: &Arc<ManifestSummary>,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        let digest = summary.digest;
        let id = summary.config.as_ref().map(|config| config.digest);
        if self.inner.read().is_pushed(&digest) {
            return Err(Error::Conflict(format!(
                "unable to delete {} (cannot be forced) - the node's registry serves it: delete it there",
                digest.short()
            )));
        }
        let image = id.and_then(|id| self.get(&id));
        if let Some(image) = &image {
            if let Some(conflict) = conflict::find(self, &image.id, Strictness::Hard, used) {
                return Err(refusal(&image.id, &conflict));
            }
            let indexes = self.inner.read().indexes_for(&image.id);
            for (name, top) in indexes {
                self.stand_for_another(&name, top, &digest)?;
            }
        }
        let mut removed = Vec::new();
        if let Some(image) = image.and_then(|image| self.get(&image.id)) {
            // One that has names of its own by now, or before, is an image of its own.
            if image.is_dangling() {
                removed = self.remove_nameless(&image.id, Remove::default(), used)?;
            } else {
                return Err(Error::Conflict(format!(
                    "unable to delete {} (cannot be forced) - image is referenced by a name of its own",
                    image.id.short()
                )));
            }
        }
        let freed = self.inner.write().drop_manifest(&digest);
        self.inner.discard(freed);
        removed.push(Removed::Deleted(digest));
        Ok(removed)
    }

    /// Lets a name stand for the image of another platform of its index.
    fn stand_for_another(&self, name: &Reference, top: Digest, without: &Digest) -> Result<(), Error> {
        let index = self.manifest(&top);
        let listed = index.iter().flat_map(|index| &index.manifests);
        let others = listed.filter(|entry| entry.digest != *without);
        for other in others.filter_map(|entry| self.manifest(&entry.digest)) {
            if !self.is_image(&other) {
                continue;
            }
            let lease = self.inner.own_lease("platform")?;
            if let Some(image) = self.register_asleep(&lease, &other, &|_| true)? {
                self.tag_under(&lease, name, Target::manifest(top, Some(image.id)))?;
                return lease.keep();
            }
        }
        Err(Error::Conflict(format!(
            "unable to delete {} (cannot be forced) - nothing else is here of {}",
            without.short(),
            name.familiar()
        )))
    }

    /// The index that a name or a digest stands for.
    pub(super) fn index_called(&self, called: &str) -> Option<Arc<ManifestSummary>> {
        if let Some(digest) = identifier(called) {
            return self.manifest(&digest).filter(|manifest| manifest.is_index());
        }
        let name = Reference::parse(called).ok()?.with_default_tag();
        self.index_of(&name)
    }

    /// Keeps an index that has no name, as what a build has made, for as long as the image that a machine runs of it: it counts
    /// with the lease.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::MissingContent`].
    pub fn keep_nameless(&self, lease: &crate::Lease, index: Digest, image: Digest) -> Result<(), Error> {
        let name = Reference::nameless(index);
        self.tag_under(lease, &name, Target::manifest(index, Some(image)))?;
        Ok(())
    }
}

impl Table {
    /// Takes a manifest out that others name still: it is not here any more.
    pub(crate) fn drop_manifest(&mut self, digest: &Digest) -> Freed {
        let mut freed = Freed::default();
        for child in self.remove_manifest(digest, &mut freed) {
            self.free_manifest(Some(child), &mut freed);
        }
        freed
    }

    /// Names of indexes that stand for an image.
    fn indexes_for(&self, id: &Digest) -> Vec<(Reference, Digest)> {
        let named = self.all_tags().filter(|(_, target)| target.image == Some(*id));
        let tops = named.filter_map(|(name, target)| Some((name.clone(), target.manifest?)));
        let is_index = |top: &Digest| self.manifest(top).is_some_and(|top| top.summary.is_index());
        tops.filter(|(_, top)| is_index(top)).collect()
    }
}
