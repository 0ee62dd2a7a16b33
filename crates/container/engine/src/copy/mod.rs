//! A container's files as clients copy them (`docker cp`, `/containers/ID/archive`).
//!
//! A [`View`] is the container's root with everything mounted in it, whether the container runs
//! (its own mount namespace) or not (the overlay and its volumes, put together out of sight).
//! Paths are the container's and are resolved by the kernel inside that root. A foreign archive is
//! unpacked by a confined worker, never here.

mod path;
mod stat;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use image::archive::{Pack, Totals, Unpack};
use image::{Images, Limits};
use rustix::fs::{FileType, OFlags};

use crate::Error;
use crate::container::Container;

pub use stat::PathStat;
pub use view::View;

/// How an archive is put into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Refuse to replace a directory by something else, or something else by a directory.
    pub no_overwrite_dir_non_dir: bool,
    /// Owner of everything instead of the archive's (`copyUIDGID`: the container's user).
    pub owner: Option<(u32, u32)>,
}

impl View {
    /// What is at `path`, without following a link there (`HEAD …/archive`). `name` is the
    /// container as the client called it.
    ///
    /// # Errors
    /// [`Error::NotFound`] with upstream's text; a directory on the way that is none.
    pub fn stat(&self, name: &str, path: &str) -> Result<PathStat, Error> {
        self.look(path)
            .map_err(|error| failed(error, "lstat", path, name))
    }

    fn look(&self, path: &str) -> io::Result<PathStat> {
        let found = sys::in_root::open(self.root(), Path::new(path), OFlags::PATH | OFlags::NOFOLLOW)?;
        let stat = rustix::fs::fstat(&found)?;
        let target = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            path::evaluate(self.root(), Path::new(path))?
                .to_string_lossy()
                .into_owned()
        } else {
            String::new()
        };
        Ok(PathStat::of(path::base(path), &stat, target))
    }

    /// Writes what is at `path` as a tar archive (`GET …/archive`): a directory with everything
    /// in it under its own name, or one file or link.
    ///
    /// # Errors
    /// As [`Self::stat`], a file that cannot be read, or the writer's.
    pub fn pack(&self, name: &str, path: &str, out: &mut dyn Write) -> Result<Totals, Error> {
        let stat = self.stat(name, path)?;
        // The root has no name: its entries begin with a slash, which clients expect.
        let rebase = if stat.name == "/" { "" } else { stat.name.as_str() };
        let options = Pack {
            rebase: stat.is_directory().then_some(rebase),
            ..Pack::default()
        };
        Ok(image::archive::pack(self.root(), Path::new(path), &options, out)?)
    }

    /// Unpacks an archive (plain, gzip or zstd) in the directory `path` (`PUT …/archive`), links
    /// to it followed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] if it is no directory or read-only, or the entry
    /// that is refused.
    pub fn put(
        &self,
        container: &Container,
        name: &str,
        path: &str,
        archive: &mut dyn Read,
        put: (&Images, PutOptions),
    ) -> Result<Totals, Error> {
        let target = self.directory(name, path)?;
        check_writable(container, &target)?;
        let (images, options) = put;
        let unpack = Unpack {
            no_overwrite_dir_non_dir: options.no_overwrite_dir_non_dir,
            owner: options.owner,
            whiteouts: false,
            climbing_links: false,
            limits: Limits::default(),
        };
        Ok(images.unpack(self.root(), &target, archive, &unpack)?)
    }

    /// The directory that `path` leads to.
    fn directory(&self, name: &str, path: &str) -> Result<PathBuf, Error> {
        let resolve = || {
            let target = path::evaluate(self.root(), Path::new(path))?;
            let found = sys::in_root::open(self.root(), &target, OFlags::PATH | OFlags::NOFOLLOW)?;
            Ok((target, rustix::fs::fstat(&found)?))
        };
        let (target, stat) = resolve().map_err(|error| failed(error, "lstat", path, name))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Ok(target);
        }
        Err(Error::Invalid("extraction point is not a directory".to_owned()))
    }
}

/// Whether a container may write at a path of its own: what counts is the innermost mount.
fn check_writable(container: &Container, target: &Path) -> Result<(), Error> {
    let mounts = container
        .mounts
        .iter()
        .filter(|mount| target.starts_with(&mount.destination));
    let refused = match mounts.max_by_key(|mount| mount.destination.len()) {
        Some(mount) if mount.read_only => "mounted volume is marked read-only",
        None if container.spec.read_only_rootfs => "container rootfs is marked read-only",
        _ => return Ok(()),
    };
    Err(Error::Invalid(refused.to_owned()))
}

fn failed(error: io::Error, operation: &str, path: &str, name: &str) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::NotFound(format!("Could not find the file {path} in container {name}"));
    }
    let text = error.to_string().to_lowercase();
    let reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
    Error::System {
        context: format!("{operation} {path}: {reason}"),
        source: error,
    }
}
