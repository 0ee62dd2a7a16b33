//! Segments: making them, giving them a header, opening them
//! (`docs/formats/store-log.md`, Segment).

use std::io;
use std::sync::Arc;

use driver::{Dir, File};

use crate::layout::{create_afresh, publish, segment_name};
use crate::wire::block;
use crate::{OpenError, Options};

const MAGIC: &[u8; 8] = b"gantrylg";

/// Where records begin.
pub(crate) const START: u64 = block::LENGTH as u64;

/// A segment that may be written to or read.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) file: Arc<dyn File>,
    pub(crate) sequence: u64,
    /// What the crc of each of its records is seeded with.
    pub(crate) seed: u32,
    /// Length of the file in bytes.
    pub(crate) size: u64,
}

/// A file that can become a segment: long enough, nothing in it of worth, no header yet.
#[derive(Debug)]
pub(crate) struct Blank {
    pub(crate) file: Arc<dyn File>,
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl Blank {
    /// Makes one of zeroes.
    pub(crate) fn create(dir: &dyn Dir, name: &str, size: u64) -> io::Result<Self> {
        let file = create_afresh(dir, name)?;
        let filled = file.zero_fill(0, size).and_then(|()| file.sync_data());
        if let Err(error) = filled {
            // The space is given back; if even that fails, the next attempt or the next open
            // does it. The first error is the one to tell.
            drop(dir.remove(name));
            return Err(error);
        }
        Ok(Self {
            file,
            name: name.to_owned(),
            size,
        })
    }

    /// Makes one of a segment that nobody needs any more.
    pub(crate) fn recycle(dir: &dyn Dir, sequence: u64, name: &str) -> io::Result<Self> {
        dir.rename(&segment_name(sequence), name)?;
        let file = dir.open(name)?;
        Ok(Self {
            size: file.size()?,
            file,
            name: name.to_owned(),
        })
    }

    /// Gives it a header and its final name, both durable.
    pub(crate) fn activate(self, dir: &dyn Dir, id: u128, sequence: u64, salt: u64) -> io::Result<Segment> {
        let (header, seed) = block::encode(MAGIC, id, &[sequence, salt, self.size]);
        self.file.write_at(&header, 0)?;
        publish(dir, &*self.file, &self.name, &segment_name(sequence))?;
        Ok(Segment {
            file: self.file,
            sequence,
            seed,
            size: self.size,
        })
    }
}

impl Segment {
    /// Opens a segment and checks its header.
    pub(crate) fn open(dir: &dyn Dir, id: u128, sequence: u64) -> Result<Self, OpenError> {
        let name = segment_name(sequence);
        let file = dir.open(&name)?;
        let size = file.size()?;
        let mut header = [0; block::LENGTH];
        let corrupt = |what| OpenError::corrupt(&name, 0, what);
        if size < START {
            return Err(corrupt("shorter than its header"));
        }
        file.read_exact_at(&mut header, 0)?;
        let (found, [name_in, _salt, length], seed) =
            block::decode(&header, MAGIC).ok_or_else(|| corrupt("broken segment header"))?;
        if found != id || name_in != sequence || length != size {
            return Err(corrupt("a segment of another store, sequence or size"));
        }
        Ok(Self {
            file,
            sequence,
            seed,
            size,
        })
    }
}

/// How large the segment with this sequence is to be.
pub(crate) fn size_of(options: &Options, sequence: u64) -> u64 {
    let doublings = u32::try_from(sequence.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(32);
    options
        .first_segment
        .saturating_mul(1 << doublings)
        .min(options.segment)
}
