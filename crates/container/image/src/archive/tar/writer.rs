//! Writing an archive: the same entries always give the same bytes.

use std::io::{self, Read, Write};

use super::header::{self, Entry, Kind};
use super::{BLOCK, padding, pax};

/// An archive under construction.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    inner: W,
}

impl<W: Write> Writer<W> {
    pub(crate) const fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes an entry without content.
    pub(crate) fn header(&mut self, entry: &Entry) -> io::Result<()> {
        let (block, misfits) = header::encode(entry);
        let records = pax::records(entry, misfits);
        if !records.is_empty() {
            self.extension(&records)?;
        }
        self.inner.write_all(&block)
    }

    /// Writes a file of `entry.size` bytes. A source that has become shorter is filled up with
    /// zeros, one that has become longer is cut: the header has gone out by then.
    pub(crate) fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        self.header(entry)?;
        let copied = io::copy(&mut content.take(entry.size), &mut self.inner)?;
        self.zeros(entry.size - copied + padding(entry.size))
    }

    /// What is below, for whoever writes a file's content there after its header; then [`Self::pad`].
    pub(crate) const fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Fills up the last block of a file of so many bytes.
    pub(crate) fn pad(&mut self, size: u64) -> io::Result<()> {
        self.zeros(padding(size))
    }

    /// Writes the end of the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.zeros(2 * BLOCK as u64)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn extension(&mut self, records: &[u8]) -> io::Result<()> {
        let mut entry = Entry::new("PaxHeaders", Kind::Other(b'x'));
        entry.mode = 0o644;
        entry.size = records.len() as u64;
        self.inner.write_all(&header::encode(&entry).0)?;
        self.inner.write_all(records)?;
        self.zeros(padding(entry.size))
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(count), &mut self.inner).map(drop)
    }
}
