//! What a log has taken and lost, written by the pump and read by the other thread.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use crate::protocol::LogStats;

/// Shared between the threads. Each number is exact; a snapshot may lie between two of them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    entries: AtomicU64,
    dropped_entries: AtomicU64,
    dropped_bytes: AtomicU64,
    errno: AtomicI32,
}

impl Counters {
    pub(crate) fn restore(stats: LogStats) -> Self {
        Self {
            entries: stats.entries.into(),
            dropped_entries: stats.dropped_entries.into(),
            dropped_bytes: stats.dropped_bytes.into(),
            errno: stats.errno.into(),
        }
    }

    pub(crate) fn snapshot(&self) -> LogStats {
        LogStats {
            entries: self.entries.load(Relaxed),
            dropped_entries: self.dropped_entries.load(Relaxed),
            dropped_bytes: self.dropped_bytes.load(Relaxed),
            errno: self.errno.load(Relaxed),
        }
    }

    pub(super) fn written(&self, entries: u64) {
        self.entries.fetch_add(entries, Relaxed);
    }

    pub(super) fn dropped(&self, entries: u64, bytes: u64) {
        self.dropped_entries.fetch_add(entries, Relaxed);
        self.dropped_bytes.fetch_add(bytes, Relaxed);
    }

    /// Zero once the disk takes entries again.
    pub(super) fn set_errno(&self, errno: i32) {
        self.errno.store(errno, Relaxed);
    }
}
