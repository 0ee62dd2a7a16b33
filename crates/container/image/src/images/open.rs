//! Opening: rows into the table, and away with what an unclean end has left.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use driver::Clock;
use store::{Durability, Store};

use super::settle::Unsettled;
use super::{Config, Images};
use crate::assemble::{NewImage, assemble};
use crate::claims::Claims;
use crate::content::Content;
use crate::hot::Hot;
use crate::inner::{Inner, sync};
use crate::lease::Names;
use crate::rows::{
    CompressedName, CompressedRow, ImageRow, LayerRow, LeaseId, LeaseRow, LinkName, LinkRow, ManifestRow,
    OwnerRow, Rows, TagRow, UsedRow,
};
use crate::snapshots::{self, Snapshots};
use crate::soon::Soon;
use crate::standing::Standing;
use crate::table::{Freed, Given, Kept, Table, Writable};
use crate::{Digest, Error, ImageConfig, ManifestSummary, Reference, Target, Workers};

impl Images {
    /// Opens the images of a node and clears away what an unclean end has left: snapshots and
    /// blobs that no row names, and everything that was made under a lease that was not kept.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn open(
        config: Config,
        store: Arc<dyn Store>,
        workers: Arc<dyn Workers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let rows = Rows(store);
        let content = Content::open(config.content).map_err(Error::io("open the content store"))?;
        let Leases { cut_off, kept } = Leases::read(&rows)?;
        let mut loading = Loading {
            exists: &|number| snapshots::exists(&config.snapshots, number),
            content: &content,
            blobs: content.all().map_err(Error::io("read the content store"))?,
            cut_off,
            rows: &rows,
            table: Table::default(),
            unsettled: Unsettled::default(),
        };
        loading.layers()?;
        loading.manifests()?;
        loading.images()?;
        loading.links()?;
        loading.tags()?;
        loading.owners()?;
        loading.compressed()?;
        let unused = loading.unused()?;
        loading.used(clock.as_ref())?;
        let (table, unsettled) = (loading.table, loading.unsettled);
        let numbers: HashSet<u64> = directories(&table).collect();
        let snapshots = Snapshots::open(config.snapshots, |number| numbers.contains(&number));
        let snapshots = snapshots.map_err(Error::io("open the snapshots"))?;
        content
            .sweep(|digest| table.has_blob(digest))
            .map_err(Error::io("clear the content store"))?;
        forget(&rows, &unused)?;
        if kept {
            sync(&content, &snapshots)?;
        }
        end_leases(&rows)?;
        let inner = Inner {
            rows,
            workers,
            clock,
            content,
            snapshots,
            limits: config.limits,
            table: RwLock::new(table),
            claims: Claims::default(),
            leases: Names::default(),
            pruning: AtomicBool::new(false),
            serial: AtomicU64::new(0),
            hot: Hot::default(),
            unsettled,
            soon: Soon::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// Leases that were there when the last run ended.
struct Leases {
    /// Those that were not kept, or were during another boot of the machine, whose disk may never have got all of it.
    cut_off: HashSet<LeaseId>,
    /// Whether there are others: what was made under them is all there, and not durable yet.
    kept: bool,
}

impl Leases {
    fn read(rows: &Rows) -> Result<Self, Error> {
        let boot = sys::clock::boot_id().ok();
        let all = rows.all::<LeaseRow>()?.into_iter();
        let (kept, cut_off): (Vec<_>, Vec<_>) =
            all.partition(|(_, _, row)| row.kept.is_some() && row.kept == boot);
        Ok(Self {
            cut_off: cut_off.into_iter().map(|(_, id, _)| id).collect(),
            kept: !kept.is_empty(),
        })
    }
}

/// Nothing is under any lease any more.
fn end_leases(rows: &Rows) -> Result<(), Error> {
    for (name, _, _) in rows.all::<LeaseRow>()? {
        rows.delete::<LeaseRow>(&name, Durability::Relaxed)?;
    }
    Ok(())
}

/// The rows of what a crash has left. Its directories and blobs are named by nothing any more.
fn forget(rows: &Rows, unused: &Freed) -> Result<(), Error> {
    for layer in &unused.layers {
        rows.delete::<LayerRow>(&layer.chain(), Durability::Relaxed)?;
    }
    for digest in &unused.manifests {
        rows.delete::<ManifestRow>(digest, Durability::Relaxed)?;
    }
    for name in &unused.compressed {
        rows.delete::<CompressedRow>(name, Durability::Relaxed)?;
    }
    Ok(())
}

fn directories(table: &Table) -> impl Iterator<Item = u64> {
    let layers = table.layers().flat_map(|row| [Some(row.number), row.init]);
    layers
        .flatten()
        .chain(table.owners().map(|(_, writable)| writable.number))
}

/// The table being filled. A row that cannot be true is taken away.
struct Loading<'a> {
    rows: &'a Rows,
    exists: &'a dyn Fn(u64) -> bool,
    content: &'a Content,
    /// Blobs that are here.
    blobs: HashSet<Digest>,
    cut_off: HashSet<LeaseId>,
    table: Table,
    unsettled: Unsettled,
}

impl Loading<'_> {
    /// A layer is added after the one below it, which it counts as a use of.
    fn layers(&mut self) -> Result<(), Error> {
        let mut waiting: Vec<LayerRow> = self
            .rows
            .all::<LayerRow>()?
            .into_iter()
            .map(|(_, _, row)| row)
            .collect();
        loop {
            let table = &self.table;
            let placed = |row: &LayerRow| row.parent.is_none_or(|parent| table.layer(&parent).is_some());
            let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(placed);
            waiting = rest;
            if ready.is_empty() {
                break;
            }
            for row in ready {
                self.layer(row)?;
            }
        }
        // Their layer below is gone, so nothing can be mounted upon them.
        for row in waiting {
            self.rows.delete::<LayerRow>(&row.chain(), Durability::Relaxed)?;
        }
        Ok(())
    }

