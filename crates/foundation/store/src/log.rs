//! Writing the log: append, sync, roll, and what to do when the disk says no
//! (`docs/formats/store-log.md`, Commit).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use driver::{Dir, Rng};

use crate::record::{HEADER, Header, RecordBuilder};
use crate::segment::{Blank, START, Segment, size_of};
use crate::{Error, Options, Revision};

/// The temporary name of a segment made because none was ready.
const URGENT: &str = "segment.tmp";

/// A segment that is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) sequence: u64,
    pub(crate) last: Revision,
    /// The crc of its last record.
    pub(crate) link: u32,
    pub(crate) size: u64,
}

/// The end of the log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) id: u128,
    pub(crate) rng: Rng,
    pub(crate) options: Options,
    pub(crate) sealed: VecDeque<Sealed>,
    pub(crate) active: Segment,
    /// Segments behind the active one, empty: an interrupted roll left them.
    pub(crate) ready: VecDeque<Segment>,
    /// Made in the background for the next roll.
    pub(crate) blank: Option<Blank>,
    /// Where the next record goes.
    pub(crate) end: u64,
    pub(crate) link: u32,
    pub(crate) last: Revision,
    /// The ceiling in the last record, and in the last durable one.
    pub(crate) ceiling: Revision,
    pub(crate) durable_ceiling: Revision,
    pub(crate) synced: Revision,
    /// Whether there are records that no sync covers.
    pub(crate) unsynced: bool,
    /// Whether a failed write left bytes at `end`.
    pub(crate) dirty: bool,
    pub(crate) failed: Option<Arc<io::Error>>,
}

impl Log {
    /// Writes a record whose first operation has the revision `base`. It is not durable yet.
    pub(crate) fn append(&mut self, base: Revision, record: RecordBuilder) -> Result<(), Error> {
        let last = Revision(base.0 + record.count() - 1);
        let ceiling = match self.ceiling.0.checked_sub(last.0) {
            Some(left) if left >= self.options.ceiling_step / 2 => self.ceiling,
            _ => Revision(last.0 + self.options.ceiling_step),
        };
        self.write(base, last, ceiling, record)
    }

    /// Whether what was appended may only be shown to anyone after a sync.
    pub(crate) fn must_sync(&self) -> bool {
        self.last > self.durable_ceiling
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.usable()?;
        if let Err(error) = self.active.file.sync_data() {
            let error = Arc::new(error);
            self.failed = Some(error.clone());
            return Err(Error::Failed(error));
        }
        self.unsynced = false;
        self.synced = self.last;
        self.durable_ceiling = self.ceiling;
        Ok(())
    }

    /// Ends the log cleanly: the ceiling comes down to the last revision.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        if self.ceiling > self.last {
            self.write(self.last.next(), self.last, self.last, RecordBuilder::new())?;
        }
        self.sync()
    }

    fn write(
        &mut self,
        base: Revision,
        last: Revision,
        ceiling: Revision,
        record: RecordBuilder,
    ) -> Result<(), Error> {
        self.usable()?;
        self.scrub()?;
        self.make_room(record.stride())?;
        let header = Header {
            length: 0,
            crc: 0,
            link: self.link,
            base,
            ceiling,
            synced: self.synced,
        };
        let (bytes, crc) = record.finish(header, self.active.seed);
        if let Err(error) = self.active.file.write_at(&bytes, self.end) {
            self.dirty = true;
            // If the disk refuses this too, the next commit tries again.
            drop(self.scrub());
            return Err(write_error(error));
        }
        self.end += bytes.len() as u64;
        self.link = crc;
        self.last = last;
        self.ceiling = ceiling;
        self.unsynced = true;
        Ok(())
    }

    fn usable(&self) -> Result<(), Error> {
        self.failed
            .clone()
            .map_or(Ok(()), |error| Err(Error::Failed(error)))
    }

    /// Wipes out what a failed write left, durably, so that no crash can bring it back.
    fn scrub(&mut self) -> Result<(), Error> {
        if self.dirty {
            self.active
                .file
                .write_at(&[0; HEADER], self.end)
                .map_err(write_error)?;
            self.sync()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Goes on to next segments until a record of this length fits.
    fn make_room(&mut self, length: u64) -> Result<(), Error> {
        while self.end + length > self.active.size {
            let next = self.next_segment(START + length)?;
            // Durable as a whole before its successor gets a record: recovery relies on it.
            if self.unsynced
                && let Err(error) = self.sync()
            {
                self.ready.push_front(next);
                return Err(error);
            }
            let full = std::mem::replace(&mut self.active, next);
            self.sealed.push_back(Sealed {
                sequence: full.sequence,
                last: self.last,
                link: self.link,
                size: full.size,
            });
            self.end = START;
        }
        Ok(())
    }

    fn next_segment(&mut self, least: u64) -> Result<Segment, Error> {
        if let Some(ready) = self.ready.pop_front() {
            return Ok(ready);
        }
        let sequence = self.active.sequence + 1;
        let salt = self.rng.next_u64();
        let made = match self.blank.take_if(|blank| blank.size >= least) {
            Some(blank) => Ok(blank),
            None => Blank::create(&*self.dir, URGENT, size_of(&self.options, sequence).max(least)),
        };
        made.and_then(|blank| blank.activate(&*self.dir, self.id, sequence, salt))
            .map_err(write_error)
    }
}

fn write_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Io(Arc::new(error)),
    }
}
