//! Carrying out `COPY`, `ADD` and `WORKDIR` on a mounted root filesystem.
//!
//! What is copied goes as one tar stream into `images`' confined worker, which alone makes files
//! there. Here only directories are made, and every path is resolved by the kernel with the
//! filesystem as root.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use image::Images;
use image::archive::Unpack;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, mkdirat, openat2};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use crate::BuildError;
use crate::context::Compression;
use crate::copy::{CopyPlan, Ownership, Source};
use crate::tree::{self, Descend, Entry, Kind, Tree};

/// At most so many bytes of `/etc/passwd` or `/etc/group` are read.
const MAX_ACCOUNTS: u64 = 4 << 20;

/// A user and a group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    uid: u32,
    gid: u32,
}

const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// Makes sure of a directory and those above it.
///
/// # Errors
/// The file system's.
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &str) -> Result<(), BuildError> {
    directory(root, Path::new(path), ROOT)
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
        Ownership::Named(text) => Some(parse_owner(root, text).map_err(|error| {
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
        mode: plan.mode,
    };
    plan.sources
        .iter()
        .try_for_each(|source| target.copy(source, &destination, plan.extract))
}

/// A destination that is relative to the working directory made absolute; a `/` at its end stays.
fn absolute(working_dir: &str, destination: &str) -> String {
    if destination.starts_with('/') {
        return destination.to_owned();
    }
    let slash = if destination.ends_with('/') { "/" } else { "" };
    format!(
        "{}{slash}",
        crate::dockerignore::clean(&format!("/{working_dir}/{destination}"))
    )
}

/// Where and how copies are made.
struct Target<'a> {
    images: &'a Images,
    root: BorrowedFd<'a>,
    owner: Option<Owner>,
    mode: Option<u32>,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> BuildError {
    BuildError::io(what)
}

impl Target<'_> {
    fn copy(&self, source: &Source, destination: &str, extract: bool) -> Result<(), BuildError> {
        let found = tree::resolve(&*source.tree, &source.path).map_err(failed("failed to copy files"))?;
        let (real, entry) = found
            .ok_or_else(|| BuildError::Step("failed to copy files: source path not found".to_owned()))?;
        let new_owner = self.owner.unwrap_or(ROOT);
        let path = Path::new(destination);
        if entry.kind == Kind::Directory {
            directory(self.root, path, new_owner).map_err(failed("failed to copy directory"))?;
            return self.send(path, |stream| stream.contents(&*source.tree, &real));
        }
        if extract && is_archive(&*source.tree, &real, &source.path)? {
            directory(self.root, path, ROOT).map_err(failed("failed to copy files"))?;
            return self.extract(&*source.tree, &real, path);
        }
        let into = destination.ends_with('/')
            || is_directory(self.root, path).map_err(failed("failed to query destination path"))?;
        let (parent, name) = match (into, path.parent().zip(path.file_name())) {
            (false, Some((parent, name))) => (parent, name.to_owned()),
            // The name is the source's own, not that of what a link points to.
            _ => (path, source.path.file_name().unwrap_or_default().to_owned()),
        };
        directory(self.root, parent, new_owner).map_err(failed("failed to create new directory"))?;
        self.send(parent, |stream| {
            stream.one(&*source.tree, &real, &entry, Path::new(&name))
        })
    }

    /// Unpacks an archive that lies among the sources.
    fn extract(&self, tree: &dyn Tree, real: &Path, path: &Path) -> Result<(), BuildError> {
        let mut archive = tree.open(real).map_err(failed("failed to copy files"))?;
        self.images
            .unpack(self.root, path, &mut archive, &Unpack::default())?;
        Ok(())
    }

    /// Sends a tar stream into the worker while it is being written.
    fn send(
        &self,
        path: &Path,
        write: impl FnOnce(&mut Stream<io::PipeWriter>) -> io::Result<()> + Send,
    ) -> Result<(), BuildError> {
        let (mut reader, writer) = io::pipe().map_err(failed("failed to copy files"))?;
        let mut stream = Stream::new(writer, self.owner, self.mode);
        std::thread::scope(|scope| {
            let written = scope.spawn(move || write(&mut stream).and_then(|()| stream.tar.finish()));
            let unpacked = self
                .images
                .unpack(self.root, path, &mut reader, &Unpack::default());
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

/// Files of a tree as a tar stream.
struct Stream<W: Write> {
    tar: Builder<W>,
    owner: Option<Owner>,
    mode: Option<u32>,
    /// The first name of each file with several.
    links: HashMap<u64, PathBuf>,
}

impl<W: Write> Stream<W> {
    fn new(writer: W, owner: Option<Owner>, mode: Option<u32>) -> Self {
        Self {
            tar: Builder::new(writer),
            owner,
            mode,
            links: HashMap::new(),
        }
    }

    /// Everything in a directory, but not the directory.
    fn contents(&mut self, tree: &dyn Tree, directory: &Path) -> io::Result<()> {
        tree::walk(tree, directory, &mut |path, entry| {
            let name = path.strip_prefix(directory).map_err(io::Error::other)?;
            self.one(tree, path, entry, name)?;
            Ok::<_, io::Error>(Descend::Yes)
        })
    }

    fn one(&mut self, tree: &dyn Tree, path: &Path, entry: &Entry, name: &Path) -> io::Result<()> {
        let mut header = self.header(entry);
        if let Some(first) = entry.link.and_then(|link| self.links.get(&link)) {
            header.set_entry_type(EntryType::Link);
            header.set_size(0);
            return self.tar.append_link(&mut header, name, first);
        }
        if let Some(link) = entry.link {
            self.links.insert(link, name.to_owned());
        }
        self.attributes(entry)?;
        match &entry.kind {
            Kind::Symlink(target) => self.tar.append_link(&mut header, name, target),
            Kind::File { size } => {
                let content = tree.open(path)?;
                // A file that is shorter than it was would tear the stream.
                self.tar
                    .append_data(&mut header, name, content.chain(io::repeat(0)).take(*size))
            }
            Kind::Directory | Kind::Fifo | Kind::Device { .. } => {
                self.tar.append_data(&mut header, name, io::empty())
            }
        }
    }

    fn header(&self, entry: &Entry) -> Header {
        let mut header = Header::new_gnu();
        let link = matches!(entry.kind, Kind::Symlink(_));
        header.set_mode(if link {
            0o777
        } else {
            self.mode.unwrap_or(entry.mode)
        });
        header.set_uid(self.owner.map_or(entry.uid, |owner| owner.uid).into());
        header.set_gid(self.owner.map_or(entry.gid, |owner| owner.gid).into());
        header.set_mtime(u64::try_from(entry.modified).unwrap_or(0));
        header.set_size(0);
        header.set_entry_type(match &entry.kind {
            Kind::Directory => EntryType::Directory,
            Kind::Symlink(_) => EntryType::Symlink,
            Kind::Fifo => EntryType::Fifo,
            Kind::Device { block: true, .. } => EntryType::Block,
            Kind::Device { block: false, .. } => EntryType::Char,
            Kind::File { .. } => EntryType::Regular,
        });
        match entry.kind {
            Kind::File { size } => header.set_size(size),
            Kind::Device { major, minor, .. } => {
                // A GNU header has room for both.
                let _ = header
                    .set_device_major(major)
                    .and_then(|()| header.set_device_minor(minor));
            }
            _ => {}
        }
        header
    }

    fn attributes(&mut self, entry: &Entry) -> io::Result<()> {
        let record = |(name, value): &(std::ffi::OsString, Vec<u8>)| {
            (format!("SCHILY.xattr.{}", name.to_string_lossy()), value.clone())
        };
        let records: Vec<(String, Vec<u8>)> = entry.attributes.iter().map(record).collect();
        if records.is_empty() {
            return Ok(());
        }
        self.tar.append_pax_extensions(
            records
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        )
    }
}

/// Whether `ADD` unpacks a file: a tar archive, plain or gzip; one compressed with zstd, whose
/// decoder runs in the worker alone, by its name.
fn is_archive(tree: &dyn Tree, real: &Path, written: &Path) -> Result<bool, BuildError> {
    let mut head = Vec::new();
    let read = |reader: &mut dyn Read, head: &mut Vec<u8>| reader.take(512).read_to_end(head);
    let mut file = tree.open(real).map_err(failed("failed to copy files"))?;
    read(&mut file, &mut head).map_err(failed("failed to copy files"))?;
    let name = written
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let named = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match Compression::of(&head) {
        Compression::Plain => Ok(is_tar(&head)),
        Compression::Gzip => {
            let mut plain = Vec::new();
            let file = tree.open(real).map_err(failed("failed to copy files"))?;
            // What does not decompress is no archive, but a file.
            let read = read(&mut flate2::read::GzDecoder::new(file), &mut plain);
            Ok(read.is_ok() && is_tar(&plain))
        }
        Compression::Zstd => Ok(named(&[".tar.zst", ".tzst", ".tar.zstd"])),
        Compression::Bzip2 | Compression::Xz if named(&[".tar.xz", ".txz", ".tar.bz2", ".tbz", ".tbz2"]) => {
            Err(BuildError::Unsupported(format!(
                "ADD of {name}: archives compressed with bzip2 or xz are not supported yet"
            )))
        }
        Compression::Bzip2 | Compression::Xz => Ok(false),
    }
}

/// A tar header whose checksum is right, or the end of an archive.
fn is_tar(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; 512]>::try_from(block) else {
        return false;
    };
    let header = Header::from_byte_slice(block);
    let sum: u32 = block[..148]
        .iter()
        .chain(&block[156..])
        .map(|byte| u32::from(*byte))
        .sum::<u32>()
        + 8 * 32;
    header.cksum().is_ok_and(|written| written == sum)
}

const RESOLVE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

fn open_directory(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() {
        Path::new("/")
    } else {
        path
    };
    openat2(
        root,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        RESOLVE,
    )
}

fn is_directory(root: BorrowedFd<'_>, path: &Path) -> io::Result<bool> {
    match open_directory(root, path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// Opens a directory, making it and those above it where they are not there. A link that points
/// to nothing gets what it points to, as upstream has it.
fn directory(root: BorrowedFd<'_>, path: &Path, owner: Owner) -> io::Result<OwnedFd> {
    let mut path = PathBuf::from(crate::dockerignore::clean(&path.to_string_lossy()));
    'links: for _ in 0..MAX_LINKS {
        let mut open = open_directory(root, Path::new("/"))?;
        let mut done = PathBuf::from("/");
        for name in path.clone().iter().filter(|name| *name != "/") {
            let next = done.join(name);
            open = match open_directory(root, &next) {
                Ok(found) => found,
                Err(Errno::NOENT) => match mkdirat(&open, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) => {
                        own(&open, name, owner)?;
                        open_directory(root, &next)?
                    }
                    Err(Errno::EXIST) => {
                        path = beyond_link(&open, &done, Path::new(name), &path, &next)?;
                        continue 'links;
                    }
                    Err(error) => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            };
            done = next;
        }
        return Ok(open);
    }
    Err(Errno::LOOP.into())
}

fn own(parent: &OwnedFd, name: &std::ffi::OsStr, owner: Owner) -> io::Result<()> {
    if owner == ROOT {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    Ok(chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

/// The path with the link at `name` replaced by what it points to.
fn beyond_link(parent: &OwnedFd, above: &Path, name: &Path, path: &Path, link: &Path) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let target = rustix::fs::readlinkat(parent, name, Vec::new())?.into_bytes();
    let target = PathBuf::from(std::ffi::OsString::from_vec(target));
    let rest = path.strip_prefix(link).map_err(io::Error::other)?;
    let whole = above.join(target).join(rest);
    Ok(PathBuf::from(crate::dockerignore::clean(
        &whole.to_string_lossy(),
    )))
}

/// `user[:group]` by name or number, names looked up in the image. A user alone names the group too.
fn parse_owner(root: BorrowedFd<'_>, text: &str) -> Result<Owner, String> {
    let mut parts = text.split(':');
    let (user, group) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(format!("invalid chown string format: {text}"));
    }
    let group = group.unwrap_or(user);
    let uid = lookup(root, "etc/passwd", user)
        .ok_or_else(|| format!("can't find uid for user {user}: no such user: {user}"))?;
    let gid = lookup(root, "etc/group", group)
        .ok_or_else(|| format!("can't find gid for group {group}: no such group: {group}"))?;
    Ok(Owner { uid, gid })
}

/// A number as it is, or the third field of the line that begins with the name.
fn lookup(root: BorrowedFd<'_>, file: &str, name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat2(root.as_fd(), file, flags, Mode::empty(), RESOLVE).ok()?;
    let mut text = Vec::new();
    std::fs::File::from(file)
        .take(MAX_ACCOUNTS)
        .read_to_end(&mut text)
        .ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.trim().parse().ok()
}
