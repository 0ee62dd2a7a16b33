//! Where descriptors outlive this process.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Keeps descriptors beyond the life of the daemon: the supervisor's `Hold`, `Retrieve` and
/// `Release`. Published ports and the DNS sockets of namespaces lie there, so that a port stays
/// taken and a query waits in the socket's queue while the daemon is being restarted.
pub trait Holder: Send + Sync {
    /// Keeps duplicates of the descriptors under `name`, in place of what was there.
    ///
    /// # Errors
    /// When they could not be kept.
    fn hold(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()>;

    /// Duplicates of what is kept under `name`, in the same order; none if nothing is.
    ///
    /// # Errors
    /// When they could not be had.
    fn retrieve(&self, name: &str) -> io::Result<Vec<OwnedFd>>;

    /// Closes what is kept under `name`; nothing there is no error.
    ///
    /// # Errors
    /// When it could not be told to.
    fn release(&self, name: &str) -> io::Result<()>;

    /// All names that something is kept under.
    ///
    /// # Errors
    /// When they could not be had.
    fn held(&self) -> io::Result<Vec<String>>;
}
