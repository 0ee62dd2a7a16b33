//! Network namespaces: made on a thread of their own, kept alive by a descriptor or by a file,
//! entered by a thread that ends with its task. network_namespaces(7)
//!
//! A namespace belongs to a thread, so nothing here ever moves the caller: whatever is to happen
//! inside happens on a thread that was made for it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// The file system that namespace files are on (`NSFS_MAGIC`).
const NSFS_MAGIC: u64 = 0x6e73_6673;
/// Enough for a task that talks netlink and writes a few files.
const STACK: usize = 128 * 1024;

/// A network namespace, alive at least as long as this value.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// The calling thread's.
    pub fn current() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// The one that is bound to a file. A file that is no namespace is
    /// [`io::ErrorKind::InvalidInput`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let file: OwnedFd = File::open(path)?.into();
        if is_of_nsfs(&file)? {
            Ok(Self(file))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// A new one in which `work` has run, with what `work` returned.
    pub fn create<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<(Self, T)> {
        on_thread(|| {
            unshare()?;
            Ok((Self::current()?, work()))
        })
    }

    /// Runs `work` inside, on a thread of its own, and waits for it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_thread(|| {
            rustix::thread::move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })
    }

    /// Binds it to the file `path`, which must not exist: it lives until [`unpin`].
    pub fn pin(&self, path: &Path) -> io::Result<()> {
        bind(&self.0, path)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Binds a namespace to the file `path`, which must not exist.
pub(crate) fn bind(namespace: impl AsFd, path: &Path) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    drop(rustix::fs::open(path, flags, Mode::from_raw_mode(0o444))?);
    let link = format!("/proc/self/fd/{}", namespace.as_fd().as_raw_fd());
    rustix::mount::mount_bind(link, path).map_err(|error| {
        let _ = rustix::fs::unlinkat(CWD, path, AtFlags::empty());
        error.into()
    })
}

/// Whether a namespace of any kind is bound to a file.
pub fn is_namespace(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| is_of_nsfs(&file).unwrap_or(false))
}

fn is_of_nsfs(file: impl AsFd) -> io::Result<bool> {
    Ok(u64::try_from(rustix::fs::fstatfs(file)?.f_type) == Ok(NSFS_MAGIC))
}

/// Takes back what [`Namespace::pin`] did. A file that is not there is no error.
pub fn unpin(path: &Path) -> io::Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match rustix::fs::unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes `directory` a mount of its own that tells no other mount namespace about what is mounted
/// below it, unless it is one already.
pub fn shelter(directory: &Path) -> io::Result<()> {
    if !is_mount(directory)? {
        rustix::mount::mount_bind(directory, directory)?;
    }
    Ok(rustix::mount::mount_change(
        directory,
        MountPropagationFlags::PRIVATE,
    )?)
}

/// Takes back what [`shelter`] did.
pub fn unshelter(directory: &Path) -> io::Result<()> {
    match rustix::mount::unmount(directory, UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives the calling thread a new network namespace for good. For a process or thread that wants
/// to live in one.
pub fn unshare() -> io::Result<()> {
    // SAFETY: only FILES may not be unshared by a safe function; this flag is another.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?)
}

fn is_mount(path: &Path) -> io::Result<bool> {
    use rustix::fs::{StatxAttributes, StatxFlags};
    let stat = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::empty())?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Runs `work` on a thread of its own, which may change its namespaces, and waits for it.
pub(crate) fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("netns".to_owned()).stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_namespace_is_refused() {
        let error = Namespace::open(Path::new("/proc/self/status")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn work_runs_in_the_namespace_and_the_caller_stays() {
        let before = Namespace::current().unwrap();
        let inside = before.run(|| Namespace::current().unwrap());
        // Entering even one's own namespace takes privilege.
        let Ok(inside) = inside else { return };
        assert_eq!(number(&inside), number(&before));
        assert_eq!(number(&Namespace::current().unwrap()), number(&before));
    }

    fn number(namespace: &Namespace) -> u64 {
        rustix::fs::fstat(namespace).unwrap().st_ino
    }
}
