//! The sizes and delays of a store.

use std::time::Duration;

/// How an embedded store uses its disk and memory. The defaults are for production; tests make
/// everything small.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size of the first segment in bytes; each next one is twice as large.
    pub first_segment: u64,
    /// Size at which segments stop growing, in bytes.
    pub segment: u64,
    /// How much obsolete log, in bytes, at least calls for a checkpoint. (A state larger than
    /// this calls for as much log as itself, so that each byte is rewritten about once.)
    pub checkpoint: u64,
    /// How many events the watch window keeps.
    pub window_events: usize,
    /// How many bytes of values the watch window keeps.
    pub window_bytes: usize,
    /// How long a relaxed write may stay unsynced.
    pub relaxed_delay: Duration,
    /// How many revisions the ceiling is raised by.
    pub ceiling_step: u64,
    /// How many bytes of writes may wait in the queue.
    pub queue_bytes: usize,
}

impl Options {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 4 << 10;
    /// The longest value, in bytes: what the Kubernetes API takes as a request body.
    pub const MAX_VALUE: usize = 3 << 20;
    /// The longest record, in bytes. A batch is cut at half of it, so that one more value fits.
    pub(crate) const MAX_RECORD: usize = 8 << 20;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_segment: 1 << 20,
            segment: 64 << 20,
            checkpoint: 64 << 20,
            window_events: 100_000,
            window_bytes: 64 << 20,
            relaxed_delay: Duration::from_secs(60),
            ceiling_step: 1 << 16,
            queue_bytes: 64 << 20,
        }
    }
}
