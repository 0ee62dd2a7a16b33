//! Making layers and doing away with them: a directory, a blob and a row each.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use store::Durability;

use crate::compression::is_foreign;
use crate::content::Ingest;
use crate::inner::Inner;
use crate::rows::{CompressedRow, LayerRow, ManifestRow};
use crate::table::Freed;
use crate::worker::{self, Job, LayerReport, PLAIN, Stream};
use crate::{Descriptor, Digest, Error, Lease, claims};

/// What an overlay mount takes, less what containers may add (Docker's own limit).
pub const MAX_LAYERS: usize = 125;

/// A layer whose directory is filled, not yet in the table.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) number: u64,
    pub(crate) diff_id: Digest,
    pub(crate) parent: Option<Digest>,
    pub(crate) size: u64,
    /// Its bytes: what they are called, where they were written unless they are a blob already, and what
    /// keeps them there.
    pub(crate) blob: Descriptor,
    pub(crate) file: Option<PathBuf>,
    pub(crate) place: Option<Ingest>,
}

impl Inner {
    /// Unpacks the layer in `file` upon `parent`. One that is compressed as no layer of a registry is (xz, bzip2) is kept as
    /// what it is plain. Whatever goes wrong, nothing stays.
    pub(crate) fn unpack_layer(
        &self,
        parent: Option<Digest>,
        file: PathBuf,
        place: Option<Ingest>,
    ) -> Result<Made, Error> {
        let mut stream = File::open(&file).map_err(Error::io("open a layer"))?;
        let (mut file, mut place) = (file, place);
        if is_foreign(&stream).map_err(Error::io("open a layer"))? {
            let (plain, kept) = self.decoded(&stream)?;
            stream = File::open(&plain).map_err(Error::io("open a layer"))?;
            (file, place) = (plain, Some(kept));
        }
        let like = parent.and_then(|parent| self.read().layer(&parent).map(|row| row.number));
        let number = self.snapshots.number();
        let unpacked = self
            .fill(number, like, true, Stream::File(&stream))
            .and_then(|report| {
                let unsaid = || Error::Worker("the worker did not say what it has read".to_owned());
                Ok((report.blob.ok_or_else(unsaid)?, report))
            });
        let ((blob, blob_size), report) = unpacked.inspect_err(|_| self.discard_directory(number))?;
        Ok(Made {
            number,
            diff_id: report.diff_id,
            parent,
            size: report.totals.bytes,
            blob: Descriptor::new(&report.media_type, blob, blob_size),
            file: Some(file),
            place,
        })
    }

    /// What is in a compressed file, as a file.
    fn decoded(&self, compressed: &File) -> Result<(PathBuf, Ingest), Error> {
        let place = self.content.ingest().map_err(Error::io("write a layer"))?;
        let directory = File::open(place.path()).map_err(Error::io("write a layer"))?;
        let job = Job::Plain { limits: self.limits };
        let _size: u64 = worker::run(&*self.workers, &job, Stream::File(compressed), directory.as_fd())?;
        Ok((place.path().join(PLAIN), place))
    }

    /// Makes a snapshot out of a layer; `raw`: the worker hashes the bytes as they come, too.
    pub(crate) fn fill(
        &self,
        number: u64,
        like: Option<u64>,
        raw: bool,
        stream: Stream<'_>,
    ) -> Result<LayerReport, Error> {
        self.snapshots
            .make(number, like, false)
            .map_err(Error::io("make a snapshot"))?;
        let directory = self
            .snapshots
            .open_fs(number)
            .map_err(Error::io("open a snapshot"))?;
        let limits = self.limits;
        let job = Job::Layer { limits, raw };
        worker::run(&*self.workers, &job, stream, directory.as_fd())
    }

