//! The room's door: see the crate's own comment.

mod types;

use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use driver::Clock;
use store::Store;

pub use types::*;

use crate::archive::{Totals, Unpack};
use crate::{Digest, Error, Reference, Rootfs, Workers};

/// All images of a node. Clones are handles to the same table.
#[derive(Clone)]
pub struct Images {}

impl Images {
    /// Opens the images of a node and clears away what an unclean end has left: snapshots and
    /// blobs that no row names, and everything that was made under a lease that was not kept.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn open(
        _config: Config,
        _store: Arc<dyn Store>,
        _workers: Arc<dyn Workers>,
        _clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        todo!()
    }
    /// All images, newest first.
    pub fn list(&self) -> Vec<Arc<Image>> {
        todo!()
    }
    /// The image called so: a reference, an id or a unique prefix of an id.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Reference`].
    pub fn resolve(&self, _reference: &str) -> Result<Arc<Image>, Error> {
        todo!()
    }
    /// The image with this id.
    pub fn get(&self, _id: &Digest) -> Option<Arc<Image>> {
        todo!()
    }
    /// Images whose parent this is.
    pub fn children(&self, _id: &Digest) -> Vec<Digest> {
        todo!()
    }
    /// Makes `reference` (`latest` if it has no tag) a tag of the image, whatever it named before.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::InvalidTag`].
    pub fn tag(&self, _id: &Digest, _reference: &Reference) -> Result<(), Error> {
        todo!()
    }
    /// Takes away a tag, and the image with its last one.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Conflict`].
    pub fn remove(
        &self,
        _reference: &str,
        _options: Remove,
        _used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        todo!()
    }
    /// Removes the images that the filter lets pass and nobody uses.
    ///
    /// # Errors
    /// [`Error::PruneRunning`].
    pub fn prune(
        &self,
        _filter: &dyn Fn(&Image) -> bool,
        _used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Pruned, Error> {
        todo!()
    }
    /// How the image was made, newest step first.
    pub fn history(&self, _image: &Image) -> Vec<HistoryEntry> {
        todo!()
    }
    /// Takes in the images of an archive made by `docker save` or in the OCI layout, plain or compressed.
    ///
    /// # Errors
    /// [`Error::Archive`], [`Error::DiffId`] and others; then nothing of it stays.
    pub fn load(
        &self,
        _archive: &mut dyn Read,
        _progress: &mut dyn FnMut(LoadEvent),
    ) -> Result<Vec<Loaded>, Error> {
        todo!()
    }
    /// Writes an archive that is both `docker save`'s and an OCI layout.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::NoSuchReference`].
    pub fn save(&self, _references: &[String], _out: &mut dyn Write) -> Result<(), Error> {
        todo!()
    }
    /// Makes an image of one layer out of a root filesystem.
    ///
    /// # Errors
    /// [`Error::Archive`] and others.
    pub fn import(&self, _archive: &mut dyn Read, _import: Import) -> Result<Digest, Error> {
        todo!()
    }
    /// Makes an image out of another one and a layer.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::TooManyLayers`], [`Error::NoSuchSnapshot`].
    pub fn commit(&self, _commit: Commit<'_>) -> Result<Arc<Image>, Error> {
        todo!()
    }
    /// Begins a lease: what is made under it goes away unless [`Lease::keep`] is called.
    ///
    /// # Errors
    /// [`Error::LeaseInUse`].
    pub fn lease(&self, _name: &str) -> Result<Lease, Error> {
        todo!()
    }
    /// A writable snapshot upon an image (`None`: upon nothing). The same owner gets the same one.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn prepare(&self, _owner: &str, _image: Option<&Digest>) -> Result<Rootfs, Error> {
        todo!()
    }
    /// The writable snapshot of an owner.
    pub fn rootfs(&self, _owner: &str) -> Option<Rootfs> {
        todo!()
    }
    /// The layers of an image, read-only.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn view(&self, _image: &Digest) -> Result<Rootfs, Error> {
        todo!()
    }
    /// Gives up a writable snapshot; it is deleted in the background. There being none is no error.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn release(&self, _owner: &str) -> Result<(), Error> {
        todo!()
    }
    /// Who has a writable snapshot.
    pub fn owners(&self) -> Vec<String> {
        todo!()
    }
    /// What lies on the disk.
    pub fn disk_usage(&self) -> DiskUsage {
        todo!()
    }
    /// Unpacks a foreign archive (plain, gzip, zstd) below the directory `path` of a mounted root
    /// filesystem, in a confined worker (`docker cp`, `ADD`).
    ///
    /// # Errors
    /// [`Error::Archive`] names the entry that is refused; what came before it stays.
    pub fn unpack(
        &self,
        _root: BorrowedFd<'_>,
        _path: &Path,
        _archive: &mut dyn Read,
        _options: &Unpack,
    ) -> Result<Totals, Error> {
        todo!()
    }
}
