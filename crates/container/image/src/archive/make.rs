//! Making one entry in a directory that is open, under a name that is free.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::fault::{Fault, Why, at};
use super::judge::components;
use super::tar::{Entry, Kind, Reader};
use super::unpack::Unpacker;
use crate::tree;

impl Unpacker<'_> {
    /// Makes the entry `name` of the open parent; `path` is where that is in the root.
    pub(super) fn make<R: Read>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        name: &[u8],
        content: &mut Reader<R>,
    ) -> Result<(), Fault> {
        match entry.kind {
            Kind::Directory => self.make_directory(entry, path, name),
            Kind::File => self.make_file(entry, name, content),
            Kind::Hardlink => self.make_hardlink(entry, name),
            Kind::Symlink => {
                symlinkat(&*entry.link, self.directory(), name).map_err(at(&entry.name))?;
                self.dress_name(entry, name)
            }
            Kind::Character => self.make_node(entry, name, FileType::CharacterDevice),
            Kind::BlockDevice => self.make_node(entry, name, FileType::BlockDevice),
            Kind::Fifo => self.make_node(entry, name, FileType::Fifo),
            Kind::Other(byte) => Err(Fault::entry(&entry.name, Why::Kind(byte))),
        }
    }

    fn make_directory(&mut self, entry: &Entry, path: &[u8], name: &[u8]) -> Result<(), Fault> {
        let at = at(&entry.name);
        match mkdirat(self.directory(), name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(at(error)),
        }
        let directory = tree::enter(self.directory(), name).map_err(&at)?;
        self.times.insert(path.to_vec(), entry.mtime);
        dress(directory.as_fd(), entry)
    }

    fn make_file<R: Read>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        content: &mut Reader<R>,
    ) -> Result<(), Fault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            openat(self.directory(), name, flags, Mode::from_raw_mode(0o600)).map_err(at(&entry.name))?;
        self.copy(&file, entry, content)?;
        dress(file.as_fd(), entry)?;
        futimens(&file, &times(entry.mtime)).map_err(at(&entry.name))
    }

    fn copy<R: Read>(&mut self, file: &OwnedFd, entry: &Entry, content: &mut Reader<R>) -> Result<(), Fault> {
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Fault::Truncated),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.totals.bytes += count as u64;
            let mut rest = &self.buffer[..count];
            while !rest.is_empty() {
                let written =
                    rustix::io::retry_on_intr(|| rustix::io::write(file, rest)).map_err(at(&entry.name))?;
                rest = &rest[written..];
            }
        }
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
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        chownat(
            self.directory(),
            name,
            Some(uid),
            Some(gid),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(at(&entry.name))?;
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
