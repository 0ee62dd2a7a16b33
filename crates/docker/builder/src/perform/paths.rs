//! Directories and accounts of a root filesystem. Every path is resolved by the kernel in it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chmodat, chownat, mkdirat, openat2};
use rustix::io::Errno;

use super::{Owner, ROOT};
use crate::dockerignore::clean;
use crate::request::Dialect;

/// Permissions of directories that are made where nobody says which.
pub(super) const NEW: u32 = 0o755;

/// At most so many bytes of `/etc/passwd` or `/etc/group` are read.
const MAX_ACCOUNTS: u64 = 4 << 20;

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

/// Whether a path names a directory.
pub(super) fn is_directory(root: BorrowedFd<'_>, path: &Path) -> io::Result<bool> {
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
pub(super) fn directory(root: BorrowedFd<'_>, path: &Path, owner: Owner, mode: u32) -> io::Result<OwnedFd> {
    let mut path = PathBuf::from(clean(&path.to_string_lossy()));
    'links: for _ in 0..MAX_LINKS {
        let mut open = open_directory(root, Path::new("/"))?;
        let mut done = PathBuf::from("/");
        for name in path.clone().iter().filter(|name| *name != "/") {
            let next = done.join(name);
            open = match open_directory(root, &next) {
                Ok(found) => found,
                Err(Errno::NOENT) => match mkdirat(&open, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) => {
                        if mode != NEW {
                            chmodat(&open, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
                        }
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

fn own(parent: &OwnedFd, name: &OsStr, owner: Owner) -> io::Result<()> {
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
    let target = rustix::fs::readlinkat(parent, name, Vec::new())?.into_bytes();
    let target = PathBuf::from(OsString::from_vec(target));
    let rest = path.strip_prefix(link).map_err(io::Error::other)?;
    let whole = above.join(target).join(rest);
    Ok(PathBuf::from(clean(&whole.to_string_lossy())))
}

/// `user[:group]` by name or number, names looked up in the image. A user alone names the group too.
pub(super) fn parse_owner(root: BorrowedFd<'_>, text: &str, dialect: Dialect) -> Result<Owner, String> {
    let mut parts = text.split(':');
    let (user, group) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(format!("invalid chown string format: {text}"));
    }
    let uid = lookup(root, "etc/passwd", user, 2)
        .ok_or_else(|| format!("can't find uid for user {user}: no such user: {user}"))?;
    let numeric = user.parse::<u32>().is_ok();
    if let (None, Dialect::BuildKit, false) = (group, dialect, numeric) {
        // The group that the user's account names.
        let gid = lookup(root, "etc/passwd", user, 3).unwrap_or(0);
        return Ok(Owner { uid, gid });
    }
    let group = group.unwrap_or(user);
    let gid = lookup(root, "etc/group", group, 2)
        .ok_or_else(|| format!("can't find gid for group {group}: no such group: {group}"))?;
    Ok(Owner { uid, gid })
}

/// A number as it is, or a field of the line that begins with the name.
fn lookup(root: BorrowedFd<'_>, file: &str, name: &str, field: usize) -> Option<u32> {
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
    line.split(':').nth(field)?.trim().parse().ok()
}
