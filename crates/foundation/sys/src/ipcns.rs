//! IPC namespaces that outlive whoever made them: made on a thread of their own, kept alive by a
//! file. ipc_namespaces(7)

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::thread::UnshareFlags;

use crate::netns::{bind, on_thread};

/// Makes a namespace in which `work` has run (its parameters below `/proc/sys` are those that such
/// a thread sees), and binds it to the file `path`, which must not exist: it lives until
/// [`crate::netns::unpin`]. When `work` fails nothing is left.
pub fn create<T: Send>(path: &Path, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    on_thread(|| {
        // SAFETY: only FILES may not be unshared by a safe function; this flag is another.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWIPC) }?;
        let done = work()?;
        bind(File::open("/proc/thread-self/ns/ipc")?, path)?;
        Ok(done)
    })
}
