//! An archive whose contents are put in their places in any order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use tar::{Builder, EntryType, Header};

use crate::proto::fsutil::Stat;

/// Go's bits of a mode that are no permissions.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const FIFO: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SET_USER: u32 = 1 << 23;
const SET_GROUP: u32 = 1 << 22;
const CHARACTER: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;
const IRREGULAR: u32 = 1 << 19;
const KINDS: u32 = DIRECTORY | SYMLINK | DEVICE | FIFO | SOCKET | IRREGULAR;
/// A tar archive's unit.
const BLOCK: u64 = 512;
/// As many links are followed as upstream follows.
const MAX_LINKS: usize = 40;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A regular file, and where its content is.
    File(Place),
    /// A symbolic link.
    Symlink(String),
    /// Another name of an earlier file.
    Link(String),
    /// Anything else.
    Other,
}

/// Where a content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first byte in the archive.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was modified, in nanoseconds since 1970.
    pub(crate) modified: i64,
}

/// A plain tar archive without a name, and what is where in it.
#[derive(Debug)]
pub struct Archive {
    pub(super) file: File,
    pub(super) entries: BTreeMap<String, EntryKind>,
    /// Headers that are not written yet, and where they belong.
    pending: Vec<u8>,
    end: u64,
    /// What the client told of all of it, once every content is in its place.
    pub(super) said: Option<image::Digest>,
}

impl Archive {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            entries: BTreeMap::new(),
            pending: Vec::new(),
            end: 0,
            said: None,
        }
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end
    }

    /// The archive itself. Whoever reads does so by position: the file is shared.
    ///
    /// # Errors
    /// Too many open files.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// What is at a path; links are not followed.
    #[must_use]
    pub(super) fn entry(&self, path: &str) -> Option<&EntryKind> {
        self.entries.get(path)
    }

    /// The place of a file, behind its links.
    #[must_use]
    pub(crate) fn find(&self, path: &str) -> Option<Place> {
        let mut path = clean(path)?;
        for _ in 0..MAX_LINKS {
            match self.entries.get(&path)? {
                EntryKind::File(place) => return Some(*place),
                EntryKind::Link(target) => path = clean(target)?,
                EntryKind::Symlink(target) if target.starts_with('/') => path = clean(target)?,
                EntryKind::Symlink(target) => {
                    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                    path = clean(&format!("{folder}/{target}"))?;
                }
                EntryKind::Other => return None,
            }
        }
        None
    }

    /// Reads a file of at most `limit` bytes; `None` if it is not there.
    ///
    /// # Errors
    /// The disk's, and a file that is larger.
    pub fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.find(path) else {
            return Ok(None);
        };
        if place.size > limit {
            let sentence = format!("{path} is larger than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, sentence));
        }
        let mut text = vec![0; usize::try_from(place.size).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut text, place.offset)?;
        Ok(Some(text))
    }

    /// Adds an entry and leaves room for its content.
    pub(super) fn add(&mut self, stat: &Stat) -> io::Result<()> {
        if stat.mode & (SOCKET | IRREGULAR) != 0 {
            // A socket is no file that could be copied; upstream's archives leave it out too.
            return Ok(());
        }
        let kind = kind(stat);
        let mut size = 0;
        if matches!(kind, EntryKind::File(_)) {
            size = u64::try_from(stat.size).map_err(io::Error::other)?;
        }
        let header = header(stat, &kind, size)?;
        self.pending.extend_from_slice(&header);
        self.end += header.len() as u64;
        let placed = match kind {
            EntryKind::File(place) => EntryKind::File(Place {
                offset: self.end,
                size,
                ..place
            }),
            other => other,
        };
        self.entries.insert(stat.path.clone(), placed);
        if size > 0 || self.pending.len() > 1 << 20 {
            self.flush()?;
        }
        self.end = self
            .end
            .checked_add(size.next_multiple_of(BLOCK))
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let start = self.end - self.pending.len() as u64;
        self.file.write_all_at(&self.pending, start)?;
        self.pending.clear();
        Ok(())
    }

    /// Ends the archive; contents may still be put in their places.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.pending.extend_from_slice(&[0; 1024]);
        self.end += 1024;
        self.flush()
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Copies a content from an earlier archive, inside the kernel where the file system can.
    pub(super) fn copy(&self, from: &Self, source: Place, target: Place) -> io::Result<()> {
        let (mut input, mut output, mut left) = (source.offset, target.offset, source.size);
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
            let copied = rustix::fs::copy_file_range(
                &from.file,
                Some(&mut input),
                &self.file,
                Some(&mut output),
                length,
            )?;
            if copied == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left = left.saturating_sub(copied as u64);
        }
        Ok(())
    }
}

