//! One file of the simulated disk: live bytes, durable bytes, and between them every version of
//! every sector that was written and not yet synced.

use std::collections::BTreeMap;

use super::Keep;
use crate::Rng;

/// The unit that a disk writes wholly or not at all, in bytes.
pub const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Sector number to its contents after each write since the last sync, oldest first.
    unsynced: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The lengths the file went through since the last sync.
    lengths: Vec<usize>,
}

impl Inode {
    pub(super) fn size(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|at| self.live.get(at..))
            .unwrap_or_default();
        let length = bytes.len().min(buf.len());
        buf[..length].copy_from_slice(&bytes[..length]);
        length
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a simulated file lives in memory")]
        let start = offset as usize;
        let end = start + bytes.len();
        if end > self.live.len() {
            self.live.resize(end, 0);
            self.lengths.push(end);
        }
        self.live[start..end].copy_from_slice(bytes);
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            let from = sector * SECTOR;
            let until = (from + SECTOR).min(self.live.len());
            self.unsynced
                .entry(sector)
                .or_default()
                .push(self.live[from..until].to_vec());
        }
    }

    /// Everything live is durable.
    pub(super) fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for &sector in self.unsynced.keys() {
            let from = sector * SECTOR;
            let until = (from + SECTOR).min(self.live.len());
            self.durable[from..until].copy_from_slice(&self.live[from..until]);
        }
        self.forget_unsynced();
    }

    /// The kernel tried, failed, and marked the pages clean: the live bytes stay readable, none
    /// became durable, and no later sync will write them.
    pub(super) fn sync_failed(&mut self) {
        self.forget_unsynced();
    }

    /// Loses the power: each sector falls back to one of its versions.
    pub(super) fn crash(&mut self, keep: Keep, rng: &mut Rng) {
        let lengths = std::mem::take(&mut self.lengths);
        if let Some(length) = pick(&lengths, keep, rng) {
            self.durable.resize(*length, 0);
        }
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            let from = sector * SECTOR;
            let Some(version) = pick(&versions, keep, rng) else {
                continue;
            };
            if from < self.durable.len() {
                let until = (from + version.len()).min(self.durable.len());
                self.durable[from..until].copy_from_slice(&version[..until - from]);
            }
        }
        self.live.clone_from(&self.durable);
    }

    pub(super) fn flip(&mut self, offset: u64, bit: u32) -> bool {
        let Ok(at) = usize::try_from(offset) else {
            return false;
        };
        let mut hit = false;
        for byte in [self.live.get_mut(at), self.durable.get_mut(at)]
            .into_iter()
            .flatten()
        {
            *byte ^= 1 << (bit % 8);
            hit = true;
        }
        hit
    }

    fn forget_unsynced(&mut self) {
        self.unsynced.clear();
        self.lengths.clear();
    }
}

/// One of the versions, or none of them for what was durable before.
fn pick<'a, T>(versions: &'a [T], keep: Keep, rng: &mut Rng) -> Option<&'a T> {
    match keep {
        Keep::Nothing => None,
        Keep::Everything => versions.last(),
        #[expect(clippy::cast_possible_truncation, reason = "an index into a slice")]
        Keep::Some => versions.get(rng.below(versions.len() as u64 + 1) as usize),
    }
}
