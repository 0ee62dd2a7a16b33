//! Init programs: the plan of a container's start as one flat arena of bytes.
//!
//! Whoever starts a container (the planner in `runtime`) writes a program; the process between
//! `clone3` and `execve` runs it with an interpreter that allocates nothing, takes no lock and
//! calls nothing but the kernel. The same bytes travel from the daemon to the supervisor and are
//! the golden snapshots of the planner's tests. Format: `docs/formats/init-program.md`.

mod builder;
mod format;
mod listing;
mod op;
mod prepared;

pub use builder::{BuildError, Builder};
pub use format::{FormatError, VERSION};
pub use op::{
    INHERIT_MODE, MAY_RETRY, NO_SYMLINKS, Op, RECURSIVE, Slot, TOLERATE_REFUSAL, Text, Texts, Words,
};
pub(crate) use prepared::Prepared;

use format::Arena;

/// Descriptors that a program can hold at once.
pub const SLOTS: usize = 64;
/// Largest program, in bytes. Environments are the bulk of one; the kernel's own limit for
/// arguments and environment is of the same order.
pub const MAX_PROGRAM: usize = 4 << 20;
/// Most operations of a program.
pub const MAX_OPS: u32 = 4096;

/// A verified init program.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    bytes: Vec<u8>,
}

impl Program {
    /// Verifies foreign bytes: every operation known and canonical, every reference inside.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, FormatError> {
        Arena::verify(&bytes)?;
        Ok(Self { bytes })
    }

    /// The bytes as they are sent and stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of operations.
    pub fn len(&self) -> u32 {
        self.arena().layout.ops
    }

    /// Whether there is no operation at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn arena(&self) -> Arena<'_> {
        Arena::trusted(&self.bytes)
    }
}
