//! A mount namespace of one's own for a moment: mounts are put together out of sight, and used by
//! descriptor. mount_namespaces(7)

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use crate::raw;

/// Keeps a mount namespace, and all that is mounted in it, alive.
#[derive(Debug)]
pub struct MountNamespace {
    _namespace: OwnedFd,
}

/// Runs `work` on a thread of its own in a copy of this process's mount namespace. What it mounts
/// nobody else sees; it is unmounted when the namespace that is handed back is dropped. Descriptors
/// that `work` returns lead into it.
///
/// # Errors
/// This process may not unshare, or `work` fails.
pub fn assemble<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<(T, MountNamespace)> {
    let apart = || {
        // The kernel gives the thread a working directory and root of its own along with it.
        raw::unshare(libc::CLONE_NEWNS.cast_unsigned())?;
        raw::propagation(c"/", libc::MS_REC | libc::MS_PRIVATE)?;
        let namespace = MountNamespace {
            _namespace: File::open("/proc/thread-self/ns/mnt")?.into(),
        };
        Ok((work()?, namespace))
    };
    let done = std::thread::scope(|scope| scope.spawn(apart).join());
    done.map_err(|_| io::Error::other("the mounting thread panicked"))?
}
