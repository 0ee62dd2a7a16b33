//! The simulated directory, files and lock as their users hold them. Each belongs to one boot:
//! after a crash it only answers errors.

use std::io;
use std::sync::Arc;

use super::inode::Inode;
use super::names::Ino;
use super::{Fault, SimDisk, eio};
use crate::disk::{Dir, DirLock, File, LockError};

#[derive(Debug)]
pub(super) struct SimDir {
    pub(super) disk: SimDisk,
    pub(super) boot: u32,
}

impl SimDir {
    fn file(&self, ino: Ino) -> Arc<dyn File> {
        Arc::new(SimFile {
            disk: self.disk.clone(),
            boot: self.boot,
            ino,
        })
    }
}

impl Dir for SimDir {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.disk.atomic(self.boot)?;
        if state.names.get(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let ino = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.link(name, ino);
        Ok(self.file(ino))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.disk.atomic(self.boot)?.find(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.atomic(self.boot)?;
        let ino = state.find(from)?;
        state.names.rename(from, to, ino);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.atomic(self.boot)?;
        let ino = state.find(name)?;
        state.names.unlink(name, ino);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk.atomic(self.boot)?.names.list())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.atomic(self.boot)?.names.sync();
        Ok(())
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DirLock>, LockError> {
        let mut state = self.disk.atomic(self.boot)?;
        if let Some(&pid) = state.locks.get(name) {
            return Err(LockError::Held { pid: Some(pid) });
        }
        state.locks.insert(name.to_owned(), std::process::id());
        Ok(Box::new(SimLock {
            disk: self.disk.clone(),
            boot: self.boot,
            name: name.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    boot: u32,
    name: String,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.boot == self.boot {
            state.locks.remove(&self.name);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    boot: u32,
    ino: Ino,
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.atomic(self.boot)?.inodes[self.ino].size())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.disk.atomic(self.boot)?.inodes[self.ino].read(buf, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut state, fault) = self.disk.call(self.boot)?;
        let end = offset + bytes.len() as u64;
        let room = state.room(self.ino, offset, end);
        // A full disk takes half of a write; other failures may come after all of it was taken.
        let (end, outcome) = match fault {
            Some(Fault::PowerCut | Fault::Eio) => (room, Err(eio())),
            Some(fault) => (room.min(offset + bytes.len() as u64 / 2), Err(fault.error())),
            None if room < end => (room, Err(Fault::NoSpace.error())),
            None => (end, Ok(())),
        };
        #[expect(clippy::cast_possible_truncation, reason = "no longer than `bytes`")]
        state.inodes[self.ino].write(&bytes[..(end - offset) as usize], offset);
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, fault) = self.disk.call(self.boot)?;
        match fault {
            None if state.lying => Ok(()),
            None => {
                state.inodes[self.ino].sync();
                Ok(())
            }
            Some(Fault::PowerCut) => Err(eio()),
            Some(fault) => {
                state.inodes[self.ino].sync_failed();
                Err(fault.error())
            }
        }
    }
}
