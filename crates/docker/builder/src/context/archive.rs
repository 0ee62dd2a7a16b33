//! A tar archive as a tree, without unpacking it.
//!
//! Only headers are read; a file is where its bytes lie in the archive. So a build whose steps are
//! all in the cache writes no file and starts no worker, and a large context costs what is read of
//! it. Headers are foreign input: the reader is bounded and builds nothing but this map.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, EntryType};

use crate::BuildError;
use crate::tree::{Entry, Kind, Tree};

/// At most so many entries.
const MAX_ENTRIES: usize = 4 << 20;
/// At most so many components in a path.
const MAX_DEPTH: usize = 512;
/// At most so many bytes of extended attributes in one entry.
const MAX_ATTRIBUTES: usize = 1 << 20;

/// A tar archive as a tree.
pub(crate) struct ArchiveTree {
    file: File,
    root: Node,
}

/// An entry with where its bytes begin, and what is below it.
#[derive(Debug)]
struct Node {
    entry: Entry,
    offset: u64,
    children: BTreeMap<OsString, Self>,
}

impl Node {
    fn directory() -> Self {
        let entry = Entry {
            kind: Kind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            modified: 0,
            attributes: Vec::new(),
            link: None,
        };
        Self {
            entry,
            offset: 0,
            children: BTreeMap::new(),
        }
    }
}

fn refused(reason: impl Into<String>) -> BuildError {
    BuildError::Invalid(format!("Error processing tar file: {}", reason.into()))
}

/// What is no tar archive at all, in the words of upstream's reader.
fn broken() -> BuildError {
    BuildError::Step("archive/tar: invalid tar header".to_owned())
}

impl ArchiveTree {
    /// Reads the headers of an archive. Nothing, if it has files with holes, whose content does not lie there as it is.
    ///
    /// # Errors
    /// What is no archive, names what lies outside of it, or goes beyond a bound.
    pub(crate) fn read(file: File) -> Result<Option<Self>, BuildError> {
        let length = file
            .metadata()
            .map_err(BuildError::io("reading the build context"))?
            .len();
        let mut root = Node::directory();
        let reader = file
            .try_clone()
            .map_err(BuildError::io("reading the build context"))?;
        let mut archive = Archive::new(BufReader::new(At {
            file: reader,
            position: 0,
        }));
        for (count, entry) in archive.entries_with_seek().map_err(|_| broken())?.enumerate() {
            if count >= MAX_ENTRIES {
                return Err(refused(format!("more than {MAX_ENTRIES} entries")));
            }
            let mut entry = entry.map_err(|_| broken())?;
            if has_holes(&mut entry)? {
                return Ok(None);
            }
            // The padding of the last entry may be missing, as the rest of the trailer may be: the docker
            // client itself ends the archive like that for `-f -`.
            let end = entry.raw_file_position().checked_add(entry.size());
            if end.is_none_or(|end| end > length) {
                return Err(BuildError::Step("unexpected EOF".to_owned()));
            }
            root.add(&mut entry)?;
        }
        Ok(Some(Self { file, root }))
    }

    fn node(&self, path: &Path) -> Option<&Node> {
        path.iter()
            .try_fold(&self.root, |node, name| node.children.get(name))
    }
}

