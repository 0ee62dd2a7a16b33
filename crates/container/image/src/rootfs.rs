//! The root filesystem of a container: layer directories below, a writable directory on top.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The directories that an overlay mount joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// Read-only layers, **topmost first**, as absolute paths. Never empty: an image without
    /// layers has one empty directory here.
    pub lower: Vec<PathBuf>,
    /// Where changes go; `None` for a read-only view.
    pub upper: Option<PathBuf>,
    /// The overlay's own scratch space, beside `upper`.
    pub work: Option<PathBuf>,
}

/// What became of a path (`docker diff`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It, or something in it, was changed: `C`, 0.
    Modified,
    /// It is new: `A`, 1.
    Added,
    /// It is gone: `D`, 2.
    Deleted,
}

/// A changed path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Absolute, in the root filesystem.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

impl Rootfs {
    /// The options of an overlay mount of it (`key=value`, in order), for fsconfig(2) one by one
    /// or, joined by commas, for an OCI mount. What makes the writable directory depend on more
    /// than itself (`redirect_dir`, `metacopy`, `index`) is off, so that it can become a layer.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        todo!()
    }

    /// Mounts it detached: nothing is seen in any mount table. The descriptor is the root
    /// directory, to be used with openat2(RESOLVE_IN_ROOT); dropping it unmounts.
    ///
    /// # Errors
    /// As fsopen(2) and its kin.
    pub fn mount(&self) -> io::Result<OwnedFd> {
        todo!()
    }

    /// What differs from the layers below, sorted by path.
    ///
    /// # Errors
    /// As the file system's.
    pub fn changes(&self) -> io::Result<Vec<Change>> {
        todo!()
    }

    /// Bytes of the files in the writable directory; hard links count once.
    ///
    /// # Errors
    /// As the file system's.
    pub fn size(&self) -> io::Result<u64> {
        todo!()
    }
}
