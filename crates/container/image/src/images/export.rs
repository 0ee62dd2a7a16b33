//! An image as it is pushed to a registry.

use super::{Export, Exported, Images};
use crate::{Digest, Error, Lease, Reference};

impl Images {
    /// What to push for an image: the manifest that it came by or was pushed with, if all its blobs are here;
    /// otherwise one that is made now, the same each time. Layers that lie here uncompressed are compressed once,
    /// on all cores, and the result is kept for the next push. All of it stays while the lease does.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Damaged`]; the disk's or the store's.
    pub fn export(&self, lease: &Lease, id: &Digest, how: Export) -> Result<Exported, Error> {
        todo!()
    }

    /// Notes that an image was pushed elsewhere: the repository of `reference` has it under this manifest, so
    /// it may be removed automatically from now on. Durable when this returns.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn note_pushed(&self, reference: &Reference, exported: &Exported) -> Result<(), Error> {
        todo!()
    }
}
