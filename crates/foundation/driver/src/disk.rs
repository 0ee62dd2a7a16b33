//! The seam of the disk: one flat directory and the files in it, as POSIX promises them and no
//! better. Bytes are durable after [`File::sync_data`], names after [`Dir::sync`]; until then a
//! power cut may keep, lose or tear any of them.

pub(crate) mod real;
pub(crate) mod sim;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// How much [`File::zero_fill`] writes at a time.
const ZEROES: &[u8] = &[0; 1 << 20];

/// One directory. Names are single path components.
pub trait Dir: Debug + Send + Sync {
    /// Creates a file that must not exist yet.
    ///
    /// # Errors
    /// `AlreadyExists`, or whatever the disk says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or whatever the disk says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// `NotFound`, or whatever the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    /// `NotFound`, or whatever the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// All names, in order.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes every create, rename and remove so far durable.
    ///
    /// # Errors
    /// Whatever the disk says; what was durable is then unknown.
    fn sync(&self) -> io::Result<()>;

    /// Takes the exclusive lock on the file `name` (made if missing) until the guard is dropped
    /// or the process ends, and leaves this process's id in it.
    ///
    /// # Errors
    /// [`LockError::Held`] if another holder has it: the call never waits.
    fn lock(&self, name: &str) -> Result<Box<dyn DirLock>, LockError>;
}

/// An open file. All methods may be called from several threads at once.
pub trait File: Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buf.len()` bytes at `offset`; 0 means the end of the file.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// `StorageFull` or whatever the disk says; any part of `bytes` may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the bytes written so far, and the length needed to read them, durable.
    ///
    /// # Errors
    /// Whatever the disk says. Bytes not yet durable may never become so, not even by another
    /// call that succeeds: the kernel forgets which pages it failed to write.
    fn sync_data(&self) -> io::Result<()>;

    /// Reads exactly `buf.len()` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or whatever the disk says.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }

    /// Writes zeroes from `offset` for `len` bytes. Real zeroes rather than an allocated hole:
    /// the first write into a hole commits the journal, a write over zeroes does not.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    fn zero_fill(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let step = (len - done).min(ZEROES.len() as u64);
            #[expect(clippy::cast_possible_truncation, reason = "at most the length of ZEROES")]
            self.write_at(&ZEROES[..step as usize], offset + done)?;
            done += step;
        }
        Ok(())
    }
}

/// Holding it is holding the lock.
pub trait DirLock: Debug + Send + Sync {}

/// Why [`Dir::lock`] did not give the lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another opener in this one, has it.
    #[error("held by {}", pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Held {
        /// The holder's process id, if it got round to writing it.
        pid: Option<u32>,
    },
    /// The lock file could not be used at all.
    #[error("lock file")]
    Io(#[from] io::Error),
}
