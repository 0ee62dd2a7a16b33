//! Writing part of a tree as an archive whose bytes depend on nothing but the tree: names in
//! order, numeric owners, whole seconds, no access times, hard links to the first name.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat, major, minor, openat, readlinkat};
use rustix::io::Errno;

use super::Totals;
use super::fault::{Fault, Why, at};
use super::tar::{Entry, Kind, Writer};
use crate::tree;

use std::os::unix::ffi::OsStrExt;

/// Attributes that go along. The rest is the kernel's or overlay's bookkeeping on this host.
const CARRIED: &[&str] = &["security.capability", "user."];

/// How a tree is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Style<'a> {
    /// Overlay's marks become `.wh.` entries: the tree is the upper directory of a snapshot.
    pub(super) layer: bool,
    /// Owner of everything.
    pub(super) owner: Option<(u32, u32)>,
    /// What is left out, by its path below the directory that was packed.
    pub(super) exclude: Option<&'a dyn Fn(&Path) -> bool>,
    /// Whether there is room for so many bytes more: a file with holes is written without them.
    pub(super) room: Option<&'a Room<'a>>,
}

/// An error where there is no room for a file of so many bytes.
pub(crate) type Room<'a> = dyn Fn(u64) -> io::Result<()> + 'a;

pub(super) struct Packer<'a, W> {
    out: Writer<W>,
    style: Style<'a>,
    /// The first name of every file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    totals: Totals,
}

impl<'a, W: Write> Packer<'a, W> {
    pub(super) fn new(out: W, style: Style<'a>) -> Self {
        Self {
            out: Writer::new(out),
            style,
            links: HashMap::new(),
            totals: Totals::default(),
        }
    }

    /// Writes `name` of `directory` as `entry_name`, with all that is in it.
    pub(super) fn add(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        entry_name: &[u8],
    ) -> Result<(), Fault> {
        let stat = tree::look(directory, name.to_bytes()).map_err(at(entry_name))?;
        let stat = stat.ok_or_else(|| at(entry_name)(Errno::NOENT))?;
        let place = Place {
            directory,
            name,
            entry_name,
            below: b"",
        };
        self.any(place, &stat, 0)
    }

    /// Writes what is in `directory`, under `prefix` (empty or ending in a slash).
    pub(super) fn add_contents(&mut self, directory: &OwnedFd, prefix: &[u8]) -> Result<(), Fault> {
        self.children(directory, prefix, b"", 0)
    }

    pub(super) fn finish(self) -> Result<Totals, Fault> {
        self.out.finish()?;
        Ok(self.totals)
    }

    fn any(&mut self, place: Place<'_>, stat: &Stat, depth: usize) -> Result<(), Fault> {
        let kind = match tree::kind(stat) {
            FileType::CharacterDevice if self.style.layer && tree::is_whiteout(stat) => {
                return self.whiteout(&place);
            }
            FileType::Directory => return self.directory(place, stat, depth),
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::Character,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            // Tar has no sockets; whoever listens makes them anew.
            _ => return Ok(()),
        };
        let mut entry = self.entry(place.entry_name, kind, stat);
        if let Some(first) = self.first_name(place.entry_name, stat) {
            (entry.kind, entry.link) = (Kind::Hardlink, first);
            return self.put(&entry);
        }
        match kind {
            Kind::File => self.file(&place, entry, stat),
            Kind::Symlink => {
                let target = readlinkat(place.directory, place.name, Vec::new());
                entry.link = target.map_err(at(place.entry_name))?.into_bytes();
                self.put(&entry)
            }
            _ => self.put(&entry),
        }
    }

    fn file(&mut self, place: &Place<'_>, mut entry: Entry, stat: &Stat) -> Result<(), Fault> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(place.directory, place.name, flags, Mode::empty()).map_err(at(place.entry_name))?;
        entry.xattrs = carried(file.as_fd()).map_err(at(place.entry_name))?;
        entry.size = u64::try_from(stat.st_size).unwrap_or(0);
        if let Some(room) = self.style.room {
            room(entry.size).map_err(|error| Fault::entry(place.entry_name, Why::Io(error)))?;
        }
        self.totals.entries += 1;
        self.totals.bytes += entry.size;
        Ok(self.out.file(&entry, &mut File::from(file))?)
    }

