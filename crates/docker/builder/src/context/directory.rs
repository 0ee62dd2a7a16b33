//! A directory, or a mounted root filesystem, as a tree. Every path is resolved by the kernel
//! with the directory as root and without following links, since [`crate::tree::resolve`] has
//! followed them.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{
    self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, lgetxattr, llistxattr, openat2,
    readlinkat, statat,
};
use rustix::io::Errno;

use crate::tree::{Entry, Kind, Tree};

/// A directory as a tree.
pub(crate) struct DirectoryTree {
    root: OwnedFd,
}

impl DirectoryTree {
    /// The tree below a directory.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self {
            root: fs::open(path, flags, Mode::empty())?,
        })
    }

    /// The tree below a directory that is open.
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self { root }
    }

    fn at(&self, path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        match openat2(
            self.root.as_fd(),
            path,
            flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::empty(),
            resolve,
        ) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Tree for DirectoryTree {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        // The last component may be a link, which NO_SYMLINKS would refuse: its directory is
        // opened, and the link itself looked at there.
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            let root = fstat(&self.root)?;
            return Ok(Some(entry(&root, Kind::Directory, Vec::new())));
        };
        let Some(parent) = self.at(parent, OFlags::PATH | OFlags::DIRECTORY)? else {
            return Ok(None);
        };
        let stat = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(kind) = kind(&parent, name, &stat)? else {
            return Ok(None);
        };
        let attributes = attributes(&parent, name)?;
        Ok(Some(entry(&stat, kind, attributes)))
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let Some(directory) = self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in Dir::new(directory)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(OsString::from_vec(entry.file_name().to_bytes().to_vec()));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        let file = self
            .at(path, OFlags::RDONLY | OFlags::NONBLOCK)?
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(File::from(file)))
    }
}

/// `None` for a socket: nothing that could be copied.
fn kind(parent: &OwnedFd, name: &OsStr, stat: &Stat) -> io::Result<Option<Kind>> {
    let device = |block| Kind::Device {
        block,
        major: fs::major(stat.st_rdev),
        minor: fs::minor(stat.st_rdev),
    };
    Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File {
            size: u64::try_from(stat.st_size).unwrap_or(0),
        },
        FileType::Directory => Kind::Directory,
        FileType::Symlink => {
            let target = readlinkat(parent, name, Vec::new())?;
            Kind::Symlink(PathBuf::from(OsString::from_vec(target.into_bytes())))
        }
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => device(false),
        FileType::BlockDevice => device(true),
        _ => return Ok(None),
    }))
}

fn entry(stat: &Stat, kind: Kind, attributes: Vec<(OsString, Vec<u8>)>) -> Entry {
    let link = (stat.st_nlink > 1 && kind != Kind::Directory).then_some(stat.st_ino);
    Entry {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: stat.st_mtime,
        attributes,
        link,
    }
}

/// What a layer carries of extended attributes: capabilities and what users set. The overlay's
/// own and those of the host's security modules stay behind.
fn attributes(parent: &OwnedFd, name: &OsStr) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(parent));
    let path = Path::new(&path).join(name);
    let mut names = vec![0; 64 << 10];
    let length = match llistxattr(&path, &mut names) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut attributes = Vec::new();
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let kept = name.starts_with(b"user.") || name == b"security.capability\0";
        let Some(name) = CStr::from_bytes_with_nul(name).ok().filter(|_| kept) else {
            continue;
        };
        let mut value = vec![0; 64 << 10];
        let length = lgetxattr(&path, name, &mut value)?;
        value.truncate(length);
        attributes.push((OsStr::from_bytes(name.to_bytes()).to_owned(), value));
    }
    attributes.sort_unstable();
    Ok(attributes)
}
