//! Removing what somebody else has made: trees deeper than there are descriptors, wider than there is memory.
//!
//! Whoever runs in a container may nest directories until the disk is full; the standard library's removal holds a
//! descriptor and a frame of the stack for each. Here what lies too deep is moved up into the tree's root and removed from
//! there.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags, SeekFrom, openat2,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

/// How many directories deep a removal holds descriptors and buffers.
const LEVELS: usize = 64;

/// Bytes of entries that are read at once.
const BUFFER: usize = 8 << 10;

/// Removes what is at a path, with all that is in it; there being nothing is no error. Links are removed, not followed.
/// What is mounted in it stays, and the tree then too.
///
/// # Errors
/// Of the file system; `CrossesDevices` where something is mounted.
pub fn remove(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(remove_at(CWD, &name)?)
}

/// As [`remove`], for `name` in an open directory.
///
/// # Errors
/// As [`remove`].
pub fn remove_at(directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(()),
        other => return other,
    }
    let root = match enter(directory, name) {
        Err(Errno::NOENT) => return Ok(()),
        root => root?,
    };
    let mut removal = Removal {
        root: root.as_fd(),
        aside: 0,
    };
    // What was moved up is found in the next round.
    while removal.clear(root.as_fd(), LEVELS)? > 0 {}
    unlinkat(directory, name, AtFlags::REMOVEDIR)
}

struct Removal<'a> {
    root: BorrowedFd<'a>,
    /// Directories that were moved up.
    aside: u64,
}

impl Removal<'_> {
    /// Removes what is in a directory, or moves it up; how much that was.
    fn clear(&mut self, directory: BorrowedFd<'_>, levels: usize) -> Result<usize, Errno> {
        // The last round left it at its end.
        rustix::fs::seek(directory, SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        let mut done = 0;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match kind(directory, name, entry.file_type())? {
                FileType::Directory if levels == 0 => self.set_aside(directory, name)?,
                FileType::Directory => self.directory(directory, name, levels - 1)?,
                _ => unlinkat(directory, name, AtFlags::empty())?,
            }
            done += 1;
        }
        Ok(done)
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr, levels: usize) -> Result<(), Errno> {
        let inner = enter(parent, name)?;
        let done = self.clear(inner.as_fd(), levels)?;
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            // An entry was passed over while others went; it is found in the next round.
            Err(Errno::NOTEMPTY) if done > 0 => Ok(()),
            other => other,
        }
    }

    /// Names may be taken: they are anybody's.
    fn set_aside(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            let aside = format!(".removed-{}", self.aside);
            self.aside += 1;
            match renameat_with(parent, name, self.root, aside, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
    }
}

/// Not every file system says it beside the name.
fn kind(directory: BorrowedFd<'_>, name: &CStr, told: FileType) -> Result<FileType, Errno> {
    match told {
        FileType::Unknown => {
            let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(stat.st_mode))
        }
        told => Ok(told),
    }
}

fn enter(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A path of ours may lead through mounts and links; what is found below it must not.
    let resolve = if name.to_bytes().contains(&b'/') {
        ResolveFlags::empty()
    } else {
        ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS
    };
    openat2(parent, name, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{mkdirat, openat};
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Directories in each other, as a program makes them that does not care for paths.
    fn nest(root: &Path, levels: usize) {
        let mut deepest: OwnedFd = fs::File::open(root).unwrap().into();
        for _ in 0..levels {
            mkdirat(&deepest, "d", Mode::RWXU).unwrap();
            deepest = openat(&deepest, "d", OFlags::DIRECTORY | OFlags::PATH, Mode::empty()).unwrap();
        }
        let flags = OFlags::CREATE | OFlags::WRONLY;
        openat(&deepest, "file", flags, Mode::RWXU).unwrap();
    }

    #[test]
    fn a_tree_may_be_deeper_than_there_are_descriptors() {
        let outer = tempfile::tempdir().unwrap();
        let tree = outer.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join(".removed-0"), "taken").unwrap();
        fs::create_dir_all(tree.join(".removed-1/not/empty")).unwrap();
        nest(&tree, 5_000);
        remove(&tree).unwrap();
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0);
        remove(&tree).unwrap();
    }

    #[test]
    fn a_tree_may_be_wider_than_a_buffer() {
        let outer = tempfile::tempdir().unwrap();
        for file in 0..3_000 {
            fs::write(outer.path().join(format!("a-name-of-some-length-{file}")), "").unwrap();
        }
        remove(outer.path()).unwrap();
        assert!(!outer.path().exists());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let outer = tempfile::tempdir().unwrap();
        let (kept, tree) = (outer.path().join("kept"), outer.path().join("tree"));
        fs::create_dir_all(kept.join("file")).unwrap();
        fs::create_dir(&tree).unwrap();
        symlink(&kept, tree.join("link")).unwrap();
        remove(&tree).unwrap();
        symlink(&kept, &tree).unwrap();
        remove(&tree).unwrap();
        assert!(kept.join("file").exists() && !tree.exists());
    }
}
