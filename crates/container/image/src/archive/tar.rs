//! The tar format: ustar with PAX records, and GNU's long names and binary numbers for reading
//! (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
//!
//! It is our own because foreign archives need bounds at every field and layers need a writer whose
//! bytes depend on nothing but the tree.

mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub(crate) use header::{Entry, Kind};
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// Everything in an archive comes in blocks of so many bytes.
pub(crate) const BLOCK: usize = 512;

/// A header's bytes.
pub(crate) type Block = [u8; BLOCK];

/// How many bytes follow `size` bytes to the end of their last block.
const fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
mod tests;
