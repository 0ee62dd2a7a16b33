//! What all handles to one node's images share: the table, the rows, the two directories.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use driver::Clock;
use jiff::Timestamp;
use store::Durability;

use crate::assemble::{NewImage, assemble};
use crate::claims::{self, Claims};
use crate::content::Content;
use crate::hot::Hot;
use crate::images::settle::Unsettled;
use crate::lease::Names;
use crate::manifest::{annotations, descriptors};
use crate::rows::{ImageRow, ManifestRow, Rows, TagRow, UsedRow};
use crate::snapshots::Snapshots;
use crate::soon::Soon;
use crate::standing::By;
use crate::table::{Given, Kept, Table};
use crate::{
    Descriptor, Digest, Error, Image, Lease, Limits, ManifestSummary, Reference, Rootfs, Target, Workers,
};

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
    pub(crate) hot: Hot,
    pub(crate) unsettled: Unsettled,
    pub(crate) soon: Soon,
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

    /// Notes a use of an image; it is written down if what is written is old, and nobody waits for that.
    pub(crate) fn touch(&self, id: &Digest) {
        let now = self.now();
        let stale = self.read().touch_image(id, now.as_microsecond());
        if stale && let Err(error) = self.rows.begin_put(id, &UsedRow::new(now), Durability::Relaxed) {
            tracing::debug!(%id, %error, "a use is not written down");
        }
    }

    /// Deletes the rows of an image that is out of the table.
    pub(crate) fn delete_image_rows(&self, id: &Digest, durability: Durability) -> Result<(), Error> {
        self.rows.delete::<ImageRow>(id, durability)?;
        self.rows.delete::<UsedRow>(id, Durability::Relaxed)
    }

    /// A lease for one call, under a name of its own.
    pub(crate) fn own_lease(self: &Arc<Self>, purpose: &str) -> Result<Lease, Error> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        Lease::new(self.clone(), &format!("{purpose}/{serial}"))
    }

    /// Makes an image out of layers that are in the table and held by the lease (unless it sleeps). One
    /// that is there already is held instead, and learns from this one what it does not know.
    pub(crate) fn register(&self, lease: &Lease, new: NewImage) -> Result<Arc<Image>, Error> {
        let id = Digest::of(&new.bytes);
        let missing = || Error::NoSuchImage(id.to_string());
        let _claim = self.claims.take([claims::image(&id)]);
        if lease.add(&id).is_ok() {
            // Whoever is making it may still fail; this caller relies on it all the same.
            if self.write().settle(&id) {
                lease.begin()?;
                lease.must_sync();
                self.adopt_image(&id)?;
            }
            if new.step.is_none() {
                self.write().be_shown(&id);
            } else if self.write().set_known(&id, true) {
                self.write_image(&id, Durability::Relaxed)?;
            }
            let image = self.read().image(&id).ok_or_else(missing)?;
            let news = image.manifest.is_none() && new.manifest.is_some();
            if news || (image.asleep && !new.asleep) {
                lease.learned(id, new.manifest, !new.asleep)?;
            }
            return Ok(image);
        }
        let image = assemble(&self.read(), id, new)
            .ok_or_else(|| Error::Config("a layer of it is missing".to_owned()))?;
        std::str::from_utf8(&image.config_bytes).map_err(|_| Error::Config("it is not UTF-8".to_owned()))?;
        let row = ImageRow::of(&image, Some(lease.begin()?));
        self.rows.put(&id, &row, Durability::Relaxed)?;
        {
            let mut table = self.write();
            table.add_image(image);
            table.set_used(id, 0);
            table.set_pending(id);
        }
        lease.made(id);
        lease.add(&id)?;
        self.read().image(&id).ok_or_else(missing)
    }

    /// Makes a name stand for something under a lease; answers what it stood for. It counts with the
    /// lease.
    pub(crate) fn tag_under(
        &self,
        lease: &Lease,
        reference: &Reference,
        target: Target,
        by: By,
    ) -> Result<Option<Target>, Error> {
        check_name(reference)?;
        let image = target.image.map(|id| claims::image(&id));
        let _claim = self
            .claims
            .take([claims::tag(reference)].into_iter().chain(image));
        let (previous, standing) = {
            let table = self.read();
            (table.tag(reference), table.standing(reference, by, target))
        };
        let time = self.now();
        let row = TagRow::new(target, standing, time).under(lease.begin()?, previous);
        self.rows.put(reference, &row, Durability::Relaxed)?;
        let given = Given {
            target,
            standing,
            time,
        };
        let (set, freed) = {
            let mut table = self.write();
            // Until the lease is kept, the name may have to go back to it.
            table.hold_manifest(previous.and_then(|tag| tag.target.manifest));
            let (_, freed) = table.set_tag(reference, Some(given));
            (table.tag(reference), freed)
        };
        lease.tagged(reference, set, previous);
        self.discard(freed);
        let previous = previous.map(|tag| tag.target);
        self.note_nameless(previous)?;
        Ok(previous)
    }

    /// Stores a manifest that was read, held by the lease.
    pub(crate) fn keep_manifest(
        &self,
        lease: &Lease,
        summary: ManifestSummary,
        bytes: &Bytes,
    ) -> Result<Arc<ManifestSummary>, Error> {
        summary.check_words()?;
        let digest = summary.digest;
        let _claim = self.claims.take([claims::manifest(&digest)]);
        if let Some(there) = lease.hold_manifest(digest)
            && there.media_type == summary.media_type
        {
            return Ok(there);
        }
        let file = bytes.len() > MAX_INLINE;
        if file {
            self.keep_bytes(lease, digest, bytes)?;
        }
        let text = (!file).then(|| String::from_utf8_lossy(bytes).into_owned());
        let row = ManifestRow::new(&summary.media_type, text);
        self.rows.put(&digest, &row, Durability::Relaxed)?;
        let summary = Arc::new(summary);
        self.write().add_manifest(Kept {
            summary: summary.clone(),
            file,
        });
        drop(lease.hold_manifest(digest));
        self.hot.put(digest, bytes.clone());
        Ok(summary)
    }

    /// The bytes of a manifest that is in the table.
    pub(crate) fn manifest_bytes(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        if let Some(bytes) = self.hot.get(digest) {
            return Ok(Some(bytes));
        }
        let bytes = self.cold_manifest(digest)?;
        if let Some(bytes) = &bytes {
            self.hot.put(*digest, bytes.clone());
        }
        Ok(bytes)
    }

    fn cold_manifest(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        let Some(row) = self.rows.get::<ManifestRow>(digest)? else {
            return Ok(None);
        };
        Ok(Some(match row.bytes {
            Some(text) => Bytes::from(text),
            None => self.content.read(digest).map_err(Error::io("read a manifest"))?,
        }))
    }

    /// The notes of a manifest. Whoever lists them does not ask for the manifests next, so they are not kept at hand.
    pub(crate) fn annotations(&self, digest: &Digest) -> Result<BTreeMap<String, String>, Error> {
        let bytes = match self.hot.get(digest) {
            Some(bytes) => Some(bytes),
            None => self.cold_manifest(digest)?,
        };
        Ok(bytes.map_or_else(BTreeMap::new, |bytes| annotations(&bytes)))
    }

    /// What an index lists, with the notes; as [`Self::annotations`], not kept at hand.
    pub(crate) fn descriptors(&self, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
        let bytes = match self.hot.get(digest) {
            Some(bytes) => Some(bytes),
            None => self.cold_manifest(digest)?,
        };
        Ok(bytes.map_or_else(Vec::new, |bytes| descriptors(&bytes)))
    }

    /// Makes an image count whatever becomes of the lease that made it.
    pub(crate) fn adopt_image(&self, id: &Digest) -> Result<(), Error> {
        let Some(image) = self.read().image(id) else {
            return Ok(());
        };
        let row = ImageRow::of(&image, None);
        self.rows.put(id, &row, Durability::Relaxed).map(drop)
    }

    /// Makes all that was written durable, trees and blobs, with one call for each file system.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        sync(&self.content, &self.snapshots)
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

/// As [`Inner::sync`].
pub(crate) fn sync(content: &Content, snapshots: &Snapshots) -> Result<(), Error> {
    let sync = || {
        let (content, snapshots) = (File::open(content.root())?, File::open(snapshots.root())?);
        rustix::fs::syncfs(&content)?;
        if content.metadata()?.dev() != snapshots.metadata()?.dev() {
            rustix::fs::syncfs(&snapshots)?;
        }
        Ok(())
    };
    sync().map_err(Error::io("make content durable"))
}

/// The longest manifest that is kept in its row, in bytes: few honest ones are longer, and rows are kept in memory.
const MAX_INLINE: usize = 16 << 10;

/// A tag, or a name with a digest and nothing else.
pub(crate) fn check_name(reference: &Reference) -> Result<(), Error> {
    match (&reference.tag, reference.digest) {
        (None, Some(_)) => Ok(()),
        (None, None) => Err(Error::InvalidTag("a name needs a tag or a digest".to_owned())),
        _ => check_tag(reference),
    }
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
