//! File system calls on a directory that is open, by names that cannot leave it.
//!
//! A path is resolved by the kernel with the tree's root as its root (openat2(2)); what is then
//! done is done to the last component alone, in its parent, and never through a symbolic link.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, fstat, mkdirat, openat, openat2, statat,
};
use rustix::io::Errno;

/// Resolution with the tree's root as the root; `/proc`-like links are refused.
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// How often a resolution that a rename elsewhere has disturbed is tried again (openat2(2)).
const ATTEMPTS: usize = 1024;

/// Opens `path` below `root`; the last component is not followed if `flags` say so.
pub(crate) fn open_in(root: impl AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let attempt = || openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), IN_ROOT);
    let mut attempts = (0..ATTEMPTS).map(|_| attempt());
    attempts
        .find(|result| !matches!(result, Err(Errno::AGAIN)))
        .unwrap_or(Err(Errno::AGAIN))
}

/// Opens the directory `path` below `root`.
pub(crate) fn open_directory(root: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    open_in(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens the directory `path` below `root` and makes what is missing on the way (mode 0755).
pub(crate) fn make_directories(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    match open_directory(root, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let (parent, name) = split(path);
    let parent = make_directories(root, parent)?;
    match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        // A link that leads to nothing is in the way: there is no directory behind it to use.
        Err(Errno::EXIST) | Ok(()) => open_directory(root, path),
        Err(error) => Err(error),
    }
}

/// The directory part of a path, and its last component.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Two parts of a path with a slash between them, either of which may be empty.
pub(crate) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if parent.is_empty() || name.is_empty() {
        b""
    } else {
        b"/"
    };
    [parent, slash, name].concat()
}

/// What `name` is; `None` if there is nothing.
pub(crate) fn look(directory: impl AsFd, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What kind of file it is.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether it is overlay's mark that a name is gone.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    kind(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Opens a directory below an open one, not through a link.
pub(crate) fn enter(directory: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// The names in a directory, sorted; `.` and `..` are left out.
pub(crate) fn names(directory: impl AsFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes `name` and all that is in it. There being nothing is no error.
pub(crate) fn remove(directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    sys::tree::remove_at(directory, name)
}

/// Names and kinds, in the directory's own order.
fn children(directory: &OwnedFd) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_owned();
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system says it here.
            FileType::Unknown => {
                look(directory, name.to_bytes())?.map_or(FileType::Unknown, |stat| kind(&stat))
            }
            known => known,
        };
        names.push((name, kind));
    }
    Ok(names)
}

/// One extended attribute of an open file; `None` if it has none of that name.
pub(crate) fn attribute(file: impl AsFd, name: &str) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0; 64];
    loop {
        match rustix::fs::fgetxattr(&file, name, value.as_mut_slice()) {
            Ok(length) => {
                value.truncate(length);
                return Ok(Some(value));
            }
            Err(Errno::RANGE) => value.resize(value.len() * 4, 0),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The names of the extended attributes of an open file, sorted.
pub(crate) fn attributes(file: impl AsFd) -> Result<Vec<String>, Errno> {
    let mut list = vec![0; 256];
    let length = loop {
        match rustix::fs::flistxattr(&file, list.as_mut_slice()) {
            Ok(length) => break length,
            Err(Errno::RANGE) => list.resize(list.len() * 4, 0),
            Err(Errno::OPNOTSUPP) => break 0,
            Err(error) => return Err(error),
        }
    };
    let names = list[..length].split(|byte| *byte == 0);
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).filter_map(text).collect();
    names.sort_unstable();
    Ok(names)
}

/// Overlay's mark on a directory that shows nothing of what lies below it.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";

/// Whether an open directory shows nothing of what lies below it.
pub(crate) fn is_opaque(directory: impl AsFd) -> Result<bool, Errno> {
    Ok(attribute(directory, OPAQUE)?.as_deref() == Some(b"y"))
}

/// How deep a tree is walked. A walk holds a descriptor and a frame of the stack for each level,
/// and what goes deeper was made to be a trap: its paths are too long for most programs.
pub(crate) const MAX_DEPTH: usize = 256;

/// Bytes of the files below an open directory; hard links count once, and what is deeper than
/// [`MAX_DEPTH`] does not.
pub(crate) fn size(directory: &OwnedFd) -> io::Result<u64> {
    let mut sizes = Sizes::default();
    sizes.add(directory, MAX_DEPTH)?;
    Ok(sizes.total)
}

#[derive(Default)]
struct Sizes {
    total: u64,
    /// Files with several names.
    seen: HashSet<(u64, u64)>,
}

impl Sizes {
    fn add(&mut self, directory: &OwnedFd, levels: usize) -> Result<(), Errno> {
        for (name, _) in children(directory)? {
            let Some(stat) = look(directory, name.to_bytes())? else {
                continue;
            };
            match kind(&stat) {
                FileType::Directory if levels > 0 => self.add(&enter(directory, &*name)?, levels - 1)?,
                FileType::Directory => {}
                _ if stat.st_nlink > 1 && !self.seen.insert((stat.st_dev, stat.st_ino)) => {}
                _ => self.total += u64::try_from(stat.st_size).unwrap_or(0),
            }
        }
        Ok(())
    }
}

/// What an open file is.
pub(crate) fn stat(file: impl AsFd) -> Result<Stat, Errno> {
    fstat(file)
}
