//! Reading a segment's records back, and telling a torn tail from a hole
//! (`docs/formats/store-log.md`, Recovery 3 and 4).

use std::io;
use std::sync::Arc;

use driver::File;

use crate::record::{ALIGN, HEADER, Header, LogOp, decode_ops};
use crate::segment::{START, Segment};
use crate::{Options, Revision};

/// How much is read ahead, in bytes.
const READ_AHEAD: u64 = 1 << 20;

/// Where the log has got to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// The crc of the last record.
    pub(crate) link: u32,
    pub(crate) last: Revision,
    pub(crate) ceiling: Revision,
}

/// What one segment held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) end: u64,
    /// From where on its records are perhaps not durable.
    pub(crate) unsynced: u64,
}

/// A file seen through a buffer.
struct Source<'a> {
    file: &'a dyn File,
    size: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl Source<'_> {
    /// The bytes at `offset`; `None` if the file ends before their end.
    fn get(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let end = offset + length as u64;
        if end > self.size {
            return Ok(None);
        }
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let read = (self.size - offset).min(READ_AHEAD.max(length as u64));
            self.buffer.resize(usize::try_from(read).unwrap_or(length), 0);
            self.start = offset;
            self.file.read_exact_at(&mut self.buffer, offset)?;
        }
        let at = usize::try_from(offset - self.start).unwrap_or(0);
        Ok(self.buffer.get(at..at + length))
    }

    fn header(&mut self, offset: u64) -> io::Result<Option<Header>> {
        Ok(self.get(offset, HEADER)?.and_then(Header::decode))
    }

    /// The operations of the record at `offset` if its crc fits.
    fn body(&mut self, offset: u64, header: &Header, seed: u32) -> io::Result<Option<&[u8]>> {
        let record = self.get(offset, header.length)?;
        Ok(record
            .filter(|record| header.fits(record, seed))
            .map(|record| &record[HEADER..]))
    }
}

fn source(segment: &Segment) -> Source<'_> {
    Source {
        file: &*segment.file,
        size: segment.size,
        start: 0,
        buffer: Vec::new(),
    }
}

impl Position {
    /// Whether a record may come next. The base rule is what certainly rejects stale records.
    fn admits(&self, header: &Header) -> bool {
        header.base > self.last && header.link == self.link
    }
}

/// Replays a segment: hands every record that counts to `apply`, in order.
pub(crate) fn replay(
    segment: &Segment,
    position: &mut Position,
    apply: &mut dyn FnMut(Revision, Vec<LogOp>),
) -> io::Result<Extent> {
    let mut source = source(segment);
    let mut extent = Extent {
        end: START,
        unsynced: START,
    };
    // Bases and offsets of records that no later record has yet called durable.
    let mut pending = std::collections::VecDeque::new();
    while let Some(header) = source
        .header(extent.end)?
        .filter(|header| position.admits(header))
    {
        let ops = source.body(extent.end, &header, segment.seed)?;
        let Some(ops) = ops.and_then(|ops| decode_ops(ops, header.base)) else {
            break;
        };
        while pending.front().is_some_and(|&(base, _)| base <= header.synced) {
            pending.pop_front();
        }
        pending.push_back((header.base, extent.end));
        extent.end += header.stride();
        let last = header.base.0 + ops.len() as u64 - 1;
        *position = Position {
            link: header.crc,
            last: Revision(last),
            ceiling: header.ceiling,
        };
        apply(header.base, ops);
    }
    extent.unsynced = pending.front().map_or(extent.end, |&(_, offset)| offset);
    Ok(extent)
}

/// Whether a record from `offset` on was written in the knowledge that revisions beyond `last`
/// are durable. They are not there, so the log has a hole.
pub(crate) fn has_hole(segment: &Segment, offset: u64, last: Revision) -> io::Result<bool> {
    let mut source = source(segment);
    // The lost record is no longer than the longest one; behind it comes the witness.
    let until = offset.saturating_add(Options::MAX_RECORD as u64);
    for candidate in (offset..=until).step_by(ALIGN) {
        let Some(bytes) = source.get(candidate, HEADER)? else {
            break;
        };
        let Some(header) = Header::decode(bytes).filter(|header| header.synced > last) else {
            continue;
        };
        if source.body(candidate, &header, segment.seed)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Replays bytes that nobody vouches for as a segment with this seed; tells how many operations
/// were found. Looks for holes as well.
pub fn read_bytes(bytes: Arc<dyn File>, seed: u32) -> Option<usize> {
    let size = bytes.size().ok()?;
    let segment = Segment {
        file: bytes,
        sequence: 1,
        seed,
        size,
    };
    let mut found = 0;
    let mut position = Position::default();
    let extent = replay(&segment, &mut position, &mut |_, ops| found += ops.len()).ok()?;
    has_hole(&segment, extent.end, position.last).ok()?;
    Some(found)
}
