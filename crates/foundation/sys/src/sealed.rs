//! Running from an executable that nobody can write to.
//!
//! A container can trick the kernel into running the executable of whoever starts it
//! (`#!/proc/self/exe`, CVE-2019-5736) and write to it through `/proc/self/exe` afterwards. So
//! whoever starts containers first runs itself again from a read-only mount of its own file that
//! is attached nowhere and dissolves as soon as this process has been replaced: two system calls
//! and one `execve`, no copy. Where the kernel refuses that, from a sealed copy in memory.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{MemfdFlags, SealFlags, StatVfsMountFlags};

use crate::raw::{self, MountAttr};

const SELF: &str = "/proc/self/exe";

/// Returns if the running executable cannot be written to; otherwise runs it again, with the same
/// arguments and environment, in a form that cannot be.
///
/// # Errors
/// Neither form could be made or run.
pub fn ensure() -> io::Result<()> {
    if is_sealed()? {
        return Ok(());
    }
    let executable = read_only_mount().or_else(|_| sealed_copy())?;
    Err(execute(&executable, std::env::args_os(), std::env::vars_os()))
}

fn is_sealed() -> io::Result<bool> {
    let executable = File::open(SELF)?;
    let read_only = rustix::fs::fstatvfs(&executable)?
        .f_flag
        .contains(StatVfsMountFlags::RDONLY);
    // A file that cannot be sealed answers EINVAL.
    let seals = rustix::fs::fcntl_get_seals(&executable).unwrap_or(SealFlags::empty());
    Ok(read_only || seals.contains(SealFlags::WRITE))
}

fn read_only_mount() -> io::Result<OwnedFd> {
    let tree = raw::open_tree(raw::CWD, c"/proc/self/exe", libc::OPEN_TREE_CLONE)?;
    let attributes = MountAttr {
        set: libc::MOUNT_ATTR_RDONLY,
        ..MountAttr::default()
    };
    raw::mount_setattr(tree.as_raw_fd(), false, &attributes)?;
    Ok(tree)
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::EXEC;
    let copy = File::from(rustix::fs::memfd_create("gantry", flags)?);
    io::copy(&mut File::open(SELF)?, &mut &copy)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}

/// Replaces the process; returns only the reason why it could not.
fn execute(
    executable: &impl AsFd,
    arguments: impl Iterator<Item = OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> io::Error {
    let arguments: Vec<CString> = arguments.filter_map(|text| c_string(&text)).collect();
    let environment: Vec<CString> = environment
        .filter_map(|(name, value)| c_string(&[name.as_os_str(), value.as_os_str()].join(OsStr::new("="))))
        .collect();
    raw::execveat(executable.as_fd(), &arguments, &environment).into()
}

/// Arguments and variables come from the kernel and hold no NUL.
fn c_string(text: &OsStr) -> Option<CString> {
    CString::new(text.as_bytes()).ok()
}
