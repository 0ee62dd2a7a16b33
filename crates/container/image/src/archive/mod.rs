//! Tar archives of part of a tree, and back: `docker cp`, `docker export`, `COPY` and `ADD`.
//!
//! Trees are reached by descriptor; every path is resolved by the kernel with the tree as root.

use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::{Error, Limits};

/// How [`pack`] writes a tree.
#[derive(Default)]
pub struct Pack<'a> {
    /// Replaces the last component of the packed path in the names of entries (`docker cp` of
    /// `/etc/` to `x`); `None` keeps it.
    pub rebase: Option<&'a str>,
    /// Only what lies in the directory, not the directory's own name (`docker export`, `COPY dir`).
    pub contents: bool,
    /// What is left out: paths relative to the packed directory.
    pub exclude: Option<&'a dyn Fn(&Path) -> bool>,
    /// Owner of every entry.
    pub owner: Option<(u32, u32)>,
    /// Whether a symbolic link that is itself the packed path is followed.
    pub follow: bool,
}

/// How [`unpack`] fills a tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpack {
    /// Refuse to replace a directory by something else, or something else by a directory.
    pub no_overwrite_dir_non_dir: bool,
    /// Owner of everything instead of the archive's.
    pub owner: Option<(u32, u32)>,
    /// Whether `.wh.` names are whiteouts (a layer) or plain names.
    pub whiteouts: bool,
    /// Bounds.
    pub limits: Limits,
}

/// What was packed or unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bytes of file contents.
    pub bytes: u64,
}

/// Writes what lies at `path` in `root` as a tar archive: sorted, with numeric owners.
///
/// # Errors
/// As the file system's, or the writer's.
pub fn pack(
    _root: BorrowedFd<'_>,
    _path: &Path,
    _options: &Pack<'_>,
    _out: &mut dyn Write,
) -> Result<Totals, Error> {
    todo!()
}

/// Unpacks a plain, gzip or zstd archive below the directory `path` in `root`, in this process: only for trusted
/// archives and for tests. Everybody else calls [`crate::Images::unpack`].
///
/// # Errors
/// [`Error::Archive`] names the entry that is refused.
pub fn unpack(
    _root: BorrowedFd<'_>,
    _path: &Path,
    _archive: &mut dyn Read,
    _options: &Unpack,
) -> Result<Totals, Error> {
    todo!()
}

/// x
pub fn fuzz(_bytes: &[u8]) {}

#[allow(dead_code)]
type Unused = PathBuf;
