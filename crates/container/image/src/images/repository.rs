//! The repositories of our own registry. A repository is the beginning of references: what has a name
//! `REPOSITORY:TAG` or `REPOSITORY@DIGEST` is in it, whoever gave that name.

use bytes::Bytes;

use super::{Images, Push, Pushed, ServedManifest, Target, Unlinked};
use crate::{Descriptor, Digest, Error, Reference};

impl Images {
    /// Stores a manifest that was pushed, under its digest and the tags; durable when this returns. All blobs
    /// and manifests that it names must be in the repository. If it is an image for this machine, or an index
    /// with one, the image is registered asleep.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::WrongDigest`], [`Error::MissingContent`] with all that is missing,
    /// [`Error::Reference`] about the names.
    pub fn push_manifest(&self, push: &Push<'_>, bytes: Bytes) -> Result<Pushed, Error> {
        todo!()
    }

    /// The manifest that a tag or a digest names in a repository. An image that was built, loaded or
    /// committed here and was never pushed gets one now, the same each time.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn manifest_in(&self, reference: &Reference) -> Result<Option<ServedManifest>, Error> {
        todo!()
    }

    /// Repositories whose whole name begins with `prefix`, after the name `after`, in order, at most `limit`.
    #[must_use]
    pub fn repositories(&self, prefix: &str, after: &str, limit: usize) -> Vec<String> {
        todo!()
    }

    /// Tags of a repository after the tag `after`, in order, at most `limit`; `None` if there is no such
    /// repository.
    #[must_use]
    pub fn tags_in(&self, repository: &str, after: &str, limit: usize) -> Option<Vec<String>> {
        todo!()
    }

    /// Manifests of the repository that are about another one (distribution-spec, "Listing Referrers").
    #[must_use]
    pub fn referrers(&self, repository: &str, subject: &Digest) -> Vec<Descriptor> {
        todo!()
    }

    /// Takes a tag away, durably; answers what it named. What has no name any more and was never run goes with it.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn untag(&self, reference: &Reference) -> Result<Option<Target>, Error> {
        todo!()
    }

    /// Takes a manifest out of a repository with all tags there that name it, durably; `None` if it is
    /// not in it.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn delete_manifest(&self, repository: &str, digest: &Digest) -> Result<Option<Unlinked>, Error> {
        todo!()
    }
}
