//! Where a packer writes: no more than so much, and no longer than somebody wants it; and for how long is unpacked.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Weak};

use rustix::fs::fstatvfs;
use rustix::io::Errno;

/// Somebody's interest in what is being packed or unpacked. It ends when this is dropped, and soon after so does the work.
#[derive(Debug, Default)]
pub struct Interest(Arc<()>);

impl Interest {
    /// For whoever packs or unpacks.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted(Some(Arc::downgrade(&self.0)))
    }
}

/// Whether somebody wants what is being packed or unpacked; for good by default.
#[derive(Clone, Debug, Default)]
pub struct Wanted(Option<Weak<()>>);

impl Wanted {
    /// Whether nobody wants it any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|interest| interest.strong_count() == 0)
    }

    /// Writes as long as it is wanted, and no more than `limit` bytes.
    pub(crate) fn writing<W: Write>(&self, inner: W, limit: u64) -> Bounded<'_, W> {
        Bounded {
            inner,
            left: limit,
            limit,
            wanted: self,
        }
    }
}

/// On what terms a foreign archive is unpacked; on none by default.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// For how long.
    pub wanted: Wanted,
    /// So many bytes of the disk stay free.
    pub spare: u64,
}

impl Terms {
    /// Whether they are still met where is unpacked.
    pub(crate) fn met(&self, root: BorrowedFd<'_>) -> io::Result<()> {
        if self.wanted.is_over() {
            return Err(over());
        }
        if self.spare == 0 {
            return Ok(());
        }
        let disk = fstatvfs(root)?;
        match disk.f_bavail.saturating_mul(disk.f_frsize) < self.spare {
            true => Err(Errno::NOSPC.into()),
            false => Ok(()),
        }
    }
}

fn over() -> io::Error {
    io::Error::other("nobody wants it any more")
}

/// See [`Wanted::writing`].
pub(crate) struct Bounded<'a, W> {
    inner: W,
    left: u64,
    limit: u64,
    wanted: &'a Wanted,
}

impl<W: Write> Write for Bounded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.wanted.is_over() {
            return Err(over());
        }
        let written = self.inner.write(bytes)?;
        self.left = self.left.checked_sub(written as u64).ok_or_else(|| {
            let sentence = format!("it has more than {} bytes", self.limit);
            io::Error::new(io::ErrorKind::FileTooLarge, sentence)
        })?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wants_is_not_written_on_and_neither_is_what_is_too_long() {
        let interest = Interest::default();
        let wanted = interest.wanted();
        let mut out = Vec::new();
        wanted.writing(&mut out, u64::MAX).write_all(b"abc").unwrap();
        drop(interest);
        assert!(wanted.is_over() && wanted.writing(&mut out, u64::MAX).write_all(b"d").is_err());
        let always = Wanted::default();
        assert!(!always.is_over() && always.writing(&mut out, 1).write_all(b"ef").is_err());
        assert!(out.starts_with(b"abc") && !out.contains(&b'd'));
    }
}
