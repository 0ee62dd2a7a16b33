//! Opening paths inside a directory that somebody else may be changing: the kernel resolves them
//! with the directory as their root, so that no link and no `..` leads out of it (openat2(2)).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::raw;

/// Opens an existing file below `root`; an absolute path starts there too. Never creates.
///
/// # Errors
/// As openat2(2); `InvalidInput` for a path with a NUL byte.
pub fn open(root: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = (flags - OFlags::CREATE).bits().cast_signed();
    let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    Ok(raw::openat2(root.as_fd().as_raw_fd(), &path, flags, 0, resolve)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("inside"), "").unwrap();
        std::os::unix::fs::symlink("/../inside", directory.path().join("link")).unwrap();
        let root = std::fs::File::open(directory.path()).unwrap();
        let open = |path: &str| open(&root, Path::new(path), OFlags::RDONLY);
        for path in ["inside", "/inside", "../../inside", "link"] {
            assert!(open(path).is_ok(), "{path}");
        }
        for path in ["/etc/passwd", "../../etc/passwd", "/proc/self/exe"] {
            assert_eq!(open(path).unwrap_err().kind(), io::ErrorKind::NotFound, "{path}");
        }
    }
}
