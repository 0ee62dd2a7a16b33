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
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, StatVfsMountFlags};

use crate::raw::{self, MountAttr};

const SELF: &str = "/proc/self/exe";

/// Returns if the running executable cannot be written to; otherwise runs it again, with the same
/// arguments and environment, in a form that cannot be.
///
/// # Errors
/// Neither form could be made or run.
pub fn ensure() -> io::Result<()> {
    let running = Path::new(SELF);
    if is_sealed(&File::open(running)?)? {
        return Ok(());
    }
    let executable = form(running)?;
    Err(execute(&executable, std::env::args_os(), std::env::vars_os()))
}

/// Replaces this process by the executable at `path` in a form that cannot be written to, keeping
/// pid, children, signal mask, environment and the descriptors of
/// [`keep_across_exec`](crate::process::keep_across_exec). `arguments` begin with the name. Returns
/// only if that fails.
pub fn exec(path: &Path, arguments: Vec<OsString>) -> io::Error {
    match form(path) {
        Ok(executable) => execute(&executable, arguments.into_iter(), std::env::vars_os()),
        Err(error) => error,
    }
}

/// As [`exec`], with the executable that runs.
pub fn exec_self(arguments: Vec<OsString>) -> io::Error {
    exec(Path::new(SELF), arguments)
}

/// The file at `path` in a form that cannot be written to: itself if it is one.
fn form(path: &Path) -> io::Result<OwnedFd> {
    let executable = File::open(path)?;
    if is_sealed(&executable)? {
        return Ok(executable.into());
    }
    read_only_mount(path).or_else(|_| sealed_copy(executable))
}

fn is_sealed(executable: &File) -> io::Result<bool> {
    let read_only = rustix::fs::fstatvfs(executable)?
        .f_flag
        .contains(StatVfsMountFlags::RDONLY);
    // A file that cannot be sealed answers EINVAL.
    let seals = rustix::fs::fcntl_get_seals(executable).unwrap_or(SealFlags::empty());
    Ok(read_only || seals.contains(SealFlags::WRITE))
}

fn read_only_mount(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let tree = raw::open_tree(raw::CWD, &path, libc::OPEN_TREE_CLONE)?;
    let attributes = MountAttr {
        set: libc::MOUNT_ATTR_RDONLY,
        ..MountAttr::default()
    };
    raw::mount_setattr(tree.as_raw_fd(), false, &attributes)?;
    Ok(tree)
}

fn sealed_copy(mut executable: File) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::EXEC;
    let copy = File::from(rustix::fs::memfd_create("gantry", flags)?);
    io::copy(&mut executable, &mut &copy)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    fn contents(form: &OwnedFd) -> Vec<u8> {
        let mut bytes = Vec::new();
        let path = format!("/proc/self/fd/{}", form.as_raw_fd());
        File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn both_forms_hold_the_file_and_take_no_byte() {
        let path = std::env::current_exe().unwrap();
        let original = std::fs::read(&path).unwrap();
        let copy = sealed_copy(File::open(&path).unwrap()).unwrap();
        for sealed in [form(&path).unwrap(), copy] {
            assert!(contents(&sealed) == original);
            let reopened = format!("/proc/self/fd/{}", sealed.as_raw_fd());
            assert!(is_sealed(&File::open(&reopened).unwrap()).unwrap());
            assert!(
                contents(&form(Path::new(&reopened)).unwrap()) == original,
                "a form of a form"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_not_run() {
        let error = exec(Path::new("/nonexistent"), vec![OsString::new()]);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
