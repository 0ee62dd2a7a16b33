//! Volumes that belong to a pod's `fsGroup` (upstream's `pkg/volume/volume_linux.go`): its containers share them whatever
//! users they run as.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;

/// What the group may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read, and list directories.
    Read,
    /// Write too.
    Write,
}

impl Access {
    const fn of_files(self) -> u32 {
        match self {
            Self::Read => 0o440,
            Self::Write => 0o660,
        }
    }
}

/// What is made in a directory belongs to its group, and who reads it may enter it.
const DIRECTORY: u32 = 0o2110;

/// Gives a file or a directory, with all that is in it, to a group. Links are given, not what they lead to.
///
/// # Errors
/// Of the file system.
pub(super) fn give(path: &Path, group: u32, access: Access) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    lchown(path, None, Some(group))?;
    if meta.is_symlink() {
        return Ok(());
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), group, access)?;
        }
    }
    allow(path, &meta, access)
}

/// Gives a directory alone to a group.
///
/// # Errors
/// Of the file system.
pub(super) fn give_root(path: &Path, group: u32, access: Access) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    lchown(path, None, Some(group))?;
    allow(path, &meta, access)
}

fn allow(path: &Path, meta: &fs::Metadata, access: Access) -> io::Result<()> {
    let directory = if meta.is_dir() { DIRECTORY } else { 0 };
    let mode = meta.permissions().mode() & 0o7777 | access.of_files() | directory;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    /// Our own group: any other needs rights that not everybody who tests has.
    fn group(path: &Path) -> u32 {
        fs::metadata(path).unwrap().gid()
    }

    #[test]
    fn modes_grow_and_links_are_left() {
        let root = tempfile::tempdir().unwrap();
        let (directory, file, link) = ["d", "d/f", "d/l"].map(|name| root.path().join(name)).into();
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "").unwrap();
        symlink("/nowhere", &link).unwrap();
        let modes = |access, start: u32| {
            fs::set_permissions(&file, Permissions::from_mode(start)).unwrap();
            fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
            give(&directory, group(root.path()), access).unwrap();
            [&directory, &file].map(|path| fs::metadata(path).unwrap().mode() & 0o7777)
        };
        assert_eq!(modes(Access::Read, 0o600), [0o2755, 0o640]);
        assert_eq!(modes(Access::Write, 0o444), [0o2775, 0o664]);
    }
}