    /// Puts a layer into store, row and table, held by the lease. If somebody has made the same
    /// one meanwhile, that one is held and this one goes. The caller holds the layer's claim.
    pub(crate) fn insert_layer(&self, lease: &Lease, made: Made) -> Result<Digest, Error> {
        let chain = Digest::chain(made.parent, made.diff_id);
        if lease.hold_layer(chain) {
            self.discard_directory(made.number);
            return Ok(chain);
        }
        let number = made.number;
        let inserted = self.insert_new(lease, made);
        inserted.inspect_err(|_| self.discard_directory(number))?;
        Ok(chain)
    }

    fn insert_new(&self, lease: &Lease, made: Made) -> Result<(), Error> {
        lease.begin()?;
        lease.must_sync();
        let _blob = self.claims.take([claims::blob(&made.blob.digest)]);
        if let Some(file) = &made.file {
            let adopted = self.content.adopt(file, &made.blob.digest);
            adopted.map_err(Error::io("keep a blob"))?;
        }
        let mut row = LayerRow::new(made.number, made.diff_id, made.parent, made.size);
        row.blob = Some(made.blob);
        let chain = row.chain();
        self.rows.put(&chain, &row, Durability::Relaxed)?;
        self.write().add_layer(row);
        let _held = lease.hold_layer(chain);
        drop(made.place);
        Ok(())
    }

    /// Checks that a chain of so many layers can be mounted.
    pub(crate) const fn check_depth(layers: usize) -> Result<(), Error> {
        if layers > MAX_LAYERS {
            Err(Error::TooManyLayers)
        } else {
            Ok(())
        }
    }

    /// Deletes what left the table: rows, directories, blobs.
    pub(crate) fn discard(&self, freed: Freed) {
        let Freed {
            layers,
            manifests,
            compressed,
            blobs,
        } = freed;
        let left = |what: &str, result: Result<(), Error>| {
            if let Err(error) = result {
                // Nothing refers to it any more; the next start clears it.
                tracing::warn!(what, %error, "something is left behind");
            }
        };
        for layer in &layers {
            left("layer", self.discard_layer(layer));
        }
        for digest in &manifests {
            left("manifest", self.discard_manifest(digest));
        }
        for name in &compressed {
            let _claim = self.claims.take([claims::compress(&name.diff_id)]);
            if self.read().compressed(name).is_none() {
                left(
                    "compressed",
                    self.rows.delete::<CompressedRow>(name, Durability::Relaxed),
                );
            }
        }
        for digest in &blobs {
            left("blob", self.discard_blob(digest).map(drop));
        }
    }

    fn discard_layer(&self, layer: &LayerRow) -> Result<(), Error> {
        let chain = layer.chain();
        let claim = self.claims.take([claims::layer(&chain)]);
        // Somebody may have made the same layer again since.
        if self.read().layer(&chain).is_none() {
            self.rows.delete::<LayerRow>(&chain, Durability::Relaxed)?;
        }
        drop(claim);
        self.discard_directory(layer.number);
        layer
            .init
            .into_iter()
            .for_each(|number| self.discard_directory(number));
        Ok(())
    }

    fn discard_manifest(&self, digest: &Digest) -> Result<(), Error> {
        let _claim = self.claims.take([claims::manifest(digest)]);
        if self.read().manifest(digest).is_some() {
            return Ok(());
        }
        self.hot.forget(digest);
        self.rows.delete::<ManifestRow>(digest, Durability::Relaxed)
    }

    /// Deletes a blob unless somebody needs it again; answers whether it went.
    pub(crate) fn discard_blob(&self, digest: &Digest) -> Result<bool, Error> {
        let _claim = self.claims.take([claims::blob(digest)]);
        if self.read().has_blob(digest) {
            return Ok(false);
        }
        let removed = self.content.remove(digest);
        removed.map(|()| true).map_err(Error::io("delete a blob"))
    }

    pub(crate) fn discard_directory(&self, number: u64) {
        if let Err(error) = self.snapshots.discard(number) {
            tracing::warn!(number, %error, "a snapshot is left behind");
        }
    }
}
