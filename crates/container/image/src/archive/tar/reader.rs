//! Reading an archive from front to back.

use std::io::{self, Read};

use super::header::{self, Entry, Kind};
use super::{BLOCK, Block, padding, pax};
use crate::Limits;
use crate::archive::Fault;

/// Types of entries that describe the next one.
const PAX: u8 = b'x';
const PAX_GLOBAL: u8 = b'g';
const GNU_LONG_NAME: u8 = b'L';
const GNU_LONG_LINK: u8 = b'K';

/// The entries of an archive. Reading from it reads the content of the current entry.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    inner: R,
    limits: Limits,
    entries: u64,
    bytes: u64,
    /// Of the current entry: content that was not read yet, and what fills its last block.
    left: u64,
    padding: u64,
}

/// What is known of the next entry before its own header.
#[derive(Default)]
struct Ahead {
    records: Vec<u8>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    pub(crate) const fn new(inner: R, limits: Limits) -> Self {
        Self {
            inner,
            limits,
            entries: 0,
            bytes: 0,
            left: 0,
            padding: 0,
        }
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let mut ahead = Ahead::default();
        let mut first = true;
        loop {
            self.skip()?;
            let Some(block) = self.block()? else {
                // What announces an entry may not be the last.
                return if first { Ok(None) } else { Err(Fault::Truncated) };
            };
            first = false;
            let entry = header::decode(&block)?;
            match entry.kind {
                Kind::Other(PAX) => ahead.records = self.extension(&entry)?,
                Kind::Other(PAX_GLOBAL) => drop(self.extension(&entry)?),
                Kind::Other(GNU_LONG_NAME) => ahead.name = Some(self.long(&entry)?),
                Kind::Other(GNU_LONG_LINK) => ahead.link = Some(self.long(&entry)?),
                _ => return self.begin(entry, ahead).map(Some),
            }
        }
    }

    /// Reads to the end of the stream, so that its digest covers all of it.
    pub(crate) fn drain(&mut self) -> Result<(), Fault> {
        let limit = self.limits.bytes;
        let rest = io::copy(
            &mut (&mut self.inner).take(limit.saturating_add(1)),
            &mut io::sink(),
        )?;
        if rest > limit {
            return Err(Fault::Limit { limit, of: "bytes" });
        }
        Ok(())
    }

    fn begin(&mut self, mut entry: Entry, ahead: Ahead) -> Result<Entry, Fault> {
        entry.name = ahead.name.unwrap_or(entry.name);
        entry.link = ahead.link.unwrap_or(entry.link);
        pax::apply(&ahead.records, &mut entry)?;
        // An old archive says that it is a directory by its (whole) name.
        if entry.kind == Kind::File && entry.name.ends_with(b"/") {
            entry.kind = Kind::Directory;
        }
        self.count(&entry)?;
        // Only files have content; a size on anything else is a leftover of its writer.
        if !matches!(entry.kind, Kind::File | Kind::Other(_)) {
            entry.size = 0;
        }
        (self.left, self.padding) = (entry.size, padding(entry.size));
        Ok(entry)
    }

    fn count(&mut self, entry: &Entry) -> Result<(), Fault> {
        let Limits { entries, bytes, .. } = self.limits;
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        let limit = |count: u64, limit: u64, of| {
            if count > limit {
                Err(Fault::Limit { limit, of })
            } else {
                Ok(())
            }
        };
        limit(self.entries, entries, "entries")?;
        limit(self.bytes, bytes, "bytes")
    }

    /// The content of an entry that describes the next one.
    fn extension(&mut self, entry: &Entry) -> Result<Vec<u8>, Fault> {
        self.count(entry)?;
        let limit = self.limits.extension;
        if entry.size > limit {
            return Err(Fault::Limit {
                limit,
                of: "bytes of extended header",
            });
        }
        (self.left, self.padding) = (entry.size, padding(entry.size));
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(content)
    }

    fn long(&mut self, entry: &Entry) -> Result<Vec<u8>, Fault> {
        let mut name = self.extension(entry)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    /// Skips what is left of the current entry.
    fn skip(&mut self) -> Result<(), Fault> {
        let rest = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink())?;
        (self.left, self.padding) = (0, 0);
        if skipped < rest {
            Err(Fault::Truncated)
        } else {
            Ok(())
        }
    }

    /// The next header; `None` at two blocks of zeros, or where the stream ends instead of them,
    /// which Go's reader takes for an end as well.
    fn block(&mut self) -> Result<Option<Block>, Fault> {
        let Some(block) = self.raw_block()? else {
            return Ok(None);
        };
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Some(block));
        }
        match self.raw_block()? {
            Some(second) if second.iter().any(|byte| *byte != 0) => Err(Fault::Header),
            _ => Ok(None),
        }
    }

    fn raw_block(&mut self) -> Result<Option<Block>, Fault> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(Fault::Truncated),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(block))
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        match self.inner.read(&mut buffer[..most])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}
