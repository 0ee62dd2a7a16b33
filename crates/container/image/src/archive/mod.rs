//! Tar archives of part of a tree, and back: `docker cp`, `docker export`, `COPY` and `ADD`, layers.
//!
//! Trees are reached by descriptor; every path is resolved by the kernel with the tree as root.

mod clamp;
mod fault;
mod judge;
mod make;
mod pack;
mod stargz;
mod tar;
mod unpack;
mod wanted;

use std::ffi::CString;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use serde::{Deserialize, Serialize};

pub(crate) use clamp::clamp;
pub use fault::{Fault, Why};
pub(crate) use make::as_worker;
pub(crate) use pack::Room;
pub(crate) use stargz::{CHUNK, Seekable, seekable};
pub(crate) use tar::{Entry, Kind, Reader, Writer};
pub use wanted::{Interest, Terms, Wanted};

use crate::compression::Decoder;
use crate::{Error, Limits, tree};

/// How [`pack()`] writes a tree.
#[derive(Clone, Copy, Default)]
pub struct Pack<'a> {
    /// The name of the packed file in the archive instead of its own (`docker cp` to another name).
    pub rebase: Option<&'a str>,
    /// Only what lies in the directory, not the directory itself (`docker export`, `COPY dir`).
    pub contents: bool,
    /// What is left out, with all that is in it: paths relative to the packed directory.
    pub exclude: Option<&'a dyn Fn(&Path) -> bool>,
    /// Owner of every entry.
    pub owner: Option<(u32, u32)>,
    /// Whether a symbolic link that is itself the packed path is followed.
    pub follow: bool,
}

/// How [`unpack()`] fills a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpack {
    /// Refuse to replace a directory by something else, or something else by a directory.
    pub no_overwrite_dir_non_dir: bool,
    /// Owner of everything instead of the archive's.
    pub owner: Option<(u32, u32)>,
    /// Whether the archive is a layer: `.wh.` names are whiteouts, and the entry of the root
    /// dresses the directory that is filled.
    pub whiteouts: bool,
    /// Take symbolic links that climb above the root, which resolve within it all the same: upstream refuses them in layers
    /// only.
    pub climbing_links: bool,
    /// Bounds.
    pub limits: Limits,
}

/// What was packed or unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bytes of file contents.
    pub bytes: u64,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacked {
    pub(crate) totals: Totals,
    /// Whether the archive says what its root looks like.
    pub(crate) root: bool,
}

/// How much is read or written at once.
pub(crate) const BUFFER: usize = 128 << 10;

/// Writes what lies at `path` in `root` as a tar archive: sorted, with numeric owners, names
/// relative, hard links kept, sockets left out.
///
/// # Errors
/// [`Error::Archive`] names the file that could not be read; a `path` that is not there is
/// `Error::Io` with `NotFound`.
pub fn pack(
    root: BorrowedFd<'_>,
    path: &Path,
    options: &Pack<'_>,
    out: &mut dyn Write,
) -> Result<Totals, Error> {
    let style = pack::Style {
        layer: false,
        owner: options.owner,
        exclude: options.exclude,
        room: None,
    };
    let mut packer = pack::Packer::new(BufWriter::with_capacity(BUFFER, out), style);
    let found = find(root, path, options.follow)
        .map_err(|error| Error::io("open what is to be packed")(error.into()))?;
    match found {
        Found::Directory(directory, _) if options.contents => packer.add_contents(&directory, b"")?,
        Found::Directory(directory, name) => {
            packer.add(
                directory.as_fd(),
                c".",
                options.rebase.map_or(&*name, str::as_bytes),
            )?;
        }
        Found::Other(parent, name) => {
            let shown = options.rebase.map_or(name.to_bytes(), str::as_bytes);
            packer.add(parent.as_fd(), &name, shown)?;
        }
    }
    Ok(packer.finish()?)
}

