//! Carrying out what a `FileOp` does, and making one tree of another.

use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use image::Images;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno;

use super::archives::is_archive;
use super::paths::{NEW, directory, is_directory};
use super::{Owner, ROOT, Target, failed};
use crate::BuildError;
use crate::acts::{Act, CopyAct, Made};
use crate::context::DirectoryTree;
use crate::copy::described;
use crate::dockerignore::clean;
use crate::request::Dialect;
use crate::tree::{self, Descend, Entry, Kind, Tree};

const FAILED: &str = "failed to copy files";

/// Changes files, one act after the other.
///
/// # Errors
/// The file system's; what is not there.
pub(crate) fn acts(images: &Images, root: BorrowedFd<'_>, acts: &[Act]) -> Result<(), BuildError> {
    acts.iter().try_for_each(|act| match act {
        Act::Copy(copy) => copy_act(images, root, copy),
        Act::Make {
            path,
            made,
            owner,
            time,
        } => make(&Target::new(images, root, Some(*owner), Some(*time)), path, made),
        Act::Remove {
            path,
            allow_not_found,
            wildcard,
        } => remove(root, path, *allow_not_found, *wildcard),
    })
}

impl<'a> Target<'a> {
    fn new(images: &'a Images, root: BorrowedFd<'a>, owner: Option<Owner>, time: Option<i64>) -> Self {
        Self {
            images,
            root,
            owner,
            mode: None,
            time,
            dialect: Dialect::BuildKit,
            parents: false,
        }
    }
}

fn not_found(what: &str, path: &str) -> BuildError {
    BuildError::Step(format!("{what} {path}: no such file or directory"))
}

/// A path as the directory above it and its name.
fn split(path: &str) -> (PathBuf, PathBuf) {
    let path = PathBuf::from(clean(&format!("/{path}")));
    let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
    (parent, path.file_name().unwrap_or_default().into())
}

fn copy_act(images: &Images, root: BorrowedFd<'_>, copy: &CopyAct) -> Result<(), BuildError> {
    let target = Target {
        mode: copy.mode.as_ref(),
        ..Target::new(images, root, copy.owner, copy.time)
    };
    let destination = clean(&format!("/{}", copy.destination));
    let (parent, _) = split(&destination);
    let there = |path: &Path| is_directory(root, path).map_err(failed("failed to query destination path"));
    if !copy.create && !there(&parent)? {
        return Err(not_found("failed to stat", &destination));
    }
    if copy.destination.ends_with('/') {
        make_directories(&target, Path::new(&destination))?;
    }
    for (real, name) in &copy.sources {
        let entry = copy.tree.entry(real).map_err(failed(FAILED))?;
        let entry = entry.ok_or_else(|| not_found("lstat", &format!("/{}", real.display())))?;
        copy_one(&target, copy, (real, &entry, name), &destination)?;
    }
    Ok(())
}

fn make_directories(target: &Target<'_>, path: &Path) -> Result<(), BuildError> {
    directory(target.root, path, target.owner.unwrap_or(ROOT), NEW)
        .map(drop)
        .map_err(failed("failed to create new directory"))
}

fn copy_one(
    target: &Target<'_>,
    copy: &CopyAct,
    (real, entry, name): (&Path, &Entry, &str),
    destination: &str,
) -> Result<(), BuildError> {
    let tree = &*copy.tree;
    let is_tree = entry.kind == Kind::Directory;
    let path = Path::new(destination);
    if copy.unpack && !is_tree && is_archive(tree, real, Path::new(name))? {
        make_directories(target, path)?;
        return target.extract(tree, real, path);
    }
    let exists = is_directory(target.root, path).map_err(failed(FAILED))?;
    let is_other = |kind: FileType| kind != FileType::Symlink;
    if is_tree && !copy.contents && !exists && kind_at(target.root, path)?.is_some_and(is_other) {
        return Err(BuildError::Step(format!("mkdir {destination}: not a directory")));
    }
    let into = exists && !(is_tree && copy.contents);
    let path = if into { path.join(name) } else { path.to_owned() };
    let (parent, own) = split(&path.to_string_lossy());
    make_directories(target, &parent)?;
    // A directory that is there stays what it is; so does the root, which has no name.
    let stays = is_tree && is_directory(target.root, &path).map_err(failed(FAILED))?;
    let way = Way {
        root: target.root,
        replace: copy.replace,
    };
    if stays || way.make(entry, &path)? == Descend::Yes {
        way.make_below(tree, real, entry, &path)?;
    }
    target.send(&parent, |stream| {
        if !stays {
            stream.one(tree, real, entry, &own)?;
        }
        if !is_tree {
            return Ok(());
        }
        tree::walk(tree, real, &mut |path, entry| {
            let below = path.strip_prefix(real).map_err(io::Error::other)?;
            stream.one(tree, path, entry, &own.join(below))?;
            Ok::<_, io::Error>(Descend::Yes)
        })
    })
}

