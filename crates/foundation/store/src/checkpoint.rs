//! Checkpoints: the state at one revision as a file (`docs/formats/store-log.md`, Checkpoint).

use std::io;
use std::sync::Arc;

use driver::{Dir, File};

use crate::layout::{checkpoint_name, create_afresh, publish};
use crate::record::LogOp;
use crate::tree::Tree;
use crate::wire::{Reader, block, length_u32};
use crate::{LeaseId, OpenError, Options, Revision};

const MAGIC: &[u8; 8] = b"gantryck";
const TEMPORARY: &str = "checkpoint.tmp";
/// A frame is closed when its entries have become this long, in bytes.
const FRAME: usize = 1 << 20;
/// Longest frame: a full one and one more entry.
const MAX_FRAME: usize = FRAME + Options::MAX_RECORD;
const FRAME_HEADER: usize = 8;

/// What a checkpoint holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    pub(crate) id: u128,
    pub(crate) revision: Revision,
    /// Where replay starts.
    pub(crate) first_segment: u64,
    pub(crate) ceiling: Revision,
    /// The last record before that segment: its last revision and its crc.
    pub(crate) before: Revision,
    pub(crate) link: u32,
    /// Leases and their time to live in seconds.
    pub(crate) leases: Vec<(LeaseId, u64)>,
    pub(crate) tree: Tree,
}

impl Checkpoint {
    /// Writes it under its final name, durably, and returns its length in bytes. If it fails, nothing is left of it.
    pub(crate) fn write(&self, dir: &dyn Dir) -> io::Result<u64> {
        let file = create_afresh(dir, TEMPORARY)?;
        let written = self
            .write_to(&*file)
            .and_then(|()| publish(dir, &*file, TEMPORARY, &checkpoint_name(self.revision)));
        if written.is_err() {
            // As in `Blank::create`: the space is given back if it can be.
            drop(dir.remove(TEMPORARY));
        }
        written?;
        file.size()
    }

    fn write_to(&self, file: &dyn File) -> io::Result<()> {
        let fields = [
            self.revision.0,
            self.first_segment,
            self.ceiling.0,
            self.before.0,
            self.link.into(),
        ];
        let (header, seed) = block::encode(MAGIC, self.id, &fields);
        file.write_at(&header, 0)?;
        let mut frames = Frames {
            file,
            seed,
            offset: header.len() as u64,
            number: 0,
            entries: 0,
            open: open_frame(),
        };
        for &(lease, seconds) in &self.leases {
            frames.push(Revision::ZERO, &LogOp::Grant { lease, seconds })?;
        }
        for row in self.tree.rows() {
            frames.push(row.mod_revision, &LogOp::Put(row.clone()))?;
        }
        frames.close()
    }

    /// Reads the checkpoint of this revision. `None` if its bytes are not what was written.
    pub(crate) fn read(dir: &dyn Dir, id: u128, revision: Revision) -> Result<Option<Self>, OpenError> {
        let file = dir.open(&checkpoint_name(revision))?;
        let loaded = read_from(&*file)?;
        Ok(loaded.filter(|loaded| loaded.id == id && loaded.revision == revision))
    }
}

/// The frames of a checkpoint as they are written.
struct Frames<'a> {
    file: &'a dyn File,
    seed: u32,
    offset: u64,
    number: u32,
    entries: u64,
    open: Vec<u8>,
}

fn open_frame() -> Vec<u8> {
    vec![0; FRAME_HEADER]
}

/// A frame's crc also covers its place, so that frames cannot trade places.
fn frame_crc(seed: u32, number: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &number.to_le_bytes()), body)
}

