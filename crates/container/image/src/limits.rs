//! How much of a foreign archive is taken in before it is refused.

use serde::{Deserialize, Serialize};

/// Bounds on one archive. Beyond any of them it is refused and nothing of it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the archive after decompression.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Components of a path.
    pub depth: usize,
    /// Bytes of one entry's extended header (long names, extended attributes).
    pub extension: u64,
}

impl Default for Limits {
    /// What no honest image reaches: 256 GiB, 8 million entries, 256 directories deep, 1 MiB of
    /// attributes for one file.
    fn default() -> Self {
        Self {
            bytes: 256 << 30,
            entries: 8 << 20,
            depth: 256,
            extension: 1 << 20,
        }
    }
}
