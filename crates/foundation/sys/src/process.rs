//! What a process sets for itself: session, subreaper, limits, and the descriptors that it leaves to
//! its next image.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit};

/// Leads a session of its own; a process that already does keeps it.
pub fn own_session() -> io::Result<()> {
    match rustix::process::setsid() {
        Ok(_) => Ok(()),
        // Only a process group leader is refused; a session leader is one, and is where it wants to be.
        Err(rustix::io::Errno::PERM) if leads_session() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn leads_session() -> bool {
    rustix::process::getsid(None).is_ok_and(|session| session == rustix::process::getpid())
}

/// Orphans among the descendants become children of this process (PR_SET_CHILD_SUBREAPER). The
/// setting survives `execve` and is not inherited.
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(
        rustix::process::getpid(),
    ))?)
}

/// Raises the soft limit of open descriptors to the hard limit and answers it; `u64::MAX` stands
/// for no limit.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// Lets `fd` survive the next `execve` in place. Only for that: a child started meanwhile by
/// another thread would inherit it too.
pub fn keep_across_exec(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, FdFlags::empty())?)
}

/// Undoes [`keep_across_exec`] after an `execve` that failed.
pub fn close_on_exec(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?)
}

/// Takes over the descriptor `number` that the previous image, or the parent, left open.
///
/// # Errors
/// `InvalidInput` if it is not open, or is a standard stream, or belongs to somebody in this image: every
/// descriptor that Rust's library or this crate opens is close-on-exec, and an inherited one
/// never is. Taking it over marks it, so it cannot be taken twice.
pub fn claim_inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: F_GETFD takes no pointer, and a number that is not open is answered with EBADF.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags != 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the descriptor is open and not close-on-exec, so no object of this image owns it
    // (see above); marking it now keeps this function from handing it out again.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    close_on_exec(&fd)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsRawFd, IntoRawFd};

    #[test]
    fn only_a_descriptor_that_nobody_owns_is_claimed_and_only_once() {
        let (reader, _writer) = crate::pipe::copy_target().unwrap();
        assert!(
            claim_inherited(reader.as_raw_fd()).is_err(),
            "owned, hence close-on-exec"
        );
        keep_across_exec(&reader).unwrap();
        let number = reader.into_raw_fd();
        let claimed = claim_inherited(number).unwrap();
        assert!(claim_inherited(number).is_err());
        drop(claimed);
        assert!(claim_inherited(1).is_err());
    }
}
