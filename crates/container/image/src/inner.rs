//! What all handles to one node's images share: the table, the rows, the two directories.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use driver::Clock;
use jiff::Timestamp;
use store::Durability;

use crate::claims::{self, Claims};
use crate::content::{Content, Ingest};
use crate::lease::Names;
use crate::rows::{ImageRow, LayerRow, Rows, TagRow};
use crate::snapshots::Snapshots;
use crate::table::Table;
use crate::worker::{self, Job, LayerReport, Stream};
use crate::{Descriptor, Digest, Error, Image, ImageConfig, Lease, Limits, Reference, Rootfs, Workers};

/// What an overlay mount takes, less what containers may add (Docker's own limit).
const MAX_LAYERS: usize = 125;

pub(crate) struct Inner {
    pub(crate) rows: Rows,
    pub(crate) workers: Arc<dyn Workers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) content: Content,
    pub(crate) snapshots: Snapshots,
    pub(crate) limits: Limits,
    pub(crate) table: RwLock<Table>,
    pub(crate) claims: Claims,
    pub(crate) leases: Names,
    pub(crate) pruning: AtomicBool,
    pub(crate) serial: AtomicU64,
}

/// A layer whose directory is filled, not yet in the table.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) number: u64,
    pub(crate) diff_id: Digest,
    pub(crate) parent: Option<Digest>,
    pub(crate) size: u64,
    /// Its bytes: what they are called, where they were written, and what keeps them there.
    pub(crate) blob: Descriptor,
    pub(crate) file: PathBuf,
    pub(crate) place: Option<Ingest>,
}

