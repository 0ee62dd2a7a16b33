//! Blobs of our own registry's repositories: uploads, mounts, links.
//!
//! A blob lies in the store once; that a repository has it is a row. The row is written when the blob is durable.

use super::{Blob, Images};
use crate::{Digest, Error};

/// A blob being uploaded. It may be handed from request to request; dropped, it leaves nothing.
#[derive(Debug)]
pub struct BlobUpload {}

impl BlobUpload {
    /// Takes in the next bytes.
    ///
    /// # Errors
    /// The disk's.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        todo!()
    }

    /// How many bytes have come.
    #[must_use]
    pub fn size(&self) -> u64 {
        todo!()
    }
}

impl Images {
    /// Begins an upload. Nothing of it survives this process.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin_blob(&self) -> Result<BlobUpload, Error> {
        todo!()
    }

    /// Ends an upload: what came is the blob `digest` of the repository, durable when this returns; answers its size.
    ///
    /// # Errors
    /// [`Error::WrongDigest`]; the disk's or the store's.
    pub fn finish_blob(&self, upload: BlobUpload, digest: &Digest, repository: &str) -> Result<u64, Error> {
        todo!()
    }

    /// Links a blob of one repository to another, durably; false if the first one does not have it.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn mount_blob(&self, from: &str, to: &str, digest: &Digest) -> Result<bool, Error> {
        todo!()
    }

    /// A blob of a repository: one that was uploaded or mounted there, or that a manifest or an image with a
    /// name there has.
    ///
    /// # Errors
    /// The disk's.
    pub fn blob_in(&self, repository: &str, digest: &Digest) -> Result<Option<Blob>, Error> {
        todo!()
    }

    /// Takes the link of a blob to a repository away, durably; false if there is none. Manifests keep the blobs
    /// that they name.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn unlink_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        todo!()
    }

    /// A blob, wherever it belongs. Hold a [`crate::Lease`] on what needs it.
    ///
    /// # Errors
    /// The disk's.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<Blob>, Error> {
        todo!()
    }
}
