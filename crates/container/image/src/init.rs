//! Docker's init layer: between the layers of an image and a container's own changes lies a
//! directory with what the engine mounts over (`/proc`, `/etc/hosts`, …), so that these places
//! exist whatever the image has, are no change of the container's, and never get into an image
//! that is made of it. One serves all containers of a layer; it is made with the first and goes with
//! the layer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, symlinkat, unlinkat};
use rustix::io::Errno;
use store::Durability;

use crate::inner::Inner;
use crate::tree;
use crate::{Digest, Error, Rootfs, claims};

/// What is made where there is nothing.
#[derive(Clone, Copy)]
enum Place {
    Directory,
    File,
    Link(&'static str),
}

/// Upstream's list, in its order.
const PLACES: &[(&str, Place)] = &[
    ("dev/pts", Place::Directory),
    ("dev/shm", Place::Directory),
    ("proc", Place::Directory),
    ("sys", Place::Directory),
    (".dockerenv", Place::File),
    ("etc/resolv.conf", Place::File),
    ("etc/hosts", Place::File),
    ("etc/hostname", Place::File),
    ("dev/console", Place::File),
    ("etc/mtab", Place::Link("/proc/mounts")),
];

const MODE: Mode = Mode::from_raw_mode(0o755);

impl Inner {
    /// The directory of the init layer upon `top`, which the caller holds.
    pub(crate) fn init_layer(&self, top: Digest) -> Result<Option<u64>, Error> {
        let known = |inner: &Self| inner.read().layer(&top).and_then(|row| row.init);
        if let Some(number) = known(self) {
            return Ok(Some(number));
        }
        let _claim = self.claims.take([claims::layer(&top)]);
        if let Some(number) = known(self) {
            return Ok(Some(number));
        }
        let number = self.snapshots.number();
        let made = self.make_init_layer(number, top);
        made.inspect_err(|_| self.discard_directory(number))?;
        Ok(Some(number))
    }

    fn make_init_layer(&self, number: u64, top: Digest) -> Result<(), Error> {
        let failed = || Error::io("make an init layer");
        let Some(mut row) = self.read().layer(&top).cloned() else {
            return Ok(());
        };
        self.snapshots
            .make(number, Some(row.number), true)
            .map_err(failed())?;
        let rootfs: Rootfs = self.rootfs(&self.read(), Some(top), Some(number));
        let root = rootfs.mount().map_err(failed())?;
        fill(root.as_fd()).map_err(|error| failed()(error.into()))?;
        drop(root);
        self.snapshots.seal(number).map_err(failed())?;
        row.init = Some(number);
        self.rows.put(&top, &row, Durability::Relaxed)?;
        self.write().set_init(&top, number);
        Ok(())
    }
}

/// Whether the last place is there, and hence all of them.
pub(crate) fn is_filled(root: BorrowedFd<'_>) -> Result<bool, Errno> {
    let Some((last, _)) = PLACES.last() else {
        return Ok(true);
    };
    match tree::open_in(root, last.as_bytes(), OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes every place in a root directory. A link or file in the way of a directory, or at the place
/// itself, is replaced: what the engine mounts may not end up behind somebody else's link.
pub(crate) fn fill(root: BorrowedFd<'_>) -> Result<(), Errno> {
    for (path, place) in PLACES {
        let (parent, name) = tree::split(path.as_bytes());
        let directory = if parent.is_empty() {
            tree::open_directory(root, b"")?
        } else {
            open_or_make(root, parent)?
        };
        make(&directory, name, *place)?;
    }
    Ok(())
}

fn open_or_make(root: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    clear_way(root, name)?;
    match mkdirat(root, name, MODE) {
        Ok(()) | Err(Errno::EXIST) => tree::enter(root, name),
        Err(error) => Err(error),
    }
}

fn make(directory: &OwnedFd, name: &[u8], place: Place) -> Result<(), Errno> {
    clear_way(directory.as_fd(), name)?;
    let made = match place {
        Place::Directory => mkdirat(directory, name, MODE),
        Place::Link(target) => symlinkat(target, directory, name),
        Place::File => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            openat(directory, name, flags, MODE).map(drop)
        }
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Directories stay.
fn clear_way(directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match tree::look(directory, name)? {
        Some(stat) if tree::kind(&stat) != FileType::Directory => unlinkat(directory, name, AtFlags::empty()),
        _ => Ok(()),
    }
}
