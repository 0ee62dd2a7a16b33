//! A manifest that was pushed to our own registry: checked, stored, named, and, if it is an image, registered
//! asleep, so that `docker run` and pods find it at once and a push pays nothing for unpacking.

use std::sync::Arc;

use bytes::Bytes;

use super::pulled::described;
use super::repository::named;
use super::{Blob, Image, Images, Push, Pushed, Target};
use crate::assemble::NewImage;
use crate::config::MAX_CONFIG;
use crate::inner::{Inner, check_name};
use crate::standing::By;
use crate::table::{Table, Within};
use crate::{
    Descriptor, Digest, Error, ImageConfig, Lease, ManifestSummary, Platform, Reference, media_type,
};

/// An index may list indexes, which may list others.
const MAX_INDEXES: usize = 4;

impl Images {
    /// Stores a manifest that was pushed, under its digest and the tags; durable when this returns. All blobs
    /// and manifests that it names must be in the repository. If it is an image for this machine, or an index
    /// with one, the image is registered asleep.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::WrongDigest`], [`Error::MissingContent`] with all that is missing,
    /// [`Error::Reference`] and [`Error::InvalidTag`] about the names.
    pub fn push_manifest(&self, push: &Push<'_>, bytes: &Bytes) -> Result<Pushed, Error> {
        self.take_manifest(push, bytes, By::Registry)
    }

    /// The same for a manifest that our registry has made for what docker has, since docker pulls it by its digest: nobody
    /// pushed it, so the registry does not keep it.
    ///
    /// # Errors
    /// As [`Self::push_manifest`].
    pub fn enter_manifest(&self, push: &Push<'_>, bytes: &Bytes) -> Result<Pushed, Error> {
        self.take_manifest(push, bytes, By::Docker)
    }

    fn take_manifest(&self, push: &Push<'_>, bytes: &Bytes, by: By) -> Result<Pushed, Error> {
        let repository = named(push.repository)?;
        let names = names(&repository, push.tags)?;
        let algorithm = push.digest.map(|digest| digest.algorithm());
        let summary = ManifestSummary::parse_by(algorithm.unwrap_or_default(), push.media_type, bytes)?;
        if let Some(expected) = push.digest.filter(|expected| *expected != summary.digest) {
            return Err(Error::WrongDigest {
                expected,
                actual: summary.digest,
            });
        }
        let lease = self.inner.own_lease("push")?;
        if by == By::Docker {
            // As if it were uploaded: docker pushes to this registry without sending anything.
            let mut blobs = summary.blobs();
            blobs.try_for_each(|blob| self.inner.undelete(push.repository, &blob.digest))?;
        }
        self.hold_named(&lease, &repository, &summary)?;
        let summary = self.inner.keep_manifest(&lease, summary, bytes)?;
        let image = self.image_of(&lease, &summary, MAX_INDEXES)?;
        let target = Target::manifest(summary.digest, image);
        let pinned = Reference {
            digest: Some(summary.digest),
            ..repository
        };
        self.inner.tag_under(&lease, &pinned, target, by)?;
        let tag = |name: &Reference| self.inner.tag_under(&lease, name, target, by);
        let previous = names.iter().map(tag).collect::<Result<_, Error>>()?;
        lease.keep_rows()?;
        Ok(Pushed {
            digest: summary.digest,
            subject: summary.subject.as_ref().map(|subject| subject.digest),
            image,
            previous,
        })
    }

    /// Makes a name of our own registry stand for one image of what it names: `top` is what the registry calls it, a
    /// manifest or an index, and `manifest` the image's own. The image is registered asleep, unless it is here; durable
    /// when this returns. `None`, and nothing is changed, if it is no image, or none that `fits`.
    ///
    /// # Errors
    /// [`Error::MissingContent`]; the disk's or the store's.
    pub fn choose_pushed(
        &self,
        reference: &Reference,
        top: Digest,
        manifest: Digest,
        fits: &dyn Fn(&ImageConfig) -> bool,
    ) -> Result<Option<Arc<Image>>, Error> {
        let lease = self.inner.own_lease("choose")?;
        let summary = lease.hold_manifest(manifest);
        let summary = summary.ok_or_else(|| Error::MissingContent(vec![manifest]))?;
        let Some(image) = self.register_asleep(&lease, &summary, fits)? else {
            return Ok(None);
        };
        let target = Target::manifest(top, Some(image.id));
        let pinned = Reference {
            digest: Some(top),
            ..reference.repository()
        };
        self.tag_under(&lease, &pinned, target)?;
        if reference.digest.is_none() {
            self.tag_under(&lease, reference, target)?;
        }
        lease.keep_rows()?;
        Ok(Some(image))
    }

