//! The user database of a running container.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use crate::oci::UserFiles;

/// A user database is small; one that is not is foreign input and read no further.
const LARGEST: u64 = 4 << 20;

/// `/etc/passwd` and `/etc/group` as the process `pid` sees them; what is not there is empty.
///
/// # Errors
/// There is no such process.
pub(super) fn of_process(pid: u32) -> std::io::Result<UserFiles> {
    let path = format!("/proc/{pid}/root");
    let root = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    Ok(UserFiles {
        passwd: read(root.as_fd(), "etc/passwd").unwrap_or_default(),
        group: read(root.as_fd(), "etc/group").unwrap_or_default(),
    })
}

/// A link in the container cannot lead to the host's files, and a FIFO cannot make us wait.
fn read(root: BorrowedFd<'_>, path: &str) -> std::io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = File::from(sys::in_root::open(root, Path::new(path), flags)?);
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.take(LARGEST).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