/// What is in the way of a copy: a directory where a file is to be, or something else where a directory is to be.
struct Way<'a> {
    root: BorrowedFd<'a>,
    /// It is removed; else it is a failure, in upstream's words.
    replace: bool,
}

impl Way<'_> {
    /// Makes way for an entry. Whether there may be more in the way below it.
    fn make(&self, entry: &Entry, path: &Path) -> Result<Descend, BuildError> {
        let is_tree = entry.kind == Kind::Directory;
        match kind_at(self.root, path)? {
            Some(FileType::Directory) if is_tree => Ok(Descend::Yes),
            None => Ok(Descend::No),
            Some(there) if !is_tree && there != FileType::Directory => Ok(Descend::No),
            Some(_) if self.replace => remove_one(self.root, path, true).map(|()| Descend::No),
            Some(_) => {
                let path = path.display();
                Err(BuildError::Step(match is_tree {
                    true => format!("cannot copy to non-directory: {path}"),
                    false => format!("cannot replace to directory {path} with file"),
                }))
            }
        }
    }

    /// The same for what is in a directory.
    fn make_below(
        &self,
        tree: &dyn Tree,
        real: &Path,
        entry: &Entry,
        place: &Path,
    ) -> Result<(), BuildError> {
        if entry.kind != Kind::Directory {
            return Ok(());
        }
        let mut refused = None;
        let walked = tree::walk(tree, real, &mut |path, entry| {
            let below = path.strip_prefix(real).map_err(io::Error::other)?;
            let made = match &refused {
                None => self.make(entry, &place.join(below)),
                Some(_) => Ok(Descend::No),
            };
            Ok::<_, io::Error>(made.unwrap_or_else(|error| {
                refused = Some(error);
                Descend::No
            }))
        });
        walked.map_err(failed(FAILED))?;
        refused.map_or(Ok(()), Err)
    }
}

fn make(target: &Target<'_>, path: &str, made: &Made) -> Result<(), BuildError> {
    let root = target.root;
    let (mut parent, name) = split(path);
    let there = |path: &Path| is_directory(root, path).map_err(failed("failed to create new directory"));
    let entry = |kind: Kind, mode: u32| Entry {
        kind,
        mode,
        uid: 0,
        gid: 0,
        modified: 0,
        attributes: Vec::new(),
        link: None,
    };
    let (entry, content, what) = match made {
        Made::File(mode, content) => {
            let size = content.len() as u64;
            (entry(Kind::File { size }, *mode), &content[..], "open")
        }
        Made::Symlink(target) => (entry(Kind::Symlink(target.clone()), 0o777), &[][..], "symlink"),
        Made::Directory { mode, .. } => (entry(Kind::Directory, *mode), &[][..], "mkdir"),
    };
    if matches!(made, Made::Directory { .. }) && there(&parent.join(&name))? {
        return Ok(());
    }
    let mut names = vec![name];
    if matches!(made, Made::Directory { parents: true, .. }) {
        while !there(&parent)? {
            let (above, name) = split(&parent.to_string_lossy());
            names.push(name);
            parent = above;
        }
    }
    if !there(&parent)? {
        return Err(not_found(what, &clean(&format!("/{path}"))));
    }
    if matches!(made, Made::Symlink(_)) && kind_at(root, &parent.join(&names[0]))?.is_some() {
        return Err(BuildError::Step(format!("symlink {path}: file exists")));
    }
    target.send(&parent, |stream| {
        let mut below = PathBuf::new();
        names.iter().rev().try_for_each(|name| {
            below.push(name);
            stream.made(&below, &entry, content)
        })
    })
}

/// Opens a directory of the tree.
fn open(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

/// What is at a path: a link itself, if it is one.
fn kind_at(root: BorrowedFd<'_>, path: &Path) -> Result<Option<FileType>, BuildError> {
    let (parent, name) = split(&path.to_string_lossy());
    if name.as_os_str().is_empty() {
        return Ok(Some(FileType::Directory));
    }
    let found = open(root, &parent).and_then(|parent| statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW));
    match found {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(cause) => Err(failed(FAILED)(cause.into())),
    }
}

