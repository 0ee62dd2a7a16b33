//! Taking in what comes from a registry: layers in one streaming pass to their final place, and other
//! blobs.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use super::Images;
use crate::content::{BlobWriter, Ingest, Written, hash};
use crate::inner::Inner;
use crate::layers::Made;
use crate::worker::{LayerReport, Stream};
use crate::{Descriptor, Digest, DigestAlgorithm, Error, Hasher, Lease, claims};

/// A layer that was received and unpacked, and is not part of any image yet. Dropped, it leaves nothing.
pub struct Received {
    inner: Arc<Inner>,
    /// `None` once it is attached.
    made: Option<Made>,
    /// Whether it says what its root looks like.
    root: bool,
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received")
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            self.inner.discard_directory(made.number);
        }
    }
}

/// What had come of a blob when its sender failed, kept for who asks for it again; read, it is those bytes. Whoever has it
/// has it alone, and nothing of it stays.
#[derive(Debug)]
pub struct Beginning {
    file: File,
    /// How many bytes there are.
    size: u64,
    _place: Ingest,
}

impl Beginning {
    /// The hash of it, for who goes on from there.
    ///
    /// # Errors
    /// The disk's.
    pub fn hasher(&mut self, algorithm: DigestAlgorithm) -> Result<Hasher, Error> {
        let mut hasher = Hasher::new(algorithm);
        let read = hash(&mut self.file, &mut hasher).and_then(|()| self.file.rewind());
        read.map_err(Error::io("read a blob"))?;
        Ok(hasher)
    }
}

impl Read for Beginning {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Images {
    /// What had come of a layer when an earlier [`Self::receive_layer`] failed because its source did, if it is kept: the
    /// last few are, until the process ends or somebody prunes.
    ///
    /// # Errors
    /// The disk's.
    pub fn beginning(&self, descriptor: &Descriptor) -> Result<Option<Beginning>, Error> {
        let taken = self.inner.content.take_beginning(&descriptor.digest);
        let Some((place, file)) = taken.map_err(Error::io("read a blob"))? else {
            return Ok(None);
        };
        let size = file.metadata().map_err(Error::io("read a blob"))?.len();
        let beginning = Beginning {
            file,
            size,
            _place: place,
        };
        // Another descriptor of the same digest may have told lies about the length.
        Ok(Some(beginning).filter(|beginning| beginning.size < descriptor.size))
    }

    /// Drops what is kept so.
    ///
    /// # Errors
    /// The disk's.
    pub fn drop_beginnings(&self) -> Result<(), Error> {
        self.inner
            .content
            .drop_beginnings()
            .map_err(Error::io("clear the content store"))
    }

