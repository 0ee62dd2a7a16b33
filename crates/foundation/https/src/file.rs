//! A part of a file as the body of an answer.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes read, or sent, at a time.
pub(crate) const CHUNK: u64 = 512 << 10;

/// A part of a file.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The file; it is read by position.
    pub file: Arc<File>,
    /// Where the part begins.
    pub start: u64,
    /// How many bytes it has.
    pub length: u64,
}

impl FilePart {
    /// The next piece: how much, and the part without it.
    fn advance(&mut self, by: u64) {
        self.start += by;
        self.length = self.length.saturating_sub(by);
    }
}

/// A body that reads its part in large pieces: at once where the kernel has them in memory, and else on a thread that may
/// wait for the disk. A file that is shorter than promised is an error, so that no client takes it for whole.
#[derive(Debug)]
pub struct FileBody {
    part: FilePart,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// All of `part`.
    #[must_use]
    pub const fn new(part: FilePart) -> Self {
        Self { part, reading: None }
    }

    /// What is still to be read.
    #[must_use]
    pub const fn part(&self) -> &FilePart {
        &self.part
    }

    fn took(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.part.advance(bytes.len() as u64);
        Frame::data(bytes)
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.part.length == 0 {
            return Poll::Ready(None);
        }
        if this.reading.is_none() {
            match read(&this.part, ReadWriteFlags::NOWAIT) {
                Ok(bytes) => return Poll::Ready(Some(Ok(this.took(bytes)))),
                Err(error) if waits(&error) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let part = &this.part;
        let reading = this.reading.get_or_insert_with(|| {
            let part = part.clone();
            spawn_blocking(move || read(&part, ReadWriteFlags::empty()))
        });
        let read = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|ended| Err(io::Error::other(ended)));
        this.reading = None;
        Poll::Ready(Some(read.map(|bytes| this.took(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.part.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.part.length)
    }
}

/// Whether the kernel would have had to wait for the disk, or cannot tell.
pub(crate) fn waits(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    [Errno::AGAIN, Errno::OPNOTSUPP, Errno::INVAL]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&errno)
}

/// Reads the first piece of a part.
fn read(part: &FilePart, flags: ReadWriteFlags) -> io::Result<Bytes> {
    let wanted = usize::try_from(part.length.min(CHUNK)).unwrap_or_default();
    let mut buffer = vec![0; wanted];
    let read = rustix::io::retry_on_intr(|| {
        preadv2(&part.file, &mut [IoSliceMut::new(&mut buffer)], part.start, flags)
    })?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(read);
    Ok(buffer.into())
}

/// Returns when the first piece of a part is in memory, as far as one can tell: its first and its last byte are.
pub(crate) async fn in_memory(part: &FilePart) -> io::Result<()> {
    let last = part.start + part.length.min(CHUNK).saturating_sub(1);
    let there = |at: u64| {
        let mut byte = [0];
        preadv2(
            &part.file,
            &mut [IoSliceMut::new(&mut byte)],
            at,
            ReadWriteFlags::NOWAIT,
        )
        .is_ok()
    };
    if there(part.start) && there(last) {
        return Ok(());
    }
    let part = part.clone();
    let read = spawn_blocking(move || read(&part, ReadWriteFlags::empty()));
    read.await.map_err(io::Error::other)?.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::os::unix::fs::FileExt;

    fn file(length: u64) -> Arc<File> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        file.write_all_at(b"end", length - 3).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn a_part_is_read_to_its_end_and_no_further() {
        let (length, start) = (3 * CHUNK, CHUNK / 2);
        let part = FilePart {
            file: file(length),
            start,
            length: length - start,
        };
        let body = FileBody::new(part.clone());
        assert_eq!(body.size_hint().exact(), Some(length - start));
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len() as u64, length - start);
        assert!(bytes.ends_with(b"end"));
        let one = FilePart {
            start: length - 3,
            length: 1,
            ..part
        };
        assert_eq!(FileBody::new(one).collect().await.unwrap().to_bytes(), "e");
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error() {
        let part = FilePart {
            file: file(10),
            start: 4,
            length: 7,
        };
        let error = FileBody::new(part).collect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
