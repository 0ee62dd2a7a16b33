//! Carrying out `COPY`, `ADD` and `WORKDIR` on a mounted root filesystem.
//!
//! What is copied goes as one tar stream into `images`' confined worker, which alone makes files
//! there. Here only directories are made, and every path is resolved by the kernel with the
//! filesystem as root.

mod acts;
mod archives;
mod paths;
mod stream;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use image::Images;
use image::archive::Unpack;

pub(crate) use acts::{acts, become_tree};
use archives::is_archive;
pub(crate) use archives::is_tar;
use paths::{NEW, directory, is_directory, parse_owner};
use stream::Stream;

use crate::BuildError;
use crate::chmod::Chmod;
use crate::copy::{CopyPlan, Ownership, Source};
use crate::request::Dialect;
use crate::tree::{self, Entry, Kind, Tree};

/// A user and a group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// Makes sure of a directory and those above it. What has to be made belongs to the user of this name, or to root.
///
/// # Errors
/// The file system's; there is no such user.
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &str, user: &str) -> Result<(), BuildError> {
    let owner = match user {
        "" => ROOT,
        user => parse_owner(root, user, Dialect::BuildKit).map_err(BuildError::Step)?,
    };
    directory(root, Path::new(path), owner, NEW)
        .map(drop)
        .map_err(BuildError::io("failed to create new directory"))
}

/// Copies files.
///
/// # Errors
/// Upstream's sentences; the file system's.
pub(crate) fn copy(
    images: &Images,
    root: BorrowedFd<'_>,
    plan: &CopyPlan,
    working_dir: &str,
) -> Result<(), BuildError> {
    let owner = match &plan.owner {
        Ownership::Kept => None,
        Ownership::Root => Some(ROOT),
        Ownership::Named(text) => Some(parse_owner(root, text, plan.dialect).map_err(|error| {
            BuildError::Step(format!(
                "unable to convert uid/gid chown string to host mapping: {error}"
            ))
        })?),
    };
    let destination = absolute(working_dir, &plan.destination);
    let target = Target {
        images,
        root,
        owner,
        mode: plan.mode.as_ref().map(|(mode, _)| mode),
        time: None,
        dialect: plan.dialect,
        parents: plan.parents,
    };
    plan.sources
        .iter()
        .try_for_each(|source| target.copy(source, &destination))
}

/// A destination that is relative to the working directory made absolute. One that can only be a directory ends with `/`.
pub(crate) fn absolute(working_dir: &str, destination: &str) -> String {
    let is_directory =
        matches!(destination, "" | ".") || destination.ends_with('/') || destination.ends_with("/.");
    if destination.starts_with('/') {
        let destination = destination
            .strip_suffix('.')
            .filter(|_| is_directory)
            .unwrap_or(destination);
        return destination.to_owned();
    }
    let slash = if is_directory { "/" } else { "" };
    format!(
        "{}{slash}",
        crate::dockerignore::clean(&format!("/{working_dir}/{destination}"))
    )
}

/// What a file is called that [`export`] has copied.
pub(crate) const EXPORTED: &str = "file";

/// Copies what is in a directory, or a file, to a directory that is empty. It belongs to root, as
/// what is copied into an image does.
///
/// # Errors
/// The file system's.
pub(crate) fn export(
    images: &Images,
    root: BorrowedFd<'_>,
    tree: &dyn Tree,
    found: (&Path, &Entry),
) -> Result<(), BuildError> {
    export_for(images, root, tree, found, Some(ROOT))
}

/// The same, with the owners that there are.
///
/// # Errors
/// The file system's.
pub(crate) fn export_as_it_is(
    images: &Images,
    root: BorrowedFd<'_>,
    tree: &dyn Tree,
    found: (&Path, &Entry),
) -> Result<(), BuildError> {
    export_for(images, root, tree, found, None)
}

fn export_for(
    images: &Images,
    root: BorrowedFd<'_>,
    tree: &dyn Tree,
    (real, entry): (&Path, &Entry),
    owner: Option<Owner>,
) -> Result<(), BuildError> {
    let target = Target {
        images,
        root,
        owner,
        mode: None,
        time: None,
        dialect: Dialect::Classic,
        parents: false,
    };
    target.send(Path::new("/"), |stream| match entry.kind {
        Kind::Directory => stream.contents(tree, real),
        _ => stream.one(tree, real, entry, Path::new(EXPORTED)),
    })
}