/// Go's `path.Clean` for what must be relative and stay below where it starts; `None` for what does not.
fn clean(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a name of a client's entry is clean, relative and of a sensible length.
pub(super) fn is_clean(path: &str) -> bool {
    path.len() <= 4096 && !path.is_empty() && !path.contains('\0') && clean(path).as_deref() == Some(path)
}

fn kind(stat: &Stat) -> EntryKind {
    match stat.mode & KINDS {
        SYMLINK => EntryKind::Symlink(stat.linkname.clone()),
        0 if stat.linkname.is_empty() => EntryKind::File(Place {
            offset: 0,
            size: 0,
            modified: stat.mod_time,
        }),
        0 => EntryKind::Link(stat.linkname.clone()),
        _ => EntryKind::Other,
    }
}

/// An entry's header as tar has it, with whatever a long name or attributes need ahead of it.
fn header(stat: &Stat, kind: &EntryKind, size: u64) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_mode(permissions(stat.mode));
    header.set_uid(stat.uid.into());
    header.set_gid(stat.gid.into());
    header.set_mtime(u64::try_from(stat.mod_time / 1_000_000_000).unwrap_or(0));
    header.set_size(size);
    header.set_entry_type(entry_type(stat.mode, kind));
    if stat.mode & DEVICE != 0 {
        header.set_device_major(u32::try_from(stat.devmajor).map_err(io::Error::other)?)?;
        header.set_device_minor(u32::try_from(stat.devminor).map_err(io::Error::other)?)?;
    }
    let mut builder = Builder::new(Vec::new());
    let attributes: Vec<(String, &[u8])> = stat
        .xattrs
        .iter()
        .map(|(name, value)| (format!("SCHILY.xattr.{name}"), &value[..]))
        .collect();
    if !attributes.is_empty() {
        builder.append_pax_extensions(attributes.iter().map(|(name, value)| (&name[..], *value)))?;
    }
    match kind {
        EntryKind::Symlink(target) | EntryKind::Link(target) => {
            builder.append_link(&mut header, &stat.path, target)?;
        }
        EntryKind::File(_) | EntryKind::Other => builder.append_data(&mut header, &stat.path, io::empty())?,
    }
    Ok(std::mem::take(builder.get_mut()))
}

fn permissions(mode: u32) -> u32 {
    let set = |bit: u32, value: u32| if mode & bit == 0 { 0 } else { value };
    (mode & 0o777) | set(SET_USER, 0o4000) | set(SET_GROUP, 0o2000) | set(STICKY, 0o1000)
}

/// The other way: Go's mode of a tar entry.
pub(crate) fn go_mode(mode: u32, kind: EntryType) -> u32 {
    let kind = match kind {
        EntryType::Directory => DIRECTORY,
        EntryType::Symlink => SYMLINK,
        EntryType::Fifo => FIFO,
        _ => 0,
    };
    let set = |bit: u32, value: u32| if mode & bit == 0 { 0 } else { value };
    kind | (mode & 0o777) | set(0o4000, SET_USER) | set(0o2000, SET_GROUP) | set(0o1000, STICKY)
}

const fn entry_type(mode: u32, kind: &EntryKind) -> EntryType {
    match kind {
        EntryKind::File(_) => EntryType::Regular,
        EntryKind::Symlink(_) => EntryType::Symlink,
        EntryKind::Link(_) => EntryType::Link,
        EntryKind::Other if mode & DIRECTORY != 0 => EntryType::Directory,
        EntryKind::Other if mode & FIFO != 0 => EntryType::Fifo,
        EntryKind::Other if mode & CHARACTER != 0 => EntryType::Char,
        EntryKind::Other => EntryType::Block,
    }
}
