//! Paths inside a root that a container, or another one sharing its files, may be changing at
//! this moment: every step is resolved by the kernel inside the root (openat2(2)).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::raw::{self, Errno, Result};

/// In the root: `..` and absolute links stop at it, magic links are refused.
pub(super) const IN_ROOT: u64 = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
/// In the root, with no symbolic link on the way at all.
pub(super) const PLAIN: u64 = IN_ROOT | libc::RESOLVE_NO_SYMLINKS;
/// A file of a procfs of our own: it may not lead out of it (CVE-2025-52881).
pub(super) const PROC_FILE: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_NO_XDEV;

const PATH: i32 = libc::O_PATH;

/// What to make of the last component where it does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Nothing,
    Directory,
    File,
}

/// Links that lead to something missing are followed, and it is made: so many of them.
const MAX_LINKS: usize = 40;

/// Opens `path` inside `root` as O_PATH; missing directories on the way are made (mode 0755).
pub(super) fn open(root: RawFd, path: &CStr, resolve: u64, make: Make) -> Result<OwnedFd> {
    match raw::openat2(root, relative(path), PATH, 0, resolve) {
        Err(Errno::NOENT) if make != Make::Nothing => {}
        other => return other,
    }
    let mut wanted = PathBuffer::new();
    wanted.append(relative(path).to_bytes())?;
    for _ in 0..MAX_LINKS {
        match walk(root, &wanted, resolve, make)? {
            Walked::There(found) => return Ok(found),
            Walked::Elsewhere(path) => wanted = path,
        }
    }
    Err(Errno::LOOP)
}

/// Where a walk along a path has come to.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack: there is no allocating here"
)]
enum Walked {
    /// To its end.
    There(OwnedFd),
    /// To a link that leads to nothing; this path leads to where it points.
    Elsewhere(PathBuffer),
}

fn walk(root: RawFd, path: &PathBuffer, resolve: u64, make: Make) -> Result<Walked> {
    let mut prefix = PathBuffer::new();
    let mut parent = raw::openat2(root, c".", PATH, 0, resolve)?;
    let path = path.as_cstr().to_bytes();
    let mut at = 0;
    while let Some((component, end)) = next_component(path, at) {
        let before = prefix.length;
        prefix.push(component)?;
        parent = match raw::openat2(root, prefix.as_cstr(), PATH, 0, resolve) {
            Err(Errno::NOENT) => {
                let last = next_component(path, end).is_none();
                let mut name = PathBuffer::new();
                name.push(component)?;
                if let Some(target) = link(&parent, &name) {
                    prefix.truncate(before);
                    return leap(&prefix, &target, &path[end..]).map(Walked::Elsewhere);
                }
                make_one(&parent, &name, if last { make } else { Make::Directory })?;
                raw::openat2(root, prefix.as_cstr(), PATH, 0, resolve)?
            }
            other => other?,
        };
        at = end;
    }
    Ok(Walked::There(parent))
}

/// The component that begins at or after `at`, and where it ends.
fn next_component(path: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let start = at + path.get(at..)?.iter().position(|byte| *byte != b'/')?;
    let length = path[start..]
        .iter()
        .position(|byte| *byte == b'/')
        .unwrap_or(path.len() - start);
    Some((&path[start..start + length], start + length))
}

fn link(parent: &OwnedFd, name: &PathBuffer) -> Option<PathBuffer> {
    let mut target = PathBuffer::new();
    let room = target.bytes.len() - 1;
    target.length = raw::readlinkat(parent.as_raw_fd(), name.as_cstr(), &mut target.bytes[..room]).ok()?;
    Some(target)
}

/// The path behind a link: from the root or from the link's directory, then what was still to go.
fn leap(directory: &PathBuffer, target: &PathBuffer, rest: &[u8]) -> Result<PathBuffer> {
    let mut path = PathBuffer::new();
    let target = target.as_cstr();
    if !target.to_bytes().starts_with(b"/") {
        path.append(directory.as_cstr().to_bytes())?;
    }
    path.push(relative(target).to_bytes())?;
    path.append(rest)?;
    Ok(path)
}

/// The directory that holds `path`'s last component (made where missing), and that component.
pub(super) fn parent(root: RawFd, path: &CStr) -> Result<(OwnedFd, &CStr)> {
    let path = relative(path);
    let bytes = path.to_bytes_with_nul();
    let cut = bytes.iter().rposition(|byte| *byte == b'/');
    let name = CStr::from_bytes_with_nul(&bytes[cut.map_or(0, |cut| cut + 1)..]).map_err(|_| Errno::INVAL)?;
    let mut directory = PathBuffer::new();
    directory.push(&bytes[..cut.unwrap_or(0)])?;
    Ok((open(root, directory.as_cstr(), IN_ROOT, Make::Directory)?, name))
}

/// openat2 wants the empty path spelled out, and takes absolute ones as inside the root.
fn relative(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    let slashes = bytes.iter().take_while(|byte| **byte == b'/').count();
    match CStr::from_bytes_with_nul(&bytes[slashes..]) {
        Ok(rest) if !rest.is_empty() => rest,
        _ => c".",
    }
}

fn make_one(parent: &OwnedFd, name: &PathBuffer, make: Make) -> Result<()> {
    let made = match make {
        Make::File => raw::mknodat(parent.as_raw_fd(), name.as_cstr(), libc::S_IFREG | 0o755, 0),
        _ => raw::mkdirat(parent.as_raw_fd(), name.as_cstr(), 0o755),
    };
    match made {
        // Somebody else made it meanwhile; whatever it is, it is opened inside the root next.
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// A path under construction on the stack.
pub(super) struct PathBuffer {
    bytes: [u8; libc::PATH_MAX as usize],
    length: usize,
}

impl PathBuffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; libc::PATH_MAX as usize],
            length: 0,
        }
    }

    /// Appends one component, after a slash unless the path is empty or ends with one.
    pub(super) fn push(&mut self, component: &[u8]) -> Result<()> {
        if self.length > 0 && self.bytes[self.length - 1] != b'/' {
            self.append(b"/")?;
        }
        self.append(component)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.length + bytes.len();
        // The last byte stays NUL.
        if end >= self.bytes.len() {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.bytes[..self.length].fill(0);
        self.length = 0;
    }

    fn truncate(&mut self, length: usize) {
        self.bytes[length..self.length].fill(0);
        self.length = length;
    }

    /// Removes the last component; the root stays.
    pub(super) fn pop(&mut self) {
        let cut = self.bytes[..self.length]
            .iter()
            .rposition(|byte| *byte == b'/')
            .unwrap_or(0);
        let length = cut.max(1);
        self.bytes[length..self.length.max(length)].fill(0);
        self.bytes[0] = b'/';
        self.length = length;
    }

    pub(super) fn as_cstr(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}