fn remove(root: BorrowedFd<'_>, path: &str, allow_not_found: bool, wildcard: bool) -> Result<(), BuildError> {
    let path = clean(&format!("/{path}"));
    if path == "/" {
        return Err(BuildError::Step("rm: invalid empty path".to_owned()));
    }
    if !wildcard {
        return remove_one(root, Path::new(&path), allow_not_found);
    }
    let files = root.try_clone_to_owned().map_err(failed(FAILED))?;
    let found = described(&DirectoryTree::new(files), &path[1..]).map_err(failed(FAILED))?;
    found
        .iter()
        .try_for_each(|path| remove_one(root, path, allow_not_found))
}

fn remove_one(root: BorrowedFd<'_>, path: &Path, allow_not_found: bool) -> Result<(), BuildError> {
    let missing = || not_found("stat", &path.display().to_string());
    let (parent, name) = split(&path.to_string_lossy());
    let removed = match open(root, &parent) {
        Ok(parent) => {
            // Resolved already, and what is removed follows no link.
            let path = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd())).join(&name);
            let is_tree = std::fs::symlink_metadata(&path).map(|found| found.is_dir());
            is_tree.and_then(|is_tree| match is_tree {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            })
        }
        Err(cause) => Err(cause.into()),
    };
    match removed {
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            allow_not_found.then_some(()).ok_or_else(missing)
        }
        removed => removed.map_err(failed("failed to remove files")),
    }
}

/// Makes the tree at `root`, which is `old`, the same as `new`: what is gone is removed, what differs is copied.
///
/// # Errors
/// The file system's.
pub(crate) fn become_tree(
    images: &Images,
    root: BorrowedFd<'_>,
    old: Option<&dyn Tree>,
    new: &dyn Tree,
) -> Result<(), BuildError> {
    if let Some(old) = old {
        let mut gone = Vec::new();
        tree::walk(old, Path::new(""), &mut |path, entry| {
            let now = new.entry(path)?;
            let kept = now.is_some_and(|now| same_kind(&now.kind, &entry.kind));
            if !kept {
                gone.push(path.to_owned());
            }
            Ok::<_, io::Error>(if kept { Descend::Yes } else { Descend::No })
        })
        .map_err(failed(FAILED))?;
        gone.iter().try_for_each(|path| remove_one(root, path, true))?;
    }
    let target = Target {
        // Directories that differ are made what they are to be.
        dialect: Dialect::Classic,
        ..Target::new(images, root, None, None)
    };
    target.send(Path::new("/"), |stream| {
        tree::walk(new, Path::new(""), &mut |path, entry| {
            let same = match old {
                Some(old) => is_same(old, new, path, entry)?,
                None => false,
            };
            if !same {
                stream.one(new, path, entry, path)?;
            }
            Ok::<_, io::Error>(Descend::Yes)
        })
    })
}

const fn same_kind(one: &Kind, other: &Kind) -> bool {
    matches!(
        (one, other),
        (Kind::Directory, Kind::Directory) | (Kind::File { .. }, Kind::File { .. })
    ) || matches!(
        (one, other),
        (Kind::Symlink(_), Kind::Symlink(_))
            | (Kind::Fifo, Kind::Fifo)
            | (Kind::Device { .. }, Kind::Device { .. })
    )
}

/// Whether a path is the same in both. Of files of one size and time the bytes are compared too: whole builds are done
/// within a second.
fn is_same(old: &dyn Tree, new: &dyn Tree, path: &Path, entry: &Entry) -> io::Result<bool> {
    let Some(before) = old.entry(path)? else {
        return Ok(false);
    };
    let told = |entry: &Entry| Entry {
        link: None,
        ..entry.clone()
    };
    if told(&before) != told(entry) {
        return Ok(false);
    }
    match entry.kind {
        Kind::File { .. } => same_bytes(&mut old.open(path)?, &mut new.open(path)?),
        _ => Ok(true),
    }
}

fn same_bytes(one: &mut dyn io::Read, other: &mut dyn io::Read) -> io::Result<bool> {
    const PIECE: u64 = 64 << 10;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&mut *one).take(PIECE).read_to_end(&mut left)?;
        (&mut *other).take(PIECE).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}