    fn directory(&mut self, place: Place<'_>, stat: &Stat, depth: usize) -> Result<(), Fault> {
        let at = at(place.entry_name);
        if depth > tree::MAX_DEPTH {
            return Err(Fault::entry(place.entry_name, Why::Depth));
        }
        let directory = tree::enter(place.directory, place.name).map_err(&at)?;
        let name = [place.entry_name, b"/"].concat();
        let mut entry = self.entry(&name, Kind::Directory, stat);
        entry.xattrs = carried(directory.as_fd()).map_err(&at)?;
        self.put(&entry)?;
        if self.style.layer && tree::is_opaque(&directory).map_err(&at)? {
            self.put(&Entry::new(
                [&name, b".wh..wh..opq".as_slice()].concat(),
                Kind::File,
            ))?;
        }
        self.children(&directory, &name, place.below, depth + 1)
    }

    fn children(
        &mut self,
        directory: &OwnedFd,
        prefix: &[u8],
        below: &[u8],
        depth: usize,
    ) -> Result<(), Fault> {
        for name in tree::names(directory).map_err(at(prefix))? {
            let below = tree::join(below, name.to_bytes());
            if self.is_excluded(&below) {
                continue;
            }
            let entry_name = [prefix, name.to_bytes()].concat();
            // A name that is gone by now was removed while the tree was read.
            let Some(stat) = tree::look(directory, name.to_bytes()).map_err(at(&entry_name))? else {
                continue;
            };
            let place = Place {
                directory: directory.as_fd(),
                name: &name,
                entry_name: &entry_name,
                below: &below,
            };
            self.any(place, &stat, depth)?;
        }
        Ok(())
    }

    fn is_excluded(&self, below: &[u8]) -> bool {
        let path = Path::new(std::ffi::OsStr::from_bytes(below));
        self.style.exclude.is_some_and(|exclude| exclude(path))
    }

    fn whiteout(&mut self, place: &Place<'_>) -> Result<(), Fault> {
        let (parent, name) = tree::split(place.entry_name);
        let mark = [b".wh.", name].concat();
        self.put(&Entry::new(tree::join(parent, &mark), Kind::File))
    }

    fn entry(&self, name: &[u8], kind: Kind, stat: &Stat) -> Entry {
        let mut entry = Entry::new(name, kind);
        entry.mode = stat.st_mode & 0o7777;
        (entry.uid, entry.gid) = self.style.owner.unwrap_or((stat.st_uid, stat.st_gid));
        entry.mtime = (stat.st_mtime, 0);
        if matches!(kind, Kind::Character | Kind::BlockDevice) {
            entry.device = (major(stat.st_rdev), minor(stat.st_rdev));
        }
        entry
    }

    fn put(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.totals.entries += 1;
        Ok(self.out.header(entry)?)
    }

    /// The name under which a file with several was written already.
    fn first_name(&mut self, name: &[u8], stat: &Stat) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        let key = (stat.st_dev, stat.st_ino);
        let first = self.links.get(&key).cloned();
        if first.is_none() {
            self.links.insert(key, name.to_vec());
        }
        first
    }
}

/// A file to be written.
struct Place<'a> {
    directory: BorrowedFd<'a>,
    name: &'a CStr,
    entry_name: &'a [u8],
    /// Its path below what was packed.
    below: &'a [u8],
}

fn carried(file: BorrowedFd<'_>) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    let mut carried = Vec::new();
    for name in tree::attributes(file)? {
        if CARRIED.iter().any(|prefix| name.starts_with(prefix)) && !name.starts_with("user.overlay.") {
            carried.extend(tree::attribute(file, &name)?.map(|value| (name, value)));
        }
    }
    Ok(carried)
}
