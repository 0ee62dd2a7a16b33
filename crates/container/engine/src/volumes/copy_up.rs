//! What the image has at a mount point becomes the content of a fresh volume.
//!
//! The copy is an archive written by one thread and unpacked by another: the archive code keeps
//! owners, modes, times, links and attributes already, and what it reads here is our own.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use image::archive::{Pack, Unpack, pack, unpack};
use rustix::fs::{FileType, Mode, OFlags, Stat, XattrFlags};

use super::system;
use crate::Error;

const COPYING: &str = "copying the image's content into the volume";

/// Copies `path` below `root` into the directory `target`, if that is empty.
pub(super) fn copy(root: BorrowedFd<'_>, path: &Path, target: &Path) -> Result<bool, Error> {
    let Some(source) = directory(root, path)? else {
        return Ok(false);
    };
    if target.read_dir().map_err(system(COPYING))?.next().is_some() {
        return Ok(false);
    }
    let destination = File::open(target).map_err(system(COPYING))?;
    let copied = through_pipe(source.as_fd(), destination.as_fd());
    if let Err(error) = copied {
        empty(target).map_err(system(COPYING))?;
        return Err(error);
    }
    like(source.as_fd(), destination.as_fd()).map_err(system(COPYING))?;
    Ok(true)
}

/// The directory at `path`; none if nothing is there.
fn directory(root: BorrowedFd<'_>, path: &Path) -> Result<Option<OwnedFd>, Error> {
    match sys::in_root::open(root, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let path = path.display();
            Err(Error::Invalid(format!(
                "cannot mount volume over existing file, file exists {path}"
            )))
        }
        Err(error) => Err(system("opening the image's content")(error)),
    }
}

fn through_pipe(source: BorrowedFd<'_>, destination: BorrowedFd<'_>) -> Result<(), Error> {
    let (reader, writer) = io::pipe().map_err(system("making a pipe"))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || {
            let mut out = BufWriter::with_capacity(1 << 16, writer);
            let options = Pack {
                contents: true,
                ..Pack::default()
            };
            pack(source, Path::new("."), &options, &mut out).map_err(archive_error)?;
            out.flush().map_err(system(COPYING))
        });
        let mut archive = BufReader::with_capacity(1 << 16, reader);
        let unpacked = unpack(destination, Path::new("."), &mut archive, &Unpack::default());
        // Without a reader the writer ends at once.
        drop(archive);
        let packed = packing
            .join()
            .unwrap_or_else(|_| Err(Error::Unavailable("the copy was given up".into())));
        unpacked.map_err(archive_error)?;
        packed
    })
}

fn archive_error(error: image::Error) -> Error {
    system(COPYING)(io::Error::other(error))
}

/// Gives the volume's own directory the owner, mode and attributes of the image's.
fn like(source: BorrowedFd<'_>, destination: BorrowedFd<'_>) -> io::Result<()> {
    let stat: Stat = rustix::fs::fstat(source)?;
    debug_assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::Directory);
    let owner = (
        rustix::fs::Uid::from_raw(stat.st_uid),
        rustix::fs::Gid::from_raw(stat.st_gid),
    );
    rustix::fs::fchown(destination, Some(owner.0), Some(owner.1))?;
    rustix::fs::fchmod(destination, Mode::from_raw_mode(stat.st_mode))?;
    for (name, value) in attributes(source)? {
        // Attributes of the overlay's own, and those a file system does not take, are not content.
        let _ = rustix::fs::fsetxattr(destination, name.as_str(), &value, XattrFlags::empty());
    }
    Ok(())
}

/// The `user.*`, `security.*` and access list attributes of a file.
fn attributes(file: BorrowedFd<'_>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; 65_536];
    let length = match rustix::fs::flistxattr(file, &mut names) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let listed = names[..length]
        .split(|byte| *byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok());
    let wanted = listed.filter(|name| {
        ["user.", "security.", "system.posix_acl"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    wanted
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = rustix::fs::fgetxattr(file, name, &mut value)?;
            value.truncate(length);
            Ok((name.to_owned(), value))
        })
        .collect()
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in directory.read_dir()? {
        sys::tree::remove(&entry?.path())?;
    }
    Ok(())
}
