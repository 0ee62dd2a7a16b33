//! What all handles to one node's images share: the table, the rows, the two directories.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use driver::Clock;
use jiff::Timestamp;
use store::Durability;

use crate::claims::{self, Claims};
use crate::content::Content;
use crate::lease::Names;
use crate::rows::{ImageRow, Rows, TagRow};
use crate::snapshots::Snapshots;
use crate::table::Table;
use crate::{Digest, Error, Image, ImageConfig, Lease, Limits, Reference, Rootfs, Workers};

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
            // Whoever is making it may still fail; this caller relies on it all the same.
            if self.write().settle(&id) {
                lease.begin()?;
                self.adopt_image(&id)?;
            }
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
        {
            let mut table = self.write();
            table.add_image(image);
            table.set_pending(id);
        }
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
        let now = self.now();
        let row = TagRow::new(id, now).under(lease.begin()?, previous);
        self.rows.put(reference, &row, Durability::Relaxed)?;
        let set = {
            let mut table = self.write();
            table.set_tag(reference, Some((id, now)));
            table.tag(reference)
        };
        lease.tagged(reference, set, previous);
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

    /// The directories of a chain, with a writable one and the init layer on top if there is one.
    pub(crate) fn rootfs(&self, table: &Table, top: Option<Digest>, upper: Option<u64>) -> Rootfs {
        let layers = table.numbers(top);
        let init = match top {
            Some(top) => table
                .layer(&top)
                .and_then(|row| row.init)
                .map(|number| self.snapshots.fs(number)),
            None => Some(self.snapshots.init()),
        };
        let init = init.filter(|_| upper.is_some());
        let layers = layers.iter().map(|number| self.snapshots.fs(*number));
        let mut lower: Vec<_> = init.into_iter().chain(layers).collect();
        let needed = if upper.is_some() { 1_usize } else { 2 };
        let missing = needed.saturating_sub(lower.len());
        lower.extend(self.snapshots.empty().into_iter().take(missing));
        Rootfs {
            lower,
            upper: upper.map(|number| self.snapshots.fs(number)),
            work: upper.map(|number| self.snapshots.work(number)),
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
        asleep: false,
        manifest: None,
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
