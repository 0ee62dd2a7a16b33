//! A disk that behaves as badly as a real one may.
//!
//! It keeps what is live (what a reader of the running machine sees) apart from what is durable.
//! [`SimDisk::crash`] is a power cut: of every sector written since the last completed sync one
//! of its versions survives, chosen by the seed and independently of its neighbours, so writes
//! are lost, torn and reordered; names not covered by a directory sync likewise. The n-th I/O
//! can be made to fail, the disk to be full, and syncs to lie, which is how a crash test is
//! itself put to the test.

mod handles;
mod inode;
mod names;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Dir;
use crate::Rng;
use handles::SimDir;
use inode::Inode;
pub use inode::SECTOR;
use names::{Ino, Names};

/// What goes wrong at a chosen I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call answers EIO. A write has been done nevertheless, for all a reader can see; of a
    /// sync nothing got through, and nothing of it will be tried again.
    Eio,
    /// The call answers ENOSPC; a write has been done in part.
    NoSpace,
    /// The power goes: this call and all later ones fail until [`SimDisk::crash`] brings it back.
    PowerCut,
}

/// A simulated disk with one directory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    locks: BTreeMap<String, u32>,
    /// Every crash starts a new boot; handles and locks of an earlier one are dead.
    boot: u32,
    ios: u64,
    faults: BTreeMap<u64, Fault>,
    off: bool,
    lying: bool,
    capacity: Option<u64>,
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its directory, valid until the next crash.
    pub fn dir(&self) -> Arc<dyn Dir> {
        let boot = self.state().boot;
        Arc::new(SimDir {
            disk: self.clone(),
            boot,
        })
    }

    /// How many calls reached the disk so far.
    pub fn io_count(&self) -> u64 {
        self.state().ios
    }

    /// Lets the `nth` call from now (the next one is 0) go wrong.
    pub fn fail_nth(&self, nth: u64, fault: Fault) {
        let mut state = self.state();
        let at = state.ios + nth;
        state.faults.insert(at, fault);
    }

    /// Bounds the sum of all file lengths; a write that would grow beyond it answers ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// While lying, syncs of files answer success and do nothing.
    pub fn set_lying(&self, lying: bool) {
        self.state().lying = lying;
    }

    /// Cuts the power and brings it back: only what the seed lets survive is left.
    pub fn crash(&self, rng: &mut Rng) {
        let mut state = self.state();
        // Whole-file outcomes (all lost, all kept) are rare in a coin toss per sector, and are
        // the two that real disks show most: give them their share.
        let keep = match rng.below(4) {
            0 => Keep::Nothing,
            1 => Keep::Everything,
            _ => Keep::Some,
        };
        state.inodes.iter_mut().for_each(|inode| inode.crash(keep, rng));
        state.names.crash(keep, rng);
        state.locks.clear();
        state.faults.clear();
        state.off = false;
        state.boot += 1;
    }

    /// Flips one bit of a file, live and durable: what bit rot or a bad cable does.
    ///
    /// # Panics
    /// If there is no such file or byte: a test that misses its target must not pass.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u32) {
        let mut state = self.state();
        let ino = state.names.get(name);
        assert!(
            ino.is_some_and(|ino| state.inodes[ino].flip(offset, bit)),
            "no byte {offset} in {name}"
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call of `boot` and hands out the state together with what is to go wrong.
    fn call(&self, boot: u32) -> io::Result<(MutexGuard<'_, State>, Option<Fault>)> {
        let mut state = self.state();
        if state.off || state.boot != boot {
            return Err(eio());
        }
        let at = state.ios;
        state.ios += 1;
        let fault = state.faults.remove(&at);
        state.off = fault == Some(Fault::PowerCut);
        Ok((state, fault))
    }

    /// As [`Self::call`], for calls that are done wholly or not at all.
    fn atomic(&self, boot: u32) -> io::Result<MutexGuard<'_, State>> {
        match self.call(boot)? {
            (state, None) => Ok(state),
            (_, Some(fault)) => Err(fault.error()),
        }
    }
}

/// What a crash lets survive of the unsynced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    Everything,
    Some,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            Self::Eio | Self::PowerCut => eio(),
        }
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl State {
    fn find(&self, name: &str) -> io::Result<Ino> {
        self.names.get(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How much of a write to `..end` of `ino` there is room for.
    fn room(&self, ino: Ino, offset: u64, end: u64) -> u64 {
        let Some(capacity) = self.capacity else { return end };
        let others: u64 = self
            .names
            .inos()
            .filter(|&other| other != ino)
            .map(|i| self.inodes[i].size())
            .sum();
        let limit = capacity.saturating_sub(others).max(self.inodes[ino].size());
        end.min(limit.max(offset))
    }
}

#[cfg(test)]
mod tests;