    /// Receives a layer: what `source` gives is hashed, kept as a blob and unpacked by a confined worker,
    /// all in one pass. At the end it must be what the descriptor and the configuration say. The layer
    /// below need not be there yet, so several threads may receive the layers of one image at once.
    /// `progress` hears how many bytes have come, in all.
    ///
    /// # Errors
    /// [`Error::Source`] if `source` fails, [`Error::WrongSize`], [`Error::WrongDigest`],
    /// [`Error::WrongDiffId`], [`Error::Archive`]; then nothing of it stays, but what had come before `source` failed
    /// ([`Self::beginning`]).
    pub fn receive_layer(
        &self,
        descriptor: &Descriptor,
        diff_id: Digest,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Received, Error> {
        let inner = &self.inner;
        let mut tee = Tee::new(inner, descriptor, source, progress)?;
        let number = inner.snapshots.number();
        let mut received = self.unattached(number, descriptor, diff_id);
        let report = inner.fill(number, None, false, Stream::Reader(&mut tee));
        let written = match tee.judge(report.as_ref().err()) {
            Ok(written) => written,
            Err(refused) => {
                let (error, writer) = *refused;
                if matches!(error, Error::Source(_)) {
                    inner.keep_beginning(&descriptor.digest, &writer);
                }
                return Err(error);
            }
        };
        received.check(report?)?;
        if let Some(made) = &mut received.made {
            (made.file, made.place) = (Some(written.path), Some(written.place));
        }
        Ok(received)
    }

    /// Unpacks a layer whose blob is here already (see [`Lease::hold_blob`]).
    ///
    /// # Errors
    /// As [`Self::receive_layer`].
    pub fn receive_layer_here(
        &self,
        lease: &Lease,
        descriptor: &Descriptor,
        diff_id: Digest,
    ) -> Result<Received, Error> {
        let inner = &self.inner;
        let missing = || Error::io("open a blob")(io::ErrorKind::NotFound.into());
        if !lease.hold_blob(&descriptor.digest) {
            return Err(missing());
        }
        let blob = inner.content.open_blob(&descriptor.digest);
        let blob = blob.map_err(Error::io("open a blob"))?;
        let number = inner.snapshots.number();
        let mut received = self.unattached(number, descriptor, diff_id);
        received.check(inner.fill(number, None, false, Stream::File(&blob))?)?;
        Ok(received)
    }

    fn unattached(&self, number: u64, descriptor: &Descriptor, diff_id: Digest) -> Received {
        Received {
            inner: self.inner.clone(),
            made: Some(Made {
                number,
                diff_id,
                parent: None,
                size: 0,
                blob: descriptor.clone(),
                file: None,
                place: None,
            }),
            root: false,
        }
    }

    /// Puts a received layer upon the layers below, under the lease; answers its chain id. If somebody
    /// has made the same one meanwhile, that one is held instead. Layers are attached bottom first.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn attach_layer(
        &self,
        lease: &Lease,
        parent: Option<Digest>,
        mut received: Received,
    ) -> Result<Digest, Error> {
        let inner = &self.inner;
        let Some(diff_id) = received.made.as_ref().map(|made| made.diff_id) else {
            return Err(Error::Worker("a layer is attached once".to_owned()));
        };
        let _claim = inner
            .claims
            .take([claims::layer(&Digest::chain(parent, diff_id))]);
        if let Some(made) = &mut received.made {
            let below = parent.map(|parent| inner.below(&parent)).transpose()?;
            made.parent = parent;
            if let Some(below) = below.filter(|_| !received.root) {
                let dressed = inner.snapshots.dress(made.number, below);
                dressed.map_err(Error::io("dress a snapshot"))?;
            }
        }
        let made = received.made.take();
        made.map_or(Ok(diff_id), |made| inner.insert_layer(lease, made))
    }

    /// Receives any other blob (of an artifact, or a configuration that is to be kept as a blob), held by
    /// the lease; what then names it keeps it.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::WrongSize`], [`Error::WrongDigest`].
    pub fn receive_blob(
        &self,
        lease: &Lease,
        descriptor: &Descriptor,
        source: &mut dyn Read,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        if lease.hold_blob(&descriptor.digest) {
            return Ok(());
        }
        let mut progress = |_| {};
        let mut tee = Tee::new(inner, descriptor, source, &mut progress)?;
        // What goes wrong is known to the judge below.
        drop(io::copy(&mut tee, &mut io::sink()));
        let written = tee.judge(None).map_err(|refused| refused.0)?;
        inner.keep_blob(lease, &written)
    }
}

impl Received {
    /// What the worker has found must be what was expected.
    fn check(&mut self, report: LayerReport) -> Result<(), Error> {
        let Some(made) = &mut self.made else { return Ok(()) };
        if report.diff_id != made.diff_id {
            return Err(Error::WrongDiffId {
                blob: made.blob.digest,
                expected: made.diff_id,
                actual: report.diff_id,
            });
        }
        (made.size, self.root) = (report.totals.bytes, report.root);
        Ok(())
    }
}

impl Inner {
    /// What does not get kept is fetched once more; that is all.
    fn keep_beginning(&self, digest: &Digest, writer: &BlobWriter) {
        if let Err(error) = self.content.keep_beginning(digest, writer) {
            tracing::debug!(%error, "the beginning of a blob is not kept");
        }
    }