impl Inner {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.wall()).unwrap_or_default()
    }

    /// A lease for one call, under a name of its own.
    pub(crate) fn own_lease(self: &Arc<Self>, purpose: &str) -> Result<Lease, Error> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        Lease::new(self.clone(), &format!("{purpose}/{serial}"))
    }

    /// Makes an image out of layers that are in the table and held by the lease. One that is
    /// there already is held instead.
    pub(crate) fn register(
        &self,
        lease: &Lease,
        config: ImageConfig,
        bytes: Bytes,
        parent: Option<Digest>,
    ) -> Result<Arc<Image>, Error> {
        let id = Digest::of(&bytes);
        let _claim = self.claims.take([claims::image(&id)]);
        if lease.add(&id).is_ok() {
            return self
                .read()
                .image(&id)
                .ok_or_else(|| Error::NoSuchImage(id.to_string()));
        }
        let text =
            String::from_utf8(bytes.to_vec()).map_err(|_| Error::Config("it is not UTF-8".to_owned()))?;
        let row = ImageRow::new(text, parent, Some(lease.begin()?));
        let image = image(&self.read(), id, config, bytes, &row)
            .ok_or_else(|| Error::Config("a layer of it is missing".to_owned()))?;
        self.rows.put(&id, &row, Durability::Relaxed)?;
        self.write().add_image(image);
        lease.made(id);
        lease.add(&id)?;
        self.read()
            .image(&id)
            .ok_or_else(|| Error::NoSuchImage(id.to_string()))
    }

    /// Makes a tag name an image under a lease; answers what it named. It counts with the lease.
    pub(crate) fn tag_under(
        &self,
        lease: &Lease,
        reference: &Reference,
        id: Digest,
    ) -> Result<Option<Digest>, Error> {
        check_tag(reference)?;
        let _claim = self.claims.take([claims::tag(reference), claims::image(&id)]);
        let previous = self.read().tagged(reference);
        if previous != Some(id) {
            let now = self.now();
            let row = TagRow::new(id, now).under(lease.begin()?, previous);
            self.rows.put(reference, &row, Durability::Relaxed)?;
            self.write().set_tag(reference, Some((id, now)));
            lease.tagged(reference, id, previous);
        }
        Ok(previous)
    }

    /// Makes an image count whatever becomes of the lease that made it.
    pub(crate) fn adopt_image(&self, id: &Digest) -> Result<(), Error> {
        let Some(image) = self.read().image(id) else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&image.config_bytes).into_owned();
        let row = ImageRow::new(text, image.parent, None);
        self.rows.put(id, &row, Durability::Relaxed).map(drop)
    }

    /// Makes all that was written durable, trees and blobs, with one call for each file system.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let sync = || {
            let (content, snapshots) = (
                File::open(self.content.root())?,
                File::open(self.snapshots.root())?,
            );
            rustix::fs::syncfs(&content)?;
            if content.metadata()?.dev() != snapshots.metadata()?.dev() {
                rustix::fs::syncfs(&snapshots)?;
            }
            Ok(())
        };
        sync().map_err(Error::io("make content durable"))
    }

    /// The directories of a chain, and a writable one on top.
    pub(crate) fn rootfs(&self, table: &Table, top: Option<Digest>, upper: Option<u64>) -> Rootfs {
        let numbers = table.numbers(top);
        let needed = if upper.is_some() { 1 } else { 2 };
        let mut lower: Vec<_> = numbers.iter().map(|number| self.snapshots.fs(*number)).collect();
        lower.extend(
            self.snapshots
                .empty()
                .into_iter()
                .take(needed.max(numbers.len()) - numbers.len()),
        );
        Rootfs {
            lower,
            upper: upper.map(|number| self.snapshots.fs(number)),
            work: upper.map(|number| self.snapshots.work(number)),
        }
    }

    /// Unpacks the layer in `file` upon `parent`. Whatever goes wrong, nothing stays.
    pub(crate) fn unpack_layer(
        &self,
        parent: Option<Digest>,
        file: PathBuf,
        place: Option<Ingest>,
    ) -> Result<Made, Error> {
        let stream = File::open(&file).map_err(Error::io("open a layer"))?;
        let like = parent.and_then(|parent| self.read().layer(&parent).map(|row| row.number));
        let number = self.snapshots.number();
        let report = self.fill(number, like, &stream);
        let LayerReport {
            blob,
            blob_size,
            media_type,
            diff_id,
            totals,
        } = report.inspect_err(|_| self.discard_directory(number))?;
        Ok(Made {
            number,
            diff_id,
            parent,
            size: totals.bytes,
            blob: Descriptor::new(&media_type, blob, blob_size),
            file,
            place,
        })
    }

    fn fill(&self, number: u64, like: Option<u64>, stream: &File) -> Result<LayerReport, Error> {
        self.snapshots
            .make(number, like, false)
            .map_err(Error::io("make a snapshot"))?;
        let directory = self
            .snapshots
            .open_fs(number)
            .map_err(Error::io("open a snapshot"))?;
        let job = Job::Layer { limits: self.limits };
        worker::run(&*self.workers, &job, Stream::File(stream), directory.as_fd())
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
        let _blob = self.claims.take([claims::blob(&made.blob.digest)]);
        self.content
            .adopt(&made.file, &made.blob.digest)
            .map_err(Error::io("keep a blob"))?;
        let mut row = LayerRow::new(made.number, made.diff_id, made.parent, made.size);
        row.blob = Some(made.blob);
        let chain = row.chain();
        self.rows.put(&chain, &row, Durability::Relaxed)?;
        self.write().add_layer(row);
        lease.hold_layer(chain);
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

    /// Deletes what layers that left the table have had: rows, directories, blobs.
    pub(crate) fn discard(&self, layers: &[LayerRow]) {
        for layer in layers {
            if let Err(error) = self.discard_layer(layer) {
                // Nothing refers to it any more; the next start clears it.
                tracing::warn!(number = layer.number, %error, "a layer is left behind");
            }
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
        let Some(blob) = &layer.blob else { return Ok(()) };
        let _claim = self.claims.take([claims::blob(&blob.digest)]);
        if !self.read().has_blob(&blob.digest) {
            self.content
                .remove(&blob.digest)
                .map_err(Error::io("delete a blob"))?;
        }
        Ok(())
    }

    pub(crate) fn discard_directory(&self, number: u64) {
        if let Err(error) = self.snapshots.discard(number) {
            tracing::warn!(number, %error, "a snapshot is left behind");
        }
    }
}

/// An image as its row says, if all its layers are there.
pub(crate) fn image(
    table: &Table,
    id: Digest,
    config: ImageConfig,
    bytes: Bytes,
    row: &ImageRow,
) -> Option<Image> {
    let layers = table.chain(&config.chain_ids())?;
    Some(Image {
        id,
        config,
        config_bytes: bytes,
        size: layers.iter().map(|layer| layer.size).sum(),
        layers,
        parent: row.parent,
        tags: Vec::new(),
        digests: Vec::new(),
        last_tagged: None,
        made_here: row.made_here,
    })
}

/// What upstream's reference store refuses.
pub(crate) fn check_tag(reference: &Reference) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::InvalidTag(why.to_owned()));
    if reference.digest.is_some() {
        return refuse("refusing to create a tag with a digest reference");
    }
    if reference.familiar_name() == "sha256" {
        return refuse("refusing to create an ambiguous tag using digest algorithm as name");
    }
    Ok(())
}