    fn layer(&mut self, mut row: LayerRow) -> Result<(), Error> {
        // An init layer that was being made is made again.
        row.init = row.init.filter(|number| (self.exists)(*number));
        if (self.exists)(row.number) {
            self.table.add_layer(row);
            return Ok(());
        }
        tracing::error!(number = row.number, layer = %row.diff_id, "the directory of a layer is missing");
        self.rows.delete::<LayerRow>(&row.chain(), Durability::Relaxed)
    }

    /// What a manifest says is read from its row; only one that is too long for that is a file.
    fn manifests(&mut self) -> Result<(), Error> {
        for (hex, _, row) in self.rows.all::<ManifestRow>()? {
            let Ok(digest) = Digest::from_hex(&hex) else {
                continue;
            };
            let file = row.bytes.is_none();
            let bytes = row
                .bytes
                .map_or_else(|| self.content.read(&digest).ok(), |text| Some(text.into()));
            let summary = bytes.and_then(|bytes| {
                ManifestSummary::parse_by(digest.algorithm(), &row.media_type, &bytes).ok()
            });
            match summary.filter(|summary| summary.digest == digest) {
                Some(summary) => self.table.add_manifest(Kept {
                    summary: Arc::new(summary),
                    file,
                }),
                None => {
                    tracing::error!(%digest, "a manifest is damaged");
                    self.rows.delete::<ManifestRow>(&digest, Durability::Relaxed)?;
                }
            }
        }
        Ok(())
    }

    fn images(&mut self) -> Result<(), Error> {
        for (hex, _, row) in self.rows.all::<ImageRow>()? {
            let Ok(id) = Digest::from_hex(&hex) else { continue };
            if self.is_cut_off(row.lease) {
                self.rows.delete::<ImageRow>(&id, Durability::Relaxed)?;
                continue;
            }
            match self.image(id, row) {
                Some(image) => self.table.add_image(image),
                // Its row stays: what exists nowhere else is not forgotten because of a disk's fault.
                None => tracing::error!(%id, "an image is damaged: a layer is missing, or its configuration"),
            }
        }
        Ok(())
    }

    /// One that has lost a layer, but came by a manifest, sleeps until the layer is unpacked again.
    fn image(&self, id: Digest, row: ImageRow) -> Option<super::Image> {
        let bytes = Bytes::from(row.config);
        let config = ImageConfig::parse(&bytes).ok()?;
        let manifest = row
            .manifest
            .filter(|manifest| self.table.manifest(manifest).is_some());
        let assembled = |asleep| {
            let new = NewImage {
                config: config.clone(),
                bytes: bytes.clone(),
                parent: row.parent,
                manifest,
                made_here: row.made_here,
                asleep,
                result: row.result,
                step: row.step,
            };
            assemble(&self.table, id, new)
        };
        if row.asleep {
            return assembled(true);
        }
        assembled(false).or_else(|| assembled(true))
    }

    fn tags(&mut self) -> Result<(), Error> {
        for (text, _, mut row) in self.rows.all::<TagRow>()? {
            let reference = Reference::parse(&text)?;
            if self.is_cut_off(row.lease) {
                let Some(before) = row.before() else {
                    self.rows.delete::<TagRow>(&reference, Durability::Relaxed)?;
                    continue;
                };
                let standing = row.previous_standing;
                let standing = standing.unwrap_or_else(|| self.standing(&reference, before));
                row = TagRow::new(before, standing, row.time);
                self.rows.put(&reference, &row, Durability::Relaxed)?;
            }
            let mut target = row.target();
            target.image = target.image.filter(|id| self.table.image(id).is_some());
            target.manifest = target
                .manifest
                .filter(|digest| self.table.manifest(digest).is_some());
            // A name of an image stands for nothing without it; one of an artifact never had one.
            if target.image.is_none() && (row.id.is_some() || target.manifest.is_none()) {
                self.rows.delete::<TagRow>(&reference, Durability::Relaxed)?;
                continue;
            }
            let given = Given {
                target,
                standing: row
                    .standing
                    .unwrap_or_else(|| self.standing(&reference, row.target())),
                time: row.time,
            };
            let (_, freed) = self.table.set_tag(&reference, Some(given));
            forget(self.rows, &freed)?;
        }
        Ok(())
    }

