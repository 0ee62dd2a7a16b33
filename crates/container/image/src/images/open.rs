//! Opening: rows into the table, and away with what an unclean end has left.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use driver::Clock;
use store::{Durability, Store};

use super::{Config, Images};
use crate::claims::Claims;
use crate::content::Content;
use crate::inner::{self, Inner};
use crate::lease::Names;
use crate::rows::{ImageRow, LayerRow, LeaseId, LeaseRow, OwnerRow, Rows, TagRow};
use crate::snapshots::{self, Snapshots};
use crate::table::{Table, Writable};
use crate::{Digest, Error, ImageConfig, Reference, Workers};

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
        let mut loading = Loading {
            exists: &|number| snapshots::exists(&config.snapshots, number),
            cut_off: leases(&rows)?,
            rows: &rows,
            table: Table::default(),
        };
        loading.layers()?;
        loading.images()?;
        loading.tags()?;
        loading.owners()?;
        let mut table = loading.table;
        let unused = table.free_unused();
        let numbers: HashSet<u64> = directories(&table).collect();
        let snapshots = Snapshots::open(config.snapshots, |number| numbers.contains(&number));
        let content = Content::open(config.content).map_err(Error::io("open the content store"))?;
        content
            .sweep(|digest| table.has_blob(digest))
            .map_err(Error::io("clear the content store"))?;
        for layer in unused {
            rows.delete::<LayerRow>(&layer.chain(), Durability::Relaxed)?;
        }
        for (name, _, _) in rows.all::<LeaseRow>()? {
            rows.delete::<LeaseRow>(&name, Durability::Relaxed)?;
        }
        let inner = Inner {
            rows,
            workers,
            clock,
            content,
            snapshots: snapshots.map_err(Error::io("open the snapshots"))?,
            limits: config.limits,
            table: RwLock::new(table),
            claims: Claims::default(),
            leases: Names::default(),
            pruning: AtomicBool::new(false),
            serial: AtomicU64::new(0),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// Leases that were not kept when the last run ended.
fn leases(rows: &Rows) -> Result<HashSet<LeaseId>, Error> {
    Ok(rows.all::<LeaseRow>()?.into_iter().map(|(_, id, _)| id).collect())
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
    cut_off: HashSet<LeaseId>,
    table: Table,
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

    fn images(&mut self) -> Result<(), Error> {
        for (hex, _, row) in self.rows.all::<ImageRow>()? {
            let Ok(id) = Digest::from_hex(&hex) else { continue };
            if self.is_cut_off(row.lease) {
                self.rows.delete::<ImageRow>(&id, Durability::Relaxed)?;
                continue;
            }
            let bytes = Bytes::from(row.config.clone());
            let config = ImageConfig::parse(&bytes).ok();
            match config.and_then(|config| inner::image(&self.table, id, config, bytes, &row)) {
                Some(image) => self.table.add_image(image),
                // Its row stays: what exists nowhere else is not forgotten because of a disk's fault.
                None => tracing::error!(%id, "an image is damaged: a layer is missing, or its configuration"),
            }
        }
        Ok(())
    }

    fn tags(&mut self) -> Result<(), Error> {
        for (text, _, mut row) in self.rows.all::<TagRow>()? {
            let reference = Reference::parse(&text)?;
            if self.is_cut_off(row.lease) {
                match row.previous {
                    Some(previous) => row = TagRow::new(previous, row.time),
                    None => {
                        self.rows.delete::<TagRow>(&reference, Durability::Relaxed)?;
                        continue;
                    }
                }
                self.rows.put(&reference, &row, Durability::Relaxed)?;
            }
            if self.table.image(&row.id).is_some() {
                self.table.set_tag(&reference, Some((row.id, row.time)));
            } else {
                self.rows.delete::<TagRow>(&reference, Durability::Relaxed)?;
            }
        }
        Ok(())
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

    fn is_cut_off(&self, lease: Option<LeaseId>) -> bool {
        lease.is_some_and(|lease| self.cut_off.contains(&lease))
    }
}