/// Where and how copies are made.
struct Target<'a> {
    images: &'a Images,
    root: BorrowedFd<'a>,
    owner: Option<Owner>,
    mode: Option<&'a Chmod>,
    /// When everything was made, in seconds since 1970; as it was if nobody says.
    time: Option<i64>,
    /// In BuildKit's, archives have the owner that is asked for.
    dialect: Dialect,
    /// Directories on the way to what is copied come along; those that are there stay what they are.
    parents: bool,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> BuildError {
    BuildError::io(what)
}

impl Target<'_> {
    fn copy(&self, source: &Source, destination: &str) -> Result<(), BuildError> {
        let found = tree::resolve(&*source.tree, &source.path).map_err(failed("failed to copy files"))?;
        let (real, entry) = found
            .ok_or_else(|| BuildError::Step("failed to copy files: source path not found".to_owned()))?;
        let new_owner = self.owner.unwrap_or(ROOT);
        let path = Path::new(destination);
        if entry.kind == Kind::Directory {
            directory(self.root, path, new_owner, self.new_mode())
                .map_err(failed("failed to copy directory"))?;
            return self.send(path, |stream| stream.contents(&*source.tree, &real));
        }
        if source.extract && is_archive(&*source.tree, &real, &source.path)? {
            let owner = self.owner_of_archives();
            directory(self.root, path, owner.unwrap_or(ROOT), NEW).map_err(failed("failed to copy files"))?;
            return self.extract(&*source.tree, &real, path);
        }
        let into = destination.ends_with('/')
            || is_directory(self.root, path).map_err(failed("failed to query destination path"))?;
        let (parent, name) = match (into, path.parent().zip(path.file_name())) {
            (false, Some((parent, name))) => (parent, name.to_owned()),
            // The name is the source's own, not that of what a link points to.
            _ => (path, source.path.file_name().unwrap_or_default().to_owned()),
        };
        directory(self.root, parent, new_owner, self.new_mode())
            .map_err(failed("failed to create new directory"))?;
        self.send(parent, |stream| {
            stream.one(&*source.tree, &real, &entry, Path::new(&name))
        })
    }

    /// Unpacks an archive that lies among the sources.
    fn extract(&self, tree: &dyn Tree, real: &Path, path: &Path) -> Result<(), BuildError> {
        let mut archive = tree.open(real).map_err(failed("failed to copy files"))?;
        let unpack = Unpack {
            owner: self.owner_of_archives().map(|owner| (owner.uid, owner.gid)),
            ..Unpack::default()
        };
        self.images.unpack(self.root, path, &mut archive, &unpack)?;
        Ok(())
    }

    /// Who is to own what an archive brings; nobody where it keeps its owners.
    fn owner_of_archives(&self) -> Option<Owner> {
        let asked = self.owner.filter(|owner| *owner != ROOT);
        asked.filter(|_| self.dialect == Dialect::BuildKit)
    }

    /// Permissions of directories that are made on the way, as upstream has it: those that `--chmod` says in digits.
    fn new_mode(&self) -> u32 {
        match self.mode {
            Some(Chmod::Octal(mode)) => *mode,
            _ => NEW,
        }
    }

    /// Sends a tar stream into the worker while it is being written.
    fn send(
        &self,
        path: &Path,
        write: impl FnOnce(&mut Stream<'_, io::PipeWriter>) -> io::Result<()> + Send,
    ) -> Result<(), BuildError> {
        let (mut reader, writer) = io::pipe().map_err(failed("failed to copy files"))?;
        let mut stream = Stream::new(writer, self.owner, self.mode.cloned()).at(self.time);
        let (root, keeps) = (self.root, self.parents);
        if self.dialect == Dialect::Classic && self.owner.is_some() && self.mode.is_none() {
            stream.without_set_id();
        }
        stream.skip_directories(move |name| keeps && is_directory(root, &path.join(name)).unwrap_or(false));
        std::thread::scope(|scope| {
            let written = scope.spawn(move || write(&mut stream).and_then(|()| stream.tar.finish()));
            let ours = Unpack {
                climbing_links: true,
                ..Unpack::default()
            };
            let unpacked = self.images.unpack(self.root, path, &mut reader, &ours);
            // A worker that gave up reads no more, so the writer must not wait for it.
            drop(reader);
            let written = written
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the copy ended unexpectedly")));
            unpacked?;
            written.map_err(failed("failed to copy files"))
        })
    }
}