    /// The directory of the layer upon which another one is put.
    fn below(&self, parent: &Digest) -> Result<u64, Error> {
        let table = self.read();
        let row = table.layer(parent);
        row.map(|row| row.number)
            .ok_or_else(|| Error::Config(format!("the layer below, {parent}, is missing")))
    }

    /// Makes what was written a blob that the lease holds.
    pub(crate) fn keep_blob(&self, lease: &Lease, written: &Written) -> Result<(), Error> {
        lease.begin()?;
        lease.must_sync();
        let _claim = self.claims.take([claims::blob(&written.digest)]);
        let adopted = self.content.adopt(&written.path, &written.digest);
        adopted.map_err(Error::io("keep a blob"))?;
        lease.note_blob(written.digest);
        Ok(())
    }

    /// Makes bytes in memory a blob that the lease holds.
    pub(crate) fn keep_bytes(&self, lease: &Lease, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        if lease.hold_blob(&digest) {
            return Ok(());
        }
        let write = || {
            let mut writer = self.content.writer(digest.algorithm())?;
            writer.write_all(bytes)?;
            Ok(writer.finish())
        };
        let written = write().map_err(Error::io("write a blob"))?;
        self.keep_blob(lease, &written)
    }
}

/// How much is read on of a layer that the worker has refused, to find out whether it is at all the one
/// that was asked for: then its sender is to blame, and another one may do better.
const READ_ON: u64 = 64 << 20;

/// What comes is written to a blob and hashed on its way to whoever reads here.
struct Tee<'a> {
    source: &'a mut dyn Read,
    progress: &'a mut dyn FnMut(u64),
    writer: BlobWriter,
    descriptor: &'a Descriptor,
    ended: bool,
    failed: Option<Error>,
}

impl<'a> Tee<'a> {
    fn new(
        inner: &'a Inner,
        descriptor: &'a Descriptor,
        source: &'a mut dyn Read,
        progress: &'a mut dyn FnMut(u64),
    ) -> Result<Self, Error> {
        let writer = inner.content.writer(descriptor.digest.algorithm());
        Ok(Self {
            source,
            progress,
            writer: writer.map_err(Error::io("write a blob"))?,
            descriptor,
            ended: false,
            failed: None,
        })
    }

    /// What has come must be what was asked for; if not, what was written comes with the error. `refused`: why the worker has
    /// not read all of it.
    fn judge(mut self, refused: Option<&Error>) -> Result<Written, Box<(Error, BlobWriter)>> {
        if matches!(refused, Some(Error::Archive(_))) {
            drop(io::copy(&mut (&mut self).take(READ_ON), &mut io::sink()));
        }
        let (expected, actual) = (self.descriptor.size, self.writer.size());
        let wrong_size = actual > expected || (self.ended && actual < expected);
        let wrong_size = wrong_size.then_some(Error::WrongSize { expected, actual });
        if let Some(error) = self.failed.or(wrong_size) {
            return Err(Box::new((error, self.writer)));
        }
        let (expected, actual) = (self.descriptor.digest, self.writer.digest());
        if self.ended && actual != expected {
            let error = Error::WrongDigest { expected, actual };
            return Err(Box::new((error, self.writer)));
        }
        Ok(self.writer.finish())
    }

    fn pass(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        // One byte more than there should be is enough to know that there are too many.
        let left = self
            .descriptor
            .size
            .saturating_add(1)
            .saturating_sub(self.writer.size());
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = loop {
            match self.source.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(Error::Source)?,
            }
        };
        self.ended = count == 0;
        let written = self.writer.write_all(&buffer[..count]);
        written.map_err(Error::io("write a blob"))?;
        (self.progress)(self.writer.size());
        Ok(count)
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() || self.ended {
            return Ok(0);
        }
        self.pass(buffer).map_err(|error| {
            self.failed = Some(error);
            io::Error::other("the content did not come")
        })
    }
}
