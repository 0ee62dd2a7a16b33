//! What a container's mounts leave behind in the image's files: where the image has no
//! `/etc/hosts` or `/proc`, something had to be made to mount upon. Upstream keeps such mount
//! points in a layer of their own that no image gets; here they are taken away before what a
//! command has changed becomes a layer.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use image::Rootfs;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, statat, unlinkat};
use rustix::io::Errno;

/// Mount points that every container has, files first, then directories from the inside out.
const MOUNT_POINTS: [(&str, FileType); 7] = [
    ("etc/hosts", FileType::RegularFile),
    ("etc/hostname", FileType::RegularFile),
    ("etc/resolv.conf", FileType::RegularFile),
    ("etc", FileType::Directory),
    ("dev", FileType::Directory),
    ("proc", FileType::Directory),
    ("sys", FileType::Directory),
];

/// Takes mount points that are nothing else out of a writable directory: those that every container
/// has, and `more`, with the directories that were made for them. `below` is the image.
///
/// # Errors
/// The file system's.
pub(super) fn remove(
    rootfs: &Rootfs,
    below: Option<BorrowedFd<'_>>,
    more: &[(PathBuf, FileType)],
) -> io::Result<()> {
    let Some(upper) = &rootfs.upper else {
        return Ok(());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let upper = rustix::fs::open(upper, flags, Mode::empty())?;
    for (path, kind) in more {
        remove_one(&upper, below, path, *kind)?;
        for above in path
            .ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
        {
            remove_one(&upper, below, above, FileType::Directory)?;
        }
    }
    MOUNT_POINTS
        .iter()
        .try_for_each(|(path, kind)| remove_one(&upper, below, Path::new(path), *kind))
}

fn remove_one(upper: &OwnedFd, below: Option<BorrowedFd<'_>>, path: &Path, kind: FileType) -> io::Result<()> {
    let Some((parent, stat)) = look(upper.as_fd(), path)? else {
        return Ok(());
    };
    let own = below.map(|below| look(below, path)).transpose()?.flatten();
    let is_stub = FileType::from_raw_mode(stat.st_mode) == kind
        && match (kind, own) {
            (FileType::Directory, None) => true,
            // Mounting below it has copied the image's directory up; it is a stub unless the
            // command has changed it.
            (FileType::Directory, Some((_, own))) => same(&stat, &own),
            (_, None) => stat.st_size == 0,
            (_, Some(_)) => false,
        };
    let Some(name) = path.file_name().filter(|_| is_stub) else {
        return Ok(());
    };
    let flags = if kind == FileType::Directory {
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    match unlinkat(&parent, name, flags) {
        // A directory with something in it is more than a mount point.
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
}

/// The directory of a path and what lies there; `None` if there is nothing. No link is followed.
fn look(root: BorrowedFd<'_>, path: &Path) -> io::Result<Option<(OwnedFd, Stat)>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let found = openat2(root, parent, flags, Mode::empty(), resolve)
        .and_then(|parent| statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| (parent, stat)));
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    fn tree(files: &[&str]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match file.ends_with('/') {
                true => fs::create_dir_all(path).unwrap(),
                false => fs::write(path, if file.ends_with("hosts") { "" } else { "x" }).unwrap(),
            }
        }
        directory
    }

    fn left(upper: &TempDir, below: Option<&TempDir>) -> Vec<String> {
        let rootfs = Rootfs {
            lower: Vec::new(),
            upper: Some(upper.path().into()),
            work: None,
        };
        let below = below.map(|below| fs::File::open(below.path()).unwrap());
        remove(&rootfs, below.as_ref().map(|below| below.as_fd()), &[]).unwrap();
        let mut names: Vec<String> = fs::read_dir(upper.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn stubs_go_and_what_a_command_made_stays() {
        assert!(left(&tree(&["etc/hosts", "proc/", "sys/", "dev/"]), None).is_empty());
        assert_eq!(
            left(&tree(&["etc/hosts", "etc/motd", "proc/x", "made"]), None),
            ["etc", "made", "proc"]
        );
        // A file that is not empty was written.
        assert_eq!(left(&tree(&["etc/hostname"]), None), ["etc"]);
    }

    #[test]
    fn the_image_keeps_what_is_its_own() {
        let below = tree(&["etc/hosts", "proc/"]);
        assert_eq!(left(&tree(&["etc/hosts", "proc/"]), Some(&below)), ["etc"]);
        assert!(left(&tree(&["etc/", "proc/"]), Some(&below)).is_empty());
        let changed = tree(&["etc/"]);
        fs::set_permissions(changed.path().join("etc"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(left(&changed, Some(&below)), ["etc"]);
    }
}