    /// Everything that a manifest names must be in the repository, and is held from the moment it is found there.
    fn hold_named(
        &self,
        lease: &Lease,
        repository: &Reference,
        summary: &ManifestSummary,
    ) -> Result<(), Error> {
        let mut found = Found::default();
        found.look(
            &mut self.inner.write(),
            repository,
            summary,
            self.inner.now().as_second(),
        );
        let Found {
            blobs,
            manifests,
            unsure,
            mut missing,
        } = found;
        let settled = self.settle_blobs(&repository.name(), &blobs);
        lease.have_held(blobs, manifests);
        settled?;
        if !unsure.is_empty() {
            // It may have come with a pull that is not durable yet, and it may not be here at all.
            lease.must_sync();
            missing.extend(unsure.into_iter().filter(|digest| !self.is_here(digest)));
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::MissingContent(missing))
        }
    }

    fn is_here(&self, digest: &Digest) -> bool {
        self.inner.content.has(digest) || self.get(digest).is_some()
    }

    /// The image that a manifest is, or that an index has for this machine.
    fn image_of(
        &self,
        lease: &Lease,
        summary: &Arc<ManifestSummary>,
        depth: usize,
    ) -> Result<Option<Digest>, Error> {
        if !summary.is_index() {
            let runs = |config: &ImageConfig| Platform::host().runs(&config.platform());
            let image = self.register_asleep(lease, summary, &runs)?;
            return Ok(image.map(|image| image.id));
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(None);
        };
        let host = Platform::host();
        let runs = |child: &&Descriptor| child.platform.as_ref().is_none_or(|platform| host.runs(platform));
        for child in summary.manifests.iter().filter(runs) {
            if let Some(child) = self.manifest(&child.digest)
                && let Some(id) = self.image_of(lease, &child, depth)?
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// What is no image, or none that fits, is kept as what it is.
    pub(super) fn register_asleep(
        &self,
        lease: &Lease,
        summary: &ManifestSummary,
        fits: &dyn Fn(&ImageConfig) -> bool,
    ) -> Result<Option<Arc<Image>>, Error> {
        let Some(bytes) = self.image_config(summary)? else {
            return Ok(None);
        };
        let config = match described(summary, &bytes) {
            Ok(config) if fits(&config) => config,
            Ok(_) => return Ok(None),
            Err(error) => {
                tracing::debug!(manifest = %summary.digest, %error, "what was pushed is no image");
                return Ok(None);
            }
        };
        if Inner::check_depth(config.rootfs.diff_ids.len()).is_err() {
            return Ok(None);
        }
        let new = NewImage {
            config,
            bytes,
            parent: None,
            manifest: Some(summary.digest),
            // It may exist nowhere else.
            made_here: true,
            asleep: !summary.layers.is_empty(),
            result: false,
            step: None,
        };
        self.inner.register(lease, new).map(Some)
    }

    /// The bytes of an image's configuration.
    fn image_config(&self, summary: &ManifestSummary) -> Result<Option<Bytes>, Error> {
        let is_image = |config: &&Descriptor| {
            let known = matches!(
                &*config.media_type,
                media_type::CONFIG | media_type::DOCKER_CONFIG
            );
            known && config.size <= MAX_CONFIG as u64
        };
        let Some(config) = summary.config.as_ref().filter(is_image) else {
            return Ok(None);
        };
        Ok(match self.open_blob(&config.digest)? {
            Some(Blob::Bytes(bytes)) => Some(bytes),
            Some(Blob::File(_, size)) if size <= MAX_CONFIG as u64 => {
                let read = self.inner.content.read(&config.digest);
                Some(read.map_err(Error::io("read a configuration"))?)
            }
            _ => None,
        })
    }
}

/// The tags as references.
fn names(repository: &Reference, tags: &[String]) -> Result<Vec<Reference>, Error> {
    let name = |tag: &String| {
        let name = repository.clone().with_tag(tag)?;
        check_name(&name).map(|()| name)
    };
    tags.iter().map(name).collect()
}

/// What of a manifest's content is in a repository.
#[derive(Default)]
struct Found {
    /// Counted as used.
    blobs: Vec<Digest>,
    manifests: Vec<Digest>,
    /// Blobs that a manifest or an image of the repository has, too; whether they are here is not known yet.
    unsure: Vec<Digest>,
    missing: Vec<Digest>,
}

impl Found {
    fn look(&mut self, table: &mut Table, repository: &Reference, summary: &ManifestSummary, second: i64) {
        let name = repository.name();
        let mut within = Within::new(repository);
        for blob in summary.blobs().filter(|blob| !is_elsewhere(blob)) {
            let digest = blob.digest;
            if table.touch_link(&name, &digest, second) {
                table.hold_blob(digest);
                self.blobs.push(digest);
            } else if within.has_blob(table, &digest) {
                table.hold_blob(digest);
                self.blobs.push(digest);
                self.unsure.push(digest);
            } else {
                self.missing.push(digest);
            }
        }
        for child in &summary.manifests {
            let digest = child.digest;
            if within.has_manifest(table, &digest) {
                table.hold_manifest(Some(digest));
                self.manifests.push(digest);
            } else {
                self.missing.push(digest);
            }
        }
    }
}

/// Layers that may not be distributed are fetched from elsewhere by whoever needs them.
fn is_elsewhere(blob: &Descriptor) -> bool {
    blob.media_type.contains(".foreign.") || blob.media_type.contains(".nondistributable.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Kept;

    /// Thousands of names in a repository of thousands: each question once through all would be a minute under the
    /// table's lock.
    #[test]
    fn what_is_missing_is_found_out_in_one_go() {
        const MANY: u64 = 3000;
        let repository = Reference::parse("localhost:5000/a").unwrap();
        let mut table = Table::default();
        let descriptor = |seed: String| Descriptor::new("", Digest::of(seed.as_bytes()), 1);
        let manifest = |at: u64, layers: Vec<Descriptor>, manifests: Vec<Descriptor>| ManifestSummary {
            digest: Digest::of(&at.to_le_bytes()),
            media_type: String::new(),
            size: 1,
            config: None,
            layers,
            manifests,
            subject: None,
            artifact_type: None,
        };
        for at in 0..MANY {
            let layers = (0..3).map(|layer| descriptor(format!("{at} {layer}")));
            let summary = Arc::new(manifest(at, layers.collect(), Vec::new()));
            let pinned = Reference {
                digest: Some(summary.digest),
                ..repository.clone()
            };
            let target = Target::manifest(summary.digest, None);
            table.add_manifest(Kept { summary, file: false });
            let given = crate::table::Given {
                target,
                standing: crate::standing::Standing::default(),
                time: jiff::Timestamp::UNIX_EPOCH,
            };
            drop(table.set_tag(&pinned, Some(given)));
        }
        // In others' hands, so that it is no stranger to the table.
        table.add_manifest(Kept {
            summary: Arc::new(manifest(
                MANY,
                (0..MANY).map(|at| descriptor(at.to_string())).collect(),
                Vec::new(),
            )),
            file: false,
        });
        let layers: Vec<Descriptor> = (0..MANY).map(|at| descriptor(at.to_string())).collect();
        let there = (0..MANY).map(|at| descriptor(format!("{at} 2")));
        let children = (0..=MANY).map(|at| Descriptor::new("", Digest::of(&at.to_le_bytes()), 1));
        let pushed = manifest(
            MANY + 1,
            layers.into_iter().chain(there).collect(),
            children.collect(),
        );
        let mut found = Found::default();
        found.look(&mut table, &repository, &pushed, 0);
        let many = usize::try_from(MANY).unwrap();
        assert_eq!(
            (found.unsure.len(), found.manifests.len(), found.missing.len()),
            (many, many, many + 1)
        );
    }
}