/// Writes the upper directory of a snapshot as a layer, as far as there is `room` for each file, and as long as it is wanted.
pub(crate) fn pack_layer(
    upper: &OwnedFd,
    out: impl Write,
    (room, wanted): (&Room<'_>, &Wanted),
) -> Result<Totals, Fault> {
    let style = pack::Style {
        layer: true,
        room: Some(room),
        ..pack::Style::default()
    };
    let out = wanted.writing(out, u64::MAX);
    let mut packer = pack::Packer::new(BufWriter::with_capacity(BUFFER, out), style);
    packer.add_contents(upper, b"")?;
    packer.finish()
}

/// Unpacks an archive (plain, gzip or zstd) below the directory `path` in `root`, **in this process**: only
/// for what this process itself has packed, and for tests. Foreign archives go through
/// [`crate::Images::unpack`].
///
/// # Errors
/// [`Error::Archive`] names the entry that is refused; what came before it stays.
pub fn unpack(
    root: BorrowedFd<'_>,
    path: &Path,
    archive: &mut dyn Read,
    options: &Unpack,
) -> Result<Totals, Error> {
    let (_, decoder) = Decoder::new(archive)?;
    let decoder = BufReader::with_capacity(BUFFER, decoder);
    let mut reader = Reader::new(decoder, options.limits);
    Ok(unpack_plain(root, path, &mut reader, options)?.totals)
}

/// Unpacks a plain archive.
pub(crate) fn unpack_plain<R: BufRead>(
    root: BorrowedFd<'_>,
    path: &Path,
    archive: &mut Reader<R>,
    options: &Unpack,
) -> Result<Unpacked, Fault> {
    let base = path.as_os_str().as_bytes();
    let base: Vec<&[u8]> = base
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    let base = base.join(&b'/');
    let unpacker = unpack::Unpacker::new(root, &base, options);
    let unpacked = unpacker.run(archive)?;
    archive.drain()?;
    Ok(unpacked)
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(source) => Self::Io {
                what: "read or write an archive",
                source,
            },
            refused => Self::Archive(refused.to_string()),
        }
    }
}

/// What is to be packed: a directory with its name, or a name in its directory.
enum Found {
    Directory(OwnedFd, Vec<u8>),
    Other(OwnedFd, CString),
}

fn find(root: BorrowedFd<'_>, path: &Path, follow: bool) -> rustix::io::Result<Found> {
    let bytes = path.as_os_str().as_bytes();
    let parts: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    let name = parts.last().map_or(&b"."[..], |name| name).to_vec();
    let flags = if follow || bytes.ends_with(b"/") {
        OFlags::PATH
    } else {
        OFlags::PATH | OFlags::NOFOLLOW
    };
    let found = tree::open_in(root, bytes, flags)?;
    if tree::kind(&tree::stat(&found)?) == FileType::Directory {
        return Ok(Found::Directory(tree::enter(&found, c".")?, name));
    }
    let parent = if follow {
        real_parent(root, &parts.join(&b'/'))?
    } else {
        (
            parts
                .split_last()
                .map_or_else(Vec::new, |(_, parent)| parent.join(&b'/')),
            name,
        )
    };
    let name = CString::new(parent.1).map_err(|_| rustix::io::Errno::INVAL)?;
    Ok(Found::Other(tree::open_directory(root, &parent.0)?, name))
}

/// Where the links at the end of a path lead: a directory and a name in it.
fn real_parent(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<(Vec<u8>, Vec<u8>)> {
    const MAX_LINKS: usize = 40;
    let mut path = path.to_vec();
    for _ in 0..MAX_LINKS {
        let (parent, name) = tree::split(&path);
        let directory = tree::open_directory(root, parent)?;
        match rustix::fs::readlinkat(&directory, name, Vec::new()) {
            Ok(target) if target.to_bytes().starts_with(b"/") => path = target.into_bytes(),
            Ok(target) => path = tree::join(parent, target.to_bytes()),
            Err(rustix::io::Errno::INVAL) => return Ok((parent.to_vec(), name.to_vec())),
            Err(error) => return Err(error),
        }
    }
    Err(rustix::io::Errno::LOOP)
}

/// Reads an archive that nobody vouches for, entry by entry: whatever it is, the answer is an end
/// or an error.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits {
        bytes: 1 << 20,
        entries: 1 << 10,
        depth: 64,
        extension: 1 << 16,
    };
    let Ok((_, decoder)) = Decoder::new(bytes) else {
        return;
    };
    let mut reader = Reader::new(BufReader::new(decoder), limits);
    while let Ok(Some(_)) = reader.next() {
        if std::io::copy(&mut reader, &mut std::io::sink()).is_err() {
            return;
        }
    }
}
