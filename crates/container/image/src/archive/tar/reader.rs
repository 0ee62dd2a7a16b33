//! Reading an archive from front to back.

use std::io::{self, BufRead, Read};

use super::header::{self, Entry, Kind};
use super::sparse::{self, Form, Holes, Next, Said};
use super::{BLOCK, Block, padding, pax};
use crate::Limits;
use crate::archive::Fault;

/// Types of entries that describe the next one.
const PAX: u8 = b'x';
const PAX_GLOBAL: u8 = b'g';
const GNU_LONG_NAME: u8 = b'L';
const GNU_LONG_LINK: u8 = b'K';
/// A file with holes, in GNU's own form.
const GNU_SPARSE: u8 = b'S';

/// The entries of an archive. Reading from it reads the content of the current entry, out of the buffer
/// of the stream below.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    inner: R,
    limits: Limits,
    entries: u64,
    bytes: u64,
    /// Of the current entry: content that was not read yet, and what fills its last block.
    left: u64,
    padding: u64,
    /// Which parts of it that content is, where it has holes.
    holes: Option<Holes>,
}

/// What is known of the next entry before its own header.
#[derive(Default)]
struct Ahead {
    records: Vec<u8>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: BufRead> Reader<R> {
    pub(crate) const fn new(inner: R, limits: Limits) -> Self {
        Self {
            inner,
            limits,
            entries: 0,
            bytes: 0,
            left: 0,
            padding: 0,
            holes: None,
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
                _ => return self.begin(entry, ahead, &block).map(Some),
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

    /// Passes over the hole of the current entry that comes next, if one does. Says how long it was.
    pub(crate) fn hole(&mut self) -> u64 {
        self.holes.as_mut().map_or(0, Holes::pass)
    }

    fn begin(&mut self, mut entry: Entry, ahead: Ahead, block: &Block) -> Result<Entry, Fault> {
        entry.name = ahead.name.unwrap_or(entry.name);
        entry.link = ahead.link.unwrap_or(entry.link);
        let said = pax::apply(&ahead.records, &mut entry)?;
        // An old archive says that it is a directory by its (whole) name.
        if entry.kind == Kind::File && entry.name.ends_with(b"/") {
            entry.kind = Kind::Directory;
        }
        // Only files have content; a size on anything else is a leftover of its writer.
        let content = matches!(entry.kind, Kind::File | Kind::Other(_));
        let stored = if content { entry.size } else { 0 };
        match entry.kind {
            Kind::Other(GNU_SPARSE) => self.begin_sparse(&mut entry, stored, block)?,
            _ => (self.left, self.padding) = (stored, padding(stored)),
        }
        if entry.kind == Kind::File && self.holes.is_none() {
            self.begin_said(&mut entry, said)?;
        }
        self.count(&entry)?;
        if !content {
            entry.size = 0;
        }
        Ok(entry)
    }

    /// A file whose parts its header lists, and blocks behind that.
    fn begin_sparse(&mut self, entry: &mut Entry, stored: u64, block: &Block) -> Result<(), Fault> {
        let (mut numbers, size, mut more) = sparse::header(block)?;
        while more {
            let block = self.raw_block()?.ok_or(Fault::Truncated)?;
            let (further, again) = sparse::extension(&block)?;
            numbers.extend(further);
            self.bound(numbers.len() as u64 * 12)?;
            more = again;
        }
        (entry.kind, entry.size) = (Kind::File, size);
        self.holes = Some(Holes::new(&numbers, size, stored)?);
        (self.left, self.padding) = (stored, padding(stored));
        Ok(())
    }

    /// A file whose parts PAX records list, or its content.
    fn begin_said(&mut self, entry: &mut Entry, mut said: Said) -> Result<(), Fault> {
        let numbers = match said.form() {
            None => return Ok(()),
            Some(Form::Records(numbers)) => numbers,
            Some(Form::Content) => self.list()?,
        };
        entry.name = said.name.unwrap_or_else(|| std::mem::take(&mut entry.name));
        entry.size = said.size.unwrap_or(entry.size);
        if entry.name.contains(&0) {
            return Err(Fault::Header);
        }
        self.holes = Some(Holes::new(&numbers, entry.size, self.left)?);
        Ok(())
    }

    /// The list before the content; it takes whole blocks.
    fn list(&mut self) -> Result<Vec<u64>, Fault> {
        let (mut list, mut lines) = (Vec::new(), 0);
        loop {
            let mut block = [0; BLOCK];
            self.read_exact(&mut block).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Fault::Truncated,
                _ => error.into(),
            })?;
            list.extend(block);
            self.bound(list.len() as u64)?;
            lines += block.iter().filter(|byte| **byte == b'\n').count();
            let count = sparse::counted(&list)?;
            if lines > count {
                return sparse::listed(&list, count);
            }
        }
    }

    /// Bounds what describes an entry.
    fn bound(&self, bytes: u64) -> Result<(), Fault> {
        let limit = self.limits.extension;
        if bytes > limit {
            return Err(Fault::Limit {
                limit,
                of: "bytes of extended header",
            });
        }
        Ok(())
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
        self.bound(entry.size)?;
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
        self.holes = None;
        let mut rest = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        while rest > 0 {
            match bounded(&mut self.inner, rest)?.len() {
                0 => return Err(Fault::Truncated),
                count => {
                    self.inner.consume(count);
                    rest -= count as u64;
                }
            }
        }
        Ok(())
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

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Reader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = match self.holes.as_ref().map(Holes::next) {
            None => self.left,
            Some(Next::Data(left)) => left,
            Some(Next::Hole(zeros)) => return Ok(zeros),
            Some(Next::End) => 0,
        };
        if left == 0 {
            return Ok(&[]);
        }
        match bounded(&mut self.inner, left)? {
            [] => Err(io::ErrorKind::UnexpectedEof.into()),
            some => Ok(some),
        }
    }

    fn consume(&mut self, count: usize) {
        if let Some(holes) = &mut self.holes {
            let zeros = matches!(holes.next(), Next::Hole(_));
            holes.read(count as u64);
            if zeros {
                return;
            }
        }
        self.inner.consume(count);
        self.left = self.left.saturating_sub(count as u64);
    }
}

/// What is in the buffer, at most so much; empty at the end of the stream.
fn bounded(inner: &mut impl BufRead, most: u64) -> io::Result<&[u8]> {
    let buffer = inner.fill_buf()?;
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
    Ok(&buffer[..most])
}
