//! What volumes mount; how it goes before its directory does is everybody's ([`sys::mounted`]).

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind_recursive};
pub(super) use sys::mounted::{clear, detach};

/// Mounts memory; `bytes` at most, or half of the machine's. It is never swapped out, where the kernel can promise that
/// (Linux 6.3).
///
/// # Errors
/// As mount(2).
pub(super) fn memory(target: &Path, bytes: Option<u64>) -> io::Result<()> {
    let size = bytes.map(|bytes| format!("size={bytes},")).unwrap_or_default();
    let with = |options: &str| {
        let data = std::ffi::CString::new(format!("{size}mode=777{options}")).map_err(|_| Errno::INVAL)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", target, "tmpfs", flags, data.as_c_str())
    };
    match with(",noswap") {
        Err(Errno::INVAL) => with("")?,
        other => other?,
    }
    Ok(())
}

/// Binds `source`, with what is mounted below it, to `target`.
///
/// # Errors
/// As mount(2).
pub(super) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount_bind_recursive(source, target)?)
}
