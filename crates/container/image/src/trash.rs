//! Directories on their way out: moved aside at once, deleted by one thread in its own time.
//!
//! The queue is the trash directory itself, so it needs no memory, survives a crash, and is cleared
//! at the next start.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::tree;

/// A directory whose content a thread deletes.
#[derive(Debug)]
pub(crate) struct Trash {
    directory: PathBuf,
    /// A token in it means that there is something to delete. `None` once the thread is to end.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    turns: Arc<Turns>,
}

/// How much was taken, and how much of that the thread is done with.
#[derive(Debug, Default)]
struct Turns {
    counts: Mutex<(u64, u64)>,
    done: Condvar,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, (u64, u64)> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trash {
    /// Makes the directory and starts to delete what is left in it.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let (wake, woken) = sync_channel(1);
        let turns = Arc::new(Turns::default());
        let thread = thread::Builder::new().name("trash".to_owned()).spawn({
            let (directory, turns) = (directory.clone(), turns.clone());
            move || empty_whenever(&directory, &woken, &turns)
        })?;
        let trash = Self {
            directory,
            wake: Some(wake),
            thread: Some(thread),
            turns,
        };
        trash.wake();
        Ok(trash)
    }

    /// Takes `path`, which must be on the same file system, under a name nobody else gives away.
    /// There being nothing is no error.
    pub(crate) fn take(&self, path: &Path, name: &str) -> io::Result<()> {
        match fs::rename(path, self.directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        self.turns.lock().0 += 1;
        self.wake();
        Ok(())
    }

    /// Waits until all that was taken before is deleted, as far as it can be.
    pub(crate) fn drained(&self) {
        let counts = self.turns.lock();
        let taken = counts.0;
        drop(self.turns.done.wait_while(counts, |counts| counts.1 < taken));
    }

    fn wake(&self) {
        // A full channel means that the thread will look again anyway.
        let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
    }
}

/// Waits until all that was taken is deleted.
impl Drop for Trash {
    fn drop(&mut self) {
        self.wake = None;
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The least favourable "nice" value: whoever starts a container meanwhile comes first.
const PRIORITY: i32 = 19;

fn empty_whenever(directory: &Path, woken: &Receiver<()>, turns: &Turns) {
    // On Linux a thread has a priority of its own (setpriority(2), "C library/kernel differences").
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), PRIORITY);
    while woken.recv().is_ok() {
        let taken = turns.lock().0;
        if let Err(error) = empty(directory) {
            tracing::warn!(directory = %directory.display(), %error, "the trash cannot be read");
        }
        turns.lock().1 = taken;
        turns.done.notify_all();
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    let opened = fs::File::open(directory)?;
    for name in tree::names(&opened)? {
        remove(&opened, &name);
    }
    Ok(())
}

/// What cannot be deleted (an immutable file) stays and is tried again next time.
fn remove(directory: &fs::File, name: &CString) {
    if let Err(error) = tree::remove(directory.as_fd(), name) {
        tracing::warn!(?name, %error, "a snapshot cannot be deleted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_deleted_however_deep() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("7");
        let mut deepest = victim.clone();
        for _ in 0..300 {
            deepest.push("d");
        }
        fs::create_dir_all(&deepest).unwrap();
        fs::write(deepest.join("file"), "x").unwrap();
        let trash = Trash::open(directory.path().join("trash")).unwrap();
        trash.take(&victim, "7").unwrap();
        trash.take(&victim, "8").unwrap();
        assert!(!victim.exists());
        drop(trash);
        assert_eq!(fs::read_dir(directory.path().join("trash")).unwrap().count(), 0);
    }
}