impl Node {
    fn add<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<(), BuildError> {
        let path = local(&entry.path_bytes())?;
        let kind = match entry.header().entry_type() {
            EntryType::Link => return self.add_link(&path, &link_name(entry)?),
            EntryType::XGlobalHeader => return Ok(()),
            EntryType::Char | EntryType::Block => {
                return Err(refused(format!("{:?} is a device", path.display())));
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(link_name(entry)?),
            EntryType::Fifo => Kind::Fifo,
            _ => Kind::File { size: entry.size() },
        };
        let offset = entry.raw_file_position();
        let attributes = attributes(entry)?;
        let header = entry.header();
        let fields = header.as_old();
        let entry = Entry {
            kind,
            mode: number(&fields.mode, header.mode().map(u64::from))? & 0o7777,
            uid: number(&fields.uid, header.uid())?,
            gid: number(&fields.gid, header.gid())?,
            modified: header
                .mtime()
                .ok()
                .and_then(|time| i64::try_from(time).ok())
                .unwrap_or(0),
            attributes,
            link: None,
        };
        self.insert(
            &path,
            Self {
                entry,
                offset,
                children: BTreeMap::new(),
            },
        )
    }

    /// A further name of a file that came before.
    fn add_link(&mut self, path: &Path, target: &Path) -> Result<(), BuildError> {
        let target = local(target.as_os_str().as_bytes())?;
        let linked = target
            .iter()
            .try_fold(&mut *self, |node, part| node.children.get_mut(part));
        let linked = linked
            .filter(|node| node.entry.kind != Kind::Directory)
            .ok_or_else(|| {
                refused(format!(
                    "invalid hardlink {:?} -> {:?}",
                    path.display(),
                    target.display()
                ))
            })?;
        linked.entry.link = Some(linked.offset);
        let (entry, offset) = (linked.entry.clone(), linked.offset);
        self.insert(
            path,
            Self {
                entry,
                offset,
                children: BTreeMap::new(),
            },
        )
    }

    /// Puts a node at a path, as unpacking would: directories that nobody mentioned are made, a
    /// directory mentioned twice keeps what is in it, anything else is replaced.
    fn insert(&mut self, path: &Path, mut new: Self) -> Result<(), BuildError> {
        let Some(name) = path.file_name() else {
            self.entry = new.entry;
            return Ok(());
        };
        let mut parent = self;
        for part in path.parent().into_iter().flat_map(Path::iter) {
            parent = parent
                .children
                .entry(part.to_owned())
                .or_insert_with(Self::directory);
            if parent.entry.kind != Kind::Directory {
                return Err(refused(format!(
                    "{:?} is below what is no directory",
                    path.display()
                )));
            }
        }
        if let Some(old) = parent.children.remove(name)
            && (&new.entry.kind, &old.entry.kind) == (&Kind::Directory, &Kind::Directory)
        {
            new.children = old.children;
        }
        parent.children.insert(name.to_owned(), new);
        Ok(())
    }
}

/// A number of a header; a field that was left empty is zero, as Go's reader has it.
fn number(field: &[u8], value: io::Result<u64>) -> Result<u32, BuildError> {
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(0);
    }
    value
        .ok()
        .and_then(|value| u32::try_from(value).ok())
        .ok_or_else(broken)
}

/// Whether an entry has holes, in one of the forms in which tar has them.
fn has_holes<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<bool, BuildError> {
    if entry.header().entry_type() == EntryType::GNUSparse {
        return Ok(true);
    }
    let records = entry
        .pax_extensions()
        .map_err(|error| refused(error.to_string()))?;
    let mut keys = records.into_iter().flatten().flatten();
    Ok(keys.any(|record| record.key_bytes().starts_with(b"GNU.sparse.")))
}

/// A name in the archive as a relative path; one that leads out is refused.
fn local(name: &[u8]) -> Result<PathBuf, BuildError> {
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir if path.pop() => {}
            Component::ParentDir => {
                return Err(refused(format!(
                    "{:?} is outside of \"/\"",
                    String::from_utf8_lossy(name)
                )));
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if path.iter().count() > MAX_DEPTH || name.contains(&0) {
        return Err(refused("invalid name in tar header"));
    }
    Ok(path)
}

fn link_name<R: Read>(entry: &tar::Entry<'_, R>) -> Result<PathBuf, BuildError> {
    let name = entry
        .link_name_bytes()
        .filter(|name| !name.is_empty() && !name.contains(&0));
    let name = name.ok_or_else(|| refused("a link without a target"))?;
    Ok(PathBuf::from(OsString::from_vec(name.into_owned())))
}

/// Extended attributes, which tar writers put into `SCHILY.xattr.NAME` records.
fn attributes<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<(OsString, Vec<u8>)>, BuildError> {
    let Some(records) = entry
        .pax_extensions()
        .map_err(|error| refused(error.to_string()))?
    else {
        return Ok(Vec::new());
    };
    let mut attributes = Vec::new();
    let mut size = 0;
    for record in records {
        let record = record.map_err(|error| refused(error.to_string()))?;
        if let Some(name) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") {
            size += name.len() + record.value_bytes().len();
            attributes.push((OsString::from_vec(name.to_vec()), record.value_bytes().to_vec()));
        }
    }
    attributes.sort_unstable();
    if size > MAX_ATTRIBUTES {
        return Err(refused("too many extended attributes"));
    }
    Ok(attributes)
}

impl Tree for ArchiveTree {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        Ok(self.node(path).map(|node| node.entry.clone()))
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        Ok(self
            .node(path)
            .map(|node| node.children.keys().cloned().collect())
            .unwrap_or_default())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        let node = self.node(path).ok_or(io::ErrorKind::NotFound)?;
        let Kind::File { size } = node.entry.kind else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let file = self.file.try_clone()?;
        Ok(Box::new(
            BufReader::with_capacity(
                64 << 10,
                At {
                    file,
                    position: node.offset,
                },
            )
            .take(size),
        ))
    }
}

/// Reads a shared file from a position of its own.
struct At {
    file: File,
    position: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl io::Seek for At {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.position = match to {
            io::SeekFrom::Start(position) => position,
            io::SeekFrom::Current(by) => self
                .position
                .checked_add_signed(by)
                .ok_or(io::ErrorKind::InvalidInput)?,
            io::SeekFrom::End(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(self.position)
    }
}
