//! Making one entry in a directory that is open, under a name that is free.

use std::io::{self, BufRead};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, SeekFrom, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod,
    fchown, fsetxattr, ftruncate, futimens, linkat, makedev, mkdirat, mknodat, openat, seek, symlinkat,
    utimensat,
};
use rustix::io::Errno;

use super::fault::{Fault, Why, at};
use super::judge::components;
use super::tar::{Entry, Kind, Reader};
use super::unpack::{Unpacker, Way};
use crate::tree;

/// Whether this process is a worker: root, without umask. What it makes is as it is made.
static WORKER: AtomicBool = AtomicBool::new(false);

/// Says that the process is a worker, for good.
pub(crate) fn as_worker() {
    WORKER.store(true, Ordering::Relaxed);
}

/// Who owns what a worker makes; nobody knows it of another process.
pub(super) fn own() -> Option<(u32, u32)> {
    WORKER.load(Ordering::Relaxed).then_some((0, 0))
}

/// Mode bits that the making of a file or directory sets for certain. Set-id bits are not among them: writing and
/// changing the owner takes them away.
fn certain(mode: u32) -> bool {
    mode & 0o7000 == 0 && WORKER.load(Ordering::Relaxed)
}

impl Unpacker<'_> {
    /// Makes the entry `name` of the open parent; `path` is where that is in the root. False if the name
    /// is taken; then nothing has happened.
    pub(super) fn make<R: BufRead>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        name: &[u8],
        content: &mut Reader<R>,
        way: Way,
    ) -> Result<bool, Fault> {
        let made = match entry.kind {
            Kind::Directory => self.make_directory(entry, path, name, way),
            Kind::File => self.make_file(entry, name, content),
            Kind::Hardlink => self.make_hardlink(entry, name),
            Kind::Symlink => self.make_symlink(entry, name),
            Kind::Character => self.make_node(entry, name, FileType::CharacterDevice),
            Kind::BlockDevice => self.make_node(entry, name, FileType::BlockDevice),
            Kind::Fifo => self.make_node(entry, name, FileType::Fifo),
            Kind::Other(byte) => Err(Fault::entry(&entry.name, Why::Kind(byte))),
        };
        match made {
            Err(Fault::Entry {
                why: Why::Io(error), ..
            }) if way == Way::Clear && error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn make_directory(&mut self, entry: &Entry, path: &[u8], name: &[u8], way: Way) -> Result<(), Fault> {
        let at = at(&entry.name);
        let dressed = self.is_owner(entry) && certain(entry.mode) && entry.xattrs.is_empty();
        let mode = if dressed { entry.mode } else { 0o700 };
        let made = match mkdirat(self.directory(), name, Mode::from_raw_mode(mode)) {
            Ok(()) => true,
            Err(Errno::EXIST) if way == Way::Merge => false,
            Err(error) => return Err(at(error)),
        };
        self.times.insert(path.to_vec(), entry.mtime);
        if made && dressed {
            return Ok(());
        }
        let directory = tree::enter(self.directory(), name).map_err(&at)?;
        dress(directory.as_fd(), entry)
    }

    fn make_file<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        content: &mut Reader<R>,
    ) -> Result<(), Fault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dressed = self.is_owner(entry) && certain(entry.mode);
        let mode = if dressed { entry.mode } else { 0o600 };
        let file =
            openat(self.directory(), name, flags, Mode::from_raw_mode(mode)).map_err(at(&entry.name))?;
        self.copy(&file, entry, content)?;
        if !dressed || !entry.xattrs.is_empty() {
            dress(file.as_fd(), entry)?;
        }
        futimens(&file, &times(entry.mtime)).map_err(at(&entry.name))
    }

    /// Whether what this process makes in the open parent belongs to whom the entry belongs to.
    fn is_owner(&self, entry: &Entry) -> bool {
        self.owner == Some((entry.uid, entry.gid))
    }

    /// From the stream's buffer to the file, without a copy in between. What is a hole in the archive is one on the disk.
    fn copy<R: BufRead>(
        &mut self,
        file: &OwnedFd,
        entry: &Entry,
        content: &mut Reader<R>,
    ) -> Result<(), Fault> {
        let mut holes = false;
        loop {
            let hole = content.hole();
            if hole > 0 {
                let by = i64::try_from(hole).map_err(|_| at(&entry.name)(Errno::FBIG))?;
                seek(file, SeekFrom::Current(by)).map_err(at(&entry.name))?;
                self.totals.bytes += hole;
                holes = true;
            }
            let chunk = match content.fill_buf() {
                // The last of them may be at the end.
                Ok([]) if holes => return ftruncate(file, entry.size).map_err(at(&entry.name)),
                Ok([]) => return Ok(()),
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Fault::Truncated),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let written = rustix::io::retry_on_intr(|| rustix::io::write(file, chunk));
            let written = written.map_err(at(&entry.name))?;
            content.consume(written);
            self.totals.bytes += written as u64;
        }
    }

    fn make_symlink(&self, entry: &Entry, name: &[u8]) -> Result<(), Fault> {
        symlinkat(&*entry.link, self.directory(), name).map_err(at(&entry.name))?;
        self.dress_name(entry, name)
    }

    /// A hard link shares everything with its target, so it takes no attributes of its own.
    fn make_hardlink(&self, entry: &Entry, name: &[u8]) -> Result<(), Fault> {
        let refuse = || {
            Fault::entry(
                &entry.name,
                Why::Hardlink(String::from_utf8_lossy(&entry.link).into_owned()),
            )
        };
        let target = components(&entry.link).ok_or_else(refuse)?.join(&b'/');
        let (parent, last) = tree::split(&target);
        let directory =
            tree::open_directory(self.root, &tree::join(self.base, parent)).map_err(|_| refuse())?;
        linkat(&directory, last, self.directory(), name, AtFlags::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::PERM | Errno::XDEV => refuse(),
            other => at(&entry.name)(other),
        })
    }

    fn make_node(&self, entry: &Entry, name: &[u8], kind: FileType) -> Result<(), Fault> {
        let device = makedev(entry.device.0, entry.device.1);
        let mode = Mode::from_raw_mode(entry.mode);
        mknodat(self.directory(), name, kind, mode, device).map_err(at(&entry.name))?;
        self.dress_name(entry, name)
    }

    /// Owner and time of what cannot be opened. (Its mode was given when it was made; a link has
    /// none.)
    fn dress_name(&self, entry: &Entry, name: &[u8]) -> Result<(), Fault> {
        if !self.is_owner(entry) {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            chownat(
                self.directory(),
                name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(at(&entry.name))?;
        }
        utimensat(
            self.directory(),
            name,
            &times(entry.mtime),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(at(&entry.name))
    }
}

/// Owner, mode and attributes of an open file or directory.
pub(super) fn dress(file: BorrowedFd<'_>, entry: &Entry) -> Result<(), Fault> {
    let at = at(&entry.name);
    fchown(
        file,
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
    .map_err(&at)?;
    fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(&at)?;
    for (name, value) in &entry.xattrs {
        match fsetxattr(file, name.as_str(), value, XattrFlags::empty()) {
            // What this file system does not know is lost on it, as with every other tar.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            // So is what this process may not set: into a container, nobody may.
            Err(Errno::PERM) if name.starts_with("trusted.") => {}
            Err(error) => return Err(at(error)),
        }
    }
    Ok(())
}

pub(super) fn times(mtime: (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime.0,
        tv_nsec: mtime.1.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
