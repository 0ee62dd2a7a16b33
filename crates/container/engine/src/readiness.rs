//! Descriptors that the executor waits for.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Registers a descriptor that does not block.
///
/// tokio has deprecated the safe way in favour of an unsafe one, because a type could answer
/// another number each time it is asked for its descriptor. An [`OwnedFd`] cannot.
#[expect(
    deprecated,
    reason = "sound for an OwnedFd, and unsafe code lives in sys alone"
)]
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}
