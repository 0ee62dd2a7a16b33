//! Filling a directory from an archive nobody vouches for.
//!
//! An entry's parent is resolved by the kernel inside the root; the entry itself is made in that
//! directory under its last name, never through a link. Attributes are set in the order in which
//! none undoes another: owner (clears set-id bits and capabilities), mode, attributes, time; those of
//! directories' times at the very end, since filling a directory changes them.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, XattrFlags, fsetxattr, futimens, mkdirat, mknodat};
use rustix::io::Errno;

use super::fault::{Fault, Shown, Why, at};
use super::judge::{check, components};
use super::make::{dress, own, times};
use super::tar::{Entry, Kind, Reader};
use super::{Totals, Unpack, Unpacked};
use crate::tree;

/// What begins the name of a whiteout (image-spec layer.md, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// What hides everything below its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other bookkeeping of AUFS; there is nothing in it for anybody else.
const AUFS: &[u8] = b".wh..wh.";

const SET_GROUP_ID: u32 = 0o2000;

/// What is done with a directory that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is in the way, as anything else.
    Clear,
    /// It takes the attributes of the archive's.
    Merge,
}

/// An archive being unpacked.
pub(super) struct Unpacker<'a> {
    pub(super) root: BorrowedFd<'a>,
    /// Where the archive's own root is, in `root`; no slashes at its ends.
    pub(super) base: &'a [u8],
    options: &'a Unpack,
    /// The directory of the last entry: most entries follow their siblings.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// Who owns what this process makes in it, if that is certain.
    pub(super) owner: Option<(u32, u32)>,
    /// Times of directories, to be set when all is in them.
    pub(super) times: HashMap<Vec<u8>, (i64, u32)>,
    pub(super) totals: Totals,
    /// Whether the archive says what its root looks like.
    rooted: bool,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, base: &'a [u8], options: &'a Unpack) -> Self {
        Self {
            root,
            base,
            options,
            parent: None,
            owner: None,
            times: HashMap::new(),
            totals: Totals::default(),
            rooted: false,
        }
    }

    /// Takes in a whole archive.
    pub(super) fn run<R: BufRead>(mut self, archive: &mut Reader<R>) -> Result<Unpacked, Fault> {
        while let Some(entry) = archive.next()? {
            self.entry(entry, archive)?;
            self.totals.entries += 1;
        }
        self.set_times()?;
        Ok(Unpacked {
            totals: self.totals,
            root: self.rooted,
        })
    }

    fn entry<R: BufRead>(&mut self, mut entry: Entry, content: &mut Reader<R>) -> Result<(), Fault> {
        let path = self.path(&entry.name)?;
        check(&entry, &path, self.options.climbing_links)?;
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
        // As a rule the name is free: what is in the way is looked at only if there is something.
        if self.make(&entry, &path, name, content, Way::Clear)? {
            return Ok(());
        }
        self.clear_way(&entry, name)?;
        self.make(&entry, &path, name, content, Way::Merge).map(drop)
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
        self.rooted = true;
        let directory = tree::open_directory(self.root, path).map_err(at(&entry.name))?;
        self.times.insert(path.to_vec(), entry.mtime);
        dress(directory.as_fd(), entry)
    }

    fn open_parent(&mut self, path: &[u8]) -> Result<(), Errno> {
        if self.parent.as_ref().is_none_or(|(known, _)| known != path) {
            let directory = tree::make_directories(self.root, path)?;
            // In a set-group-id directory, what is made belongs to its group.
            let inherits = tree::stat(&directory)?.st_mode & SET_GROUP_ID != 0;
            self.owner = own().filter(|_| !inherits);
            self.parent = Some((path.to_vec(), directory));
        }
        Ok(())
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
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
