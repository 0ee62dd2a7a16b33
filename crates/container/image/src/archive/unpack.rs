//! Filling a directory from an archive nobody vouches for.
//!
//! An entry's parent is resolved by the kernel inside the root; the entry itself is made in that
//! directory under its last name, never through a link. Attributes are set in the order in which
//! none undoes another: owner (clears set-id bits and capabilities), mode, attributes, time; those of
//! directories' times at the very end, since filling a directory changes them.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::fault::{Fault, Shown, Why, at};
use super::judge::{check, components};
use super::tar::{Entry, Kind, Reader};
use super::{Totals, Unpack};
use crate::tree;

/// What begins the name of a whiteout (image-spec layer.md, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// What hides everything below its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other bookkeeping of AUFS; there is nothing in it for anybody else.
const AUFS: &[u8] = b".wh..wh.";

const COPY_BUFFER: usize = 128 << 10;

/// An archive being unpacked.
pub(super) struct Unpacker<'a> {
    root: BorrowedFd<'a>,
    /// Where the archive's own root is, in `root`; no slashes at its ends.
    base: &'a [u8],
    options: &'a Unpack,
    /// The directory of the last entry: most entries follow their siblings.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// Times of directories, to be set when all is in them.
    times: HashMap<Vec<u8>, (i64, u32)>,
    buffer: Vec<u8>,
    totals: Totals,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, base: &'a [u8], options: &'a Unpack) -> Self {
        Self {
            root,
            base,
            options,
            parent: None,
            times: HashMap::new(),
            buffer: vec![0; COPY_BUFFER],
            totals: Totals::default(),
        }
    }

    /// Takes in a whole archive.
    pub(super) fn run<R: Read>(mut self, archive: &mut Reader<R>) -> Result<Totals, Fault> {
        while let Some(entry) = archive.next()? {
            self.entry(entry, archive)?;
            self.totals.entries += 1;
        }
        self.set_times()?;
        Ok(self.totals)
    }

    fn entry<R: Read>(&mut self, mut entry: Entry, content: &mut Reader<R>) -> Result<(), Fault> {
        let path = self.path(&entry.name)?;
        check(&entry, &path)?;
        if let Some((uid, gid)) = self.options.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        let (parent, name) = tree::split(&path);
        // The archive's root, or the tree's: it is there already and only takes attributes.
        if name.is_empty() || path == self.base {
            return self.root_itself(&entry, &path);
        }
        if self.options.whiteouts && name.starts_with(WHITEOUT) {
            return self.whiteout(&entry, parent, name);
        }
        self.open_parent(parent).map_err(at(&entry.name))?;
        self.clear_way(&entry, name)?;
        self.make(&entry, &path, name, content)
    }

    /// The path of an entry in the root, without `.` and doubled slashes.
    fn path(&self, name: &[u8]) -> Result<Vec<u8>, Fault> {
        let clean = components(name).ok_or_else(|| Fault::entry(name, Why::Escape))?;
        if clean.len() > self.options.limits.depth {
            return Err(Fault::entry(name, Why::Depth));
        }
        Ok(tree::join(self.base, &clean.join(&b'/')))
    }

    fn root_itself(&mut self, entry: &Entry, path: &[u8]) -> Result<(), Fault> {
        if entry.kind != Kind::Directory {
            return Err(Fault::entry(
                &entry.name,
                Why::Io(io::ErrorKind::IsADirectory.into()),
            ));
        }
        // `docker cp` of `dir/.` must not change the directory it copies to.
        if !self.options.whiteouts {
            return Ok(());
        }
        let directory = tree::open_directory(self.root, path).map_err(at(&entry.name))?;
        self.times.insert(path.to_vec(), entry.mtime);
        dress(directory.as_fd(), entry)
    }

    fn open_parent(&mut self, path: &[u8]) -> Result<(), Errno> {
        if self.parent.as_ref().is_none_or(|(known, _)| known != path) {
            let directory = tree::make_directories(self.root, path)?;
            self.parent = Some((path.to_vec(), directory));
        }
        Ok(())
    }

    fn directory(&self) -> BorrowedFd<'_> {
        self.parent
            .as_ref()
            .map_or(self.root, |(_, directory)| directory.as_fd())
    }

    /// Removes what is there unless both are directories, which are merged.
    fn clear_way(&mut self, entry: &Entry, name: &[u8]) -> Result<(), Fault> {
        let at = at(&entry.name);
        let Some(there) = tree::look(self.directory(), name).map_err(&at)? else {
            return Ok(());
        };
        let was_directory = tree::kind(&there) == FileType::Directory;
        let is_directory = entry.kind == Kind::Directory;
        if was_directory && is_directory {
            return Ok(());
        }
        if self.options.no_overwrite_dir_non_dir && was_directory != is_directory {
            return Err(Fault::entry(&entry.name, overwrite(was_directory, &entry.name)));
        }
        if was_directory {
            // The open parent stays what it is, but paths through what goes would not.
            let parent = self.parent.as_ref().map_or(&b""[..], |(path, _)| path);
            let gone = tree::join(parent, name);
            self.times.retain(|path, _| {
                !path
                    .strip_prefix(&*gone)
                    .is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            });
        }
        let name = std::ffi::CString::new(name).map_err(|error| Fault::Io(error.into()))?;
        tree::remove(self.directory(), &name).map_err(&at)?;
        if is_directory && self.options.whiteouts && tree::is_whiteout(&there) {
            return self.make_opaque_directory(entry, &name);
        }
        Ok(())
    }

    /// A directory in place of one that this very layer has whited out: nothing of the old one may
    /// show through.
    fn make_opaque_directory(&self, entry: &Entry, name: &std::ffi::CStr) -> Result<(), Fault> {
        let at = at(&entry.name);
        mkdirat(self.directory(), name, Mode::from_raw_mode(0o755)).map_err(&at)?;
        let made = tree::enter(self.directory(), name).map_err(&at)?;
        fsetxattr(&made, tree::OPAQUE, b"y", XattrFlags::empty()).map_err(&at)
    }

    fn whiteout(&mut self, entry: &Entry, parent: &[u8], name: &[u8]) -> Result<(), Fault> {
        let at = at(&entry.name);
        self.open_parent(parent).map_err(&at)?;
        if name == OPAQUE {
            return fsetxattr(self.directory(), tree::OPAQUE, b"y", XattrFlags::empty()).map_err(&at);
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        let hidden = &name[WHITEOUT.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Fault::entry(&entry.name, Why::Whiteout));
        }
        match mknodat(
            self.directory(),
            hidden,
            FileType::CharacterDevice,
            Mode::empty(),
            0,
        ) {
            // A whiteout hides what lies below, not what this layer itself has put there.
            Err(Errno::EXIST) => self.hide_below(hidden).map_err(&at),
            other => other.map_err(&at),
        }
    }

    fn hide_below(&self, name: &[u8]) -> Result<(), Errno> {
        match tree::enter(self.directory(), name) {
            Ok(directory) => fsetxattr(directory, tree::OPAQUE, b"y", XattrFlags::empty()),
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn make<R: Read>(
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

    /// What is not there any more was replaced by something with a time of its own.
    fn set_times(&self) -> Result<(), Fault> {
        for (path, time) in &self.times {
            match tree::open_directory(self.root, path) {
                Ok(directory) => futimens(&directory, &times(*time)).map_err(at(path))?,
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(at(path)(error)),
            }
        }
        Ok(())
    }
}

fn overwrite(directory: bool, name: &[u8]) -> Why {
    let name = Shown(name);
    Why::Overwrite(if directory {
        format!("cannot overwrite directory with non-directory {name}")
    } else {
        format!("cannot overwrite non-directory with directory {name}")
    })
}

/// Owner, mode and attributes of an open file or directory.
fn dress(file: BorrowedFd<'_>, entry: &Entry) -> Result<(), Fault> {
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

fn times(mtime: (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime.0,
        tv_nsec: mtime.1.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