impl Frames<'_> {
    fn push(&mut self, revision: Revision, op: &LogOp) -> io::Result<()> {
        self.open.extend_from_slice(&revision.0.to_le_bytes());
        op.encode(&mut self.open);
        self.entries += 1;
        if self.open.len() >= FRAME {
            self.flush(self.open.len() - FRAME_HEADER)
        } else {
            Ok(())
        }
    }

    fn flush(&mut self, length: usize) -> io::Result<()> {
        let crc = frame_crc(self.seed, self.number, &self.open[FRAME_HEADER..]);
        self.open[..4].copy_from_slice(&length_u32(length).to_le_bytes());
        self.open[4..FRAME_HEADER].copy_from_slice(&crc.to_le_bytes());
        self.file.write_at(&self.open, self.offset)?;
        self.offset += self.open.len() as u64;
        self.number += 1;
        self.open.truncate(FRAME_HEADER);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let length = self.open.len() - FRAME_HEADER;
        if length > 0 {
            self.flush(length)?;
        }
        self.open.extend_from_slice(&self.entries.to_le_bytes());
        self.flush(0)
    }
}

/// A checkpoint as it is read. Every `None` means that the bytes are not what was written.
struct Unread<'a> {
    file: &'a dyn File,
    size: u64,
    offset: u64,
    seed: u32,
}

enum Frame {
    Entries(Vec<u8>),
    /// The closing one, with the number of all entries.
    End(u64),
}

impl Unread<'_> {
    fn bytes(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        if self.offset + length as u64 > self.size {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        self.offset += length as u64;
        Ok(Some(bytes))
    }

    fn frame(&mut self, number: u32) -> io::Result<Option<Frame>> {
        let Some(header) = self.bytes(FRAME_HEADER)? else {
            return Ok(None);
        };
        let mut header = Reader(&header);
        let (Some(length), Some(crc)) = (header.u32(), header.u32()) else {
            return Ok(None);
        };
        let length = length as usize;
        if length > MAX_FRAME {
            return Ok(None);
        }
        let body = self.bytes(if length == 0 { 8 } else { length })?;
        let body = body.filter(|body| frame_crc(self.seed, number, body) == crc);
        Ok(body.and_then(|body| {
            if length == 0 {
                Reader(&body).u64().map(Frame::End)
            } else {
                Some(Frame::Entries(body))
            }
        }))
    }
}

fn read_from(file: &dyn File) -> io::Result<Option<Checkpoint>> {
    let mut unread = Unread {
        file,
        size: file.size()?,
        offset: 0,
        seed: 0,
    };
    let header = unread.bytes(block::LENGTH)?;
    let Some((id, fields, seed)) = header.and_then(|header| block::decode(&header, MAGIC)) else {
        return Ok(None);
    };
    unread.seed = seed;
    let [revision, first_segment, ceiling, before, link] = fields;
    let Ok(link) = u32::try_from(link) else {
        return Ok(None);
    };
    let [revision, ceiling, before] = [revision, ceiling, before].map(Revision);
    let (leases, tree) = Default::default();
    let mut loaded = Checkpoint {
        id,
        revision,
        first_segment,
        ceiling,
        before,
        link,
        leases,
        tree,
    };
    let mut entries = 0;
    for number in 0.. {
        match unread.frame(number)? {
            Some(Frame::Entries(body)) => match loaded.take_entries(&body) {
                Some(read) => entries += read,
                None => return Ok(None),
            },
            Some(Frame::End(count)) => return Ok((count == entries).then_some(loaded)),
            None => break,
        }
    }
    Ok(None)
}

impl Checkpoint {
    fn take_entries(&mut self, body: &[u8]) -> Option<u64> {
        let mut reader = Reader(body);
        let mut entries = 0;
        while !reader.is_empty() {
            let revision = Revision(reader.u64()?);
            match LogOp::decode(&mut reader, revision)? {
                LogOp::Put(row) => drop(self.tree.insert(row)),
                LogOp::Grant { lease, seconds } => self.leases.push((lease, seconds)),
                LogOp::Delete(_) | LogOp::Revoke { .. } => return None,
            }
            entries += 1;
        }
        Some(entries)
    }
}

/// Reads bytes that nobody vouches for as a checkpoint; tells how many rows it has.
pub fn read_bytes(bytes: Arc<dyn File>) -> Option<usize> {
    read_from(&*bytes).ok().flatten().map(|loaded| loaded.tree.len())
}
