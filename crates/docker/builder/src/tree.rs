//! The trees that `COPY` reads: a build context, or the root filesystem of an image.
//!
//! A [`Tree`] gives entries by *real* path, one without symbolic links in its directories; and
//! [`resolve`] makes a real path of any path the way upstream does, inside the tree: links are
//! followed with the tree as root, and nothing leads out of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Permission bits, with set-user-id and its kin.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// Extended attributes, in order.
    pub(crate) attributes: Vec<(OsString, Vec<u8>)>,
    /// Equal for names of one file; only for files with several names.
    pub(crate) link: Option<u64>,
}

/// The kinds of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File {
        /// In bytes.
        size: u64,
    },
    Symlink(PathBuf),
    Fifo,
    /// A character device, or a block device.
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
}

/// A tree of files that does not change while it is read. Paths are real, relative, clean; the
/// root is the empty path.
pub(crate) trait Tree: Send + Sync {
    /// The entry itself; a link is not followed.
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>>;
    /// Names in a directory, sorted by bytes.
    fn names(&self, path: &Path) -> io::Result<Vec<OsString>>;
    /// The content of a file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>>;
    /// A file as one of this machine's that nobody changes, if it is one.
    fn file(&self, _path: &Path) -> io::Result<Option<std::fs::File>> {
        Ok(None)
    }
}

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// The real path of what `path` names, and the entry there; `None` if there is nothing.
pub(crate) fn resolve(tree: &dyn Tree, path: &Path) -> io::Result<Option<(PathBuf, Entry)>> {
    let mut real = PathBuf::new();
    let mut rest: VecDeque<OsString> = VecDeque::new();
    push_front(&mut rest, path);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            real.pop();
            continue;
        }
        real.push(&name);
        let Some(entry) = tree.entry(&real)? else {
            return Ok(None);
        };
        match &entry.kind {
            Kind::Symlink(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::other("too many links"));
                }
                real.pop();
                if target.is_absolute() {
                    real = PathBuf::new();
                }
                push_front(&mut rest, target);
            }
            Kind::Directory => {}
            _ if rest.is_empty() => return Ok(Some((real, entry))),
            _ => return Ok(None),
        }
    }
    Ok(tree.entry(&real)?.map(|entry| (real, entry)))
}

fn push_front(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

/// Calls `each` for everything below a directory, parents before children, in byte order of names
/// within each directory.
pub(crate) fn walk<E: From<io::Error>>(
    tree: &dyn Tree,
    directory: &Path,
    each: &mut dyn FnMut(&Path, &Entry) -> Result<Descend, E>,
) -> Result<(), E> {
    // A stack of its own: trees are foreign, and recursion would let their depth use up ours.
    let mut open: Vec<PathBuf> = children(tree, directory)?;
    while let Some(path) = open.pop() {
        let Some(entry) = tree.entry(&path)? else {
            continue;
        };
        let descend = each(&path, &entry)?;
        if descend == Descend::Yes && entry.kind == Kind::Directory {
            open.extend(children(tree, &path)?);
        }
    }
    Ok(())
}

/// Whether a walk goes on below an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descend {
    Yes,
    No,
}

/// Children in reverse, for a stack.
fn children(tree: &dyn Tree, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let names = tree.names(directory)?;
    Ok(names.into_iter().rev().map(|name| directory.join(name)).collect())
}

/// The bytes of a path, which need not be text.
pub(crate) fn bytes(path: &Path) -> &[u8] {
    OsStr::as_bytes(path.as_os_str())
}