    /// Whose a name is that was written before this was noted: what was pushed has blobs linked to its repository.
    fn standing(&self, reference: &Reference, target: Target) -> Standing {
        let pushed = target
            .manifest
            .filter(|_| self.table.has_links(&reference.name()));
        Standing {
            pushed,
            claimed: pushed.is_none(),
            ..Standing::default()
        }
    }

    /// A link to a blob that a loss of power, or a collection that was cut off, has taken says nothing.
    fn links(&mut self) -> Result<(), Error> {
        for (text, _, row) in self.rows.all::<LinkRow>()? {
            let Some(name) = LinkName::parse(&text) else {
                continue;
            };
            if row.deleted {
                self.table.set_deleted(&name.repository, &name.digest, true);
                continue;
            }
            let here = self.blobs.contains(&name.digest);
            if here && (!row.unsettled || self.is_sound(&name.digest)?) {
                let second = row.time.as_second();
                self.table.add_link(&name.repository, name.digest, second);
                if row.unsettled {
                    self.unsettled.insert(name);
                }
            } else {
                self.rows.delete::<LinkRow>(&name, Durability::Relaxed)?;
            }
        }
        Ok(())
    }

    fn is_sound(&self, digest: &Digest) -> Result<bool, Error> {
        let sound = self.content.is_sound(digest);
        sound.map_err(Error::io("read a blob"))
    }

    fn compressed(&mut self) -> Result<(), Error> {
        for (text, _, row) in self.rows.all::<CompressedRow>()? {
            let Some(name) = CompressedName::parse(&text) else {
                continue;
            };
            let needed = self.table.layers().any(|layer| layer.diff_id == name.diff_id);
            if needed && self.blobs.contains(&row.blob.digest) {
                self.table.add_compressed(name, row.blob);
            } else {
                self.rows.delete::<CompressedRow>(&name, Durability::Relaxed)?;
            }
        }
        Ok(())
    }

    /// What nobody uses: an image that was pushed here, never run, and whose names are gone; then layers
    /// and manifests.
    fn unused(&mut self) -> Result<Freed, Error> {
        // One that somebody was told of, or that keeps an index, is what a build has made.
        let told = |image: &super::Image| image.result || !self.table.nameless(&image.id).is_empty();
        let nameless = self
            .table
            .images()
            .filter(|image| image.asleep && image.is_dangling() && image.kept == 0 && !told(image));
        let mut freed = Freed::default();
        for id in nameless.map(|image| image.id).collect::<Vec<_>>() {
            self.rows.delete::<ImageRow>(&id, Durability::Relaxed)?;
            freed.extend(self.table.remove_image(&id).1);
        }
        freed.extend(self.table.free_unused());
        Ok(freed)
    }

    fn owners(&mut self) -> Result<(), Error> {
        for (owner, _, row) in self.rows.all::<OwnerRow>()? {
            let OwnerRow { number, top, .. } = row;
            let stands = top.is_none_or(|top| self.table.layer(&top).is_some());
            if stands && (self.exists)(number) {
                self.table.add_writable(&owner, Writable { number, top });
            } else {
                // As a rule it was being made, or given up, when the last run was cut off.
                tracing::warn!(owner, number, "a snapshot has no directory, or none below it");
                self.rows.delete::<OwnerRow>(&owner, Durability::Relaxed)?;
            }
        }
        Ok(())
    }

    /// Of what was there before uses were written down, the last name is the last use that is known; what has none
    /// begins now.
    fn used(&mut self, clock: &dyn Clock) -> Result<(), Error> {
        let now = jiff::Timestamp::try_from(clock.wall()).unwrap_or_default();
        let known: Vec<(Digest, i64)> = self
            .table
            .images()
            .map(|image| (image.id, image.last_tagged.unwrap_or(now).as_microsecond()))
            .collect();
        for (id, time) in known {
            self.table.set_used(id, time);
        }
        for (hex, _, row) in self.rows.all::<UsedRow>()? {
            let Ok(id) = Digest::from_hex(&hex) else { continue };
            if self.table.image(&id).is_some() {
                self.table.set_used(id, row.time.as_microsecond());
            } else {
                self.rows.delete::<UsedRow>(&id, Durability::Relaxed)?;
            }
        }
        Ok(())
    }

    fn is_cut_off(&self, lease: Option<LeaseId>) -> bool {
        lease.is_some_and(|lease| self.cut_off.contains(&lease))
    }
}
