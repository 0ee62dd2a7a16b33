//! Who the process is: directory, groups, capabilities, keyring.

use std::ffi::CStr;

use crate::program::MAY_RETRY;
use crate::raw::{self, Errno, Result};

/// The kernel's NGROUPS_MAX is larger; a list that does not fit the stack is refused by the planner.
const MAX_GROUPS: usize = 1024;
/// 1:3.
const NULL_DEVICE: u64 = 0x103;
/// Highest capability number that this code tries; the kernel says where its own end.
const MAX_CAPABILITY: u64 = 63;

/// A directory that only root may enter is tried before the ids change, one that only the user
/// may enter (a home on NFS) afterwards.
pub(super) fn chdir(path: &CStr, flags: u32) -> Result<()> {
    match raw::chdir(path) {
        Err(Errno::ACCESS | Errno::PERM) if flags & MAY_RETRY != 0 => Ok(()),
        other => other.and_then(|()| is_inside()),
    }
}

/// A directory outside the root has no path, and the kernel says so (CVE-2024-21626).
fn is_inside() -> Result<()> {
    let mut path = [0; libc::PATH_MAX as usize];
    raw::getcwd(&mut path)?;
    if path[0] == b'/' {
        Ok(())
    } else {
        Err(Errno::NOENT)
    }
}

/// Standard streams belong to the user, who may then also open them by name (`/dev/stdout`). The
/// null device belongs to everyone; where the host refuses, the stream stays usable as it is.
pub(super) fn own_streams(uid: u32, gid: u32) -> Result<()> {
    for stream in 0..3 {
        let Ok(stat) = raw::stat(stream, c"") else {
            continue;
        };
        let null = stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == NULL_DEVICE;
        if null || stat.st_uid == uid {
            continue;
        }
        match raw::chown(stream, c"", uid, gid) {
            Err(Errno::PERM | Errno::ROFS | Errno::INVAL | Errno::NOSYS) => {}
            other => other?,
        }
    }
    Ok(())
}

pub(super) fn groups(words: &[u64]) -> Result<()> {
    let mut groups = [0u32; MAX_GROUPS];
    let groups = groups.get_mut(..words.len()).ok_or(Errno::INVAL)?;
    for (group, word) in groups.iter_mut().zip(words) {
        *group = u32::try_from(*word).map_err(|_| Errno::INVAL)?;
    }
    raw::setgroups(groups)
}

pub(super) fn bounding_set(keep: u64) -> Result<()> {
    const DROP: u32 = libc::PR_CAPBSET_DROP.cast_unsigned();
    each_capability(!keep, |capability| raw::prctl(DROP, capability))
}

pub(super) fn ambient(set: u64) -> Result<()> {
    raw::ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    each_capability(set, |capability| {
        raw::ambient(libc::PR_CAP_AMBIENT_RAISE, capability)
    })
}

/// Calls `act` for each member of `set` that the running kernel knows.
fn each_capability(set: u64, act: impl Fn(u64) -> Result<usize>) -> Result<()> {
    const READ: u32 = libc::PR_CAPBSET_READ.cast_unsigned();
    for capability in (0..=MAX_CAPABILITY).filter(|capability| set >> capability & 1 == 1) {
        match raw::prctl(READ, capability) {
            Err(Errno::INVAL) => break,
            _ => act(capability)?,
        };
    }
    Ok(())
}

/// A kernel without keyrings, or a full quota, is no reason not to start: the container then
/// simply has none. As runc: ENOSYS is passed over.
pub(super) fn keyring(name: &CStr) -> Result<()> {
    match raw::join_session_keyring(name) {
        Err(Errno::NOSYS) => Ok(()),
        other => other,
    }
}
