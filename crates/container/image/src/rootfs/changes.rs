//! What a writable directory changes of the tree below it, as `docker diff` lists it: a changed
//! directory is one whose own attributes changed or in which something did; what was removed is
//! listed without what was in it; what was added, with it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, Stat, openat};
use rustix::io::Errno;

use crate::tree;

/// What became of a path. The numbers are the Engine API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChangeKind {
    /// It, or something in it, was changed: `C`.
    Modified = 0,
    /// It is new: `A`.
    Added = 1,
    /// It is gone: `D`.
    Deleted = 2,
}

/// A changed path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Absolute, in the root filesystem.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

/// The attribute that a change of is a change of the file.
const CAPABILITY: &str = "security.capability";

/// Compares the upper directory with the tree below it.
pub(super) fn between(upper: &OwnedFd, below: BorrowedFd<'_>) -> Result<Vec<Change>, Errno> {
    let mut changes = Changes::default();
    // Whatever has become of the root itself is nobody's change.
    let below = Some(tree::enter(below, c".")?).filter(|_| !tree::is_opaque(upper).unwrap_or(false));
    changes.directory(upper, below.as_ref(), b"")?;
    changes.0.sort_unstable();
    Ok(changes.0)
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn push(&mut self, path: &[u8], kind: ChangeKind) {
        let path = [b"/", path].concat();
        self.0.push(Change {
            path: PathBuf::from(std::ffi::OsStr::from_bytes(&path)),
            kind,
        });
    }

    /// All names of a directory of the upper tree. `below` is what shows through, if anything.
    fn directory(&mut self, upper: &OwnedFd, below: Option<&OwnedFd>, path: &[u8]) -> Result<(), Errno> {
        if path.iter().filter(|byte| **byte == b'/').count() > tree::MAX_DEPTH {
            return Err(Errno::NAMETOOLONG);
        }
        for name in tree::names(upper)? {
            let name = name.to_bytes();
            let Some(now) = tree::look(upper, name)? else {
                continue;
            };
            let before = below.map(|below| tree::look(below, name)).transpose()?.flatten();
            let path = tree::join(path, name);
            match (before, below) {
                (Some(_), _) if tree::is_whiteout(&now) => self.push(&path, ChangeKind::Deleted),
                (None, _) if tree::is_whiteout(&now) => {}
                (Some(before), Some(below)) => {
                    let (upper, below) = (
                        Version::new(upper, name, now)?,
                        Version::new(below, name, before)?,
                    );
                    self.both(&upper, &below, &path)?;
                }
                _ => self.added(upper, name, &now, &path)?,
            }
        }
        Ok(())
    }

    fn added(&mut self, upper: &OwnedFd, name: &[u8], now: &Stat, path: &[u8]) -> Result<(), Errno> {
        self.push(path, ChangeKind::Added);
        if tree::kind(now) == FileType::Directory {
            self.directory(&tree::enter(upper, name)?, None, path)?;
        }
        Ok(())
    }

    /// A name that is in both trees.
    fn both(&mut self, now: &Version, before: &Version, path: &[u8]) -> Result<(), Errno> {
        let so_far = self.0.len();
        let opaque = now
            .directory
            .as_ref()
            .map(tree::is_opaque)
            .transpose()?
            .unwrap_or(true);
        if let Some(new) = &now.directory {
            self.directory(new, before.directory.as_ref(), path)?;
        }
        if let (Some(old), true) = (&before.directory, opaque) {
            self.hidden(now.directory.as_ref(), old, path)?;
        }
        let inside = self.0.len() > so_far;
        if inside || differs(&now.stat, &before.stat) || now.capability != before.capability {
            self.push(path, ChangeKind::Modified);
        }
        Ok(())
    }

    /// What an opaque directory, or something that is none any more, hides.
    fn hidden(&mut self, new: Option<&OwnedFd>, old: &OwnedFd, path: &[u8]) -> Result<(), Errno> {
        for name in tree::names(old)? {
            let now = new
                .map(|new| tree::look(new, name.to_bytes()))
                .transpose()?
                .flatten();
            if now.is_none() {
                self.push(&tree::join(path, name.to_bytes()), ChangeKind::Deleted);
            }
        }
        Ok(())
    }
}

/// Whether a file was changed, and not merely copied up. The size and time of a directory say
/// nothing. A time without a fraction may have lost it in an archive.
fn differs(now: &Stat, before: &Stat) -> bool {
    let owner = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let same_time = now.st_mtime == before.st_mtime
        && (now.st_mtime_nsec == before.st_mtime_nsec || now.st_mtime_nsec == 0 || before.st_mtime_nsec == 0);
    let content = tree::kind(now) != FileType::Directory && (now.st_size != before.st_size || !same_time);
    owner(now) != owner(before) || content
}

/// What a name is in one of the trees.
struct Version {
    stat: Stat,
    /// Opened, if it is one.
    directory: Option<OwnedFd>,
    capability: Option<Vec<u8>>,
}

impl Version {
    fn new(parent: &OwnedFd, name: &[u8], stat: Stat) -> Result<Self, Errno> {
        let kind = tree::kind(&stat);
        let enter = || tree::enter(parent, name);
        Ok(Self {
            stat,
            directory: (kind == FileType::Directory).then(enter).transpose()?,
            capability: (kind == FileType::RegularFile)
                .then(|| capability(parent, name))
                .flatten(),
        })
    }
}

fn capability(directory: &OwnedFd, name: &[u8]) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).ok()?;
    tree::attribute(file, CAPABILITY).ok().flatten()
}
