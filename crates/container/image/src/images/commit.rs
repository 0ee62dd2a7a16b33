//! Making an image out of another one and what a container, or a build step, has changed.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use store::Durability;

use super::{Commit, CommitLayer, Image, Images};
use crate::archive::{self, Totals, Wanted};
use crate::assemble::NewImage;
use crate::content::Written;
use crate::inner::Inner;
use crate::layers::Made;
use crate::rows::OwnerRow;
use crate::standing::By;
use crate::{
    Descriptor, Digest, DigestAlgorithm, Error, HistoryRow, ImageConfig, Lease, Platform, Rootfs, Step,
    Target, claims, media_type,
};

/// A layer's archive, written and hashed.
struct Packed {
    written: Written,
    totals: Totals,
}

impl Images {
    /// Makes an image out of another one and a layer. The layer is a plain tar archive that depends
    /// on nothing but the tree, so that its digest is its diff id (decision 9). A layer in which
    /// nothing is changes only the configuration, as upstream has it.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::TooManyLayers`], [`Error::NoSuchSnapshot`].
    pub fn commit(&self, commit: Commit<'_>) -> Result<Arc<Image>, Error> {
        self.commit_wanted(commit, &Wanted::default())
    }

    /// As [`Self::commit`], for as long as it is wanted: packing ends soon after.
    ///
    /// # Errors
    /// As [`Self::commit`]; nobody wants it any more.
    pub fn commit_wanted(&self, commit: Commit<'_>, wanted: &Wanted) -> Result<Arc<Image>, Error> {
        match commit.lease {
            Some(lease) => self.commit_under(lease, commit, wanted),
            None => {
                let lease = self.inner.own_lease("commit")?;
                let id = self.commit_under(&lease, commit, wanted)?.id;
                lease.keep()?;
                self.get(&id).ok_or_else(|| Error::NoSuchImage(id.to_string()))
            }
        }
    }

    /// The same image with another history: what it is of, and when it was made, stay. It is upon the one that it was made of.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; a history that does not fit the layers.
    pub fn retell(
        &self,
        lease: &Lease,
        id: &Digest,
        history: Vec<HistoryRow>,
        platform: Platform,
    ) -> Result<Arc<Image>, Error> {
        let image = self.hold_awake(lease, id)?;
        let config = ImageConfig {
            history,
            os: platform.os,
            architecture: platform.architecture,
            variant: platform.variant,
            ..image.config.clone()
        };
        let bytes = serialize(&config)?;
        let image = self
            .inner
            .register(lease, NewImage::made(config, bytes, Some(*id)))?;
        self.get(&image.id)
            .ok_or_else(|| Error::NoSuchImage(image.id.to_string()))
    }

    /// An image of the first layers of another, as whoever built that had it on the way. It is upon `parent`.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; the other one has other layers; a history that does not fit them.
    pub fn restore(
        &self,
        lease: &Lease,
        of: &Digest,
        mut config: ImageConfig,
        parent: Option<Digest>,
    ) -> Result<Arc<Image>, Error> {
        config.complete();
        let whole = self.hold_awake(lease, of)?;
        if !whole.config.rootfs.diff_ids.starts_with(&config.rootfs.diff_ids) {
            return Err(Error::Config("the image has other layers".to_owned()));
        }
        let bytes = serialize(&config)?;
        self.inner.register(lease, NewImage::made(config, bytes, parent))
    }

    fn commit_under(&self, lease: &Lease, commit: Commit<'_>, wanted: &Wanted) -> Result<Arc<Image>, Error> {
        let parent = commit.parent.map(|id| self.hold_awake(lease, id)).transpose()?;
        let below = parent.as_ref().map_or(0, |parent| parent.layers.len());
        Inner::check_depth(below + 1)?;
        let top = parent.as_ref().and_then(|parent| parent.layers.last());
        let diff_id = self.commit_layer(lease, top.map(|top| top.chain_id), (commit.layer, wanted))?;
        let config = child(
            parent.as_deref(),
            commit.config,
            commit.history,
            diff_id,
            self.inner.now(),
        );
        let bytes = serialize(&config)?;
        let new = NewImage {
            step: commit.hidden.then_some(Step::Hidden),
            ..NewImage::made(config, bytes, commit.parent.copied())
        };
        let image = self.inner.register(lease, new)?;
        if let Some(reference) = commit.reference {
            self.inner.tag_under(
                lease,
                &reference.with_default_tag(),
                Target::image(image.id),
                By::Docker,
            )?;
        }
        self.get(&image.id)
            .ok_or_else(|| Error::NoSuchImage(image.id.to_string()))
    }

    /// The diff id of the new layer, which is in the table and held; `None` if there is none.
    fn commit_layer(
        &self,
        lease: &Lease,
        below: Option<Digest>,
        (layer, wanted): (CommitLayer<'_>, &Wanted),
    ) -> Result<Option<Digest>, Error> {
        let rootfs = match layer {
            CommitLayer::None => return Ok(None),
            CommitLayer::Copy(rootfs) => rootfs.clone(),
            CommitLayer::Move(owner) => self
                .rootfs(owner)
                .ok_or_else(|| Error::NoSuchSnapshot(owner.to_owned()))?,
        };
        let packed = self.inner.pack(&rootfs, wanted)?;
        let mover = match layer {
            CommitLayer::Move(owner) => Some(owner),
            _ => None,
        };
        let diff_id = packed.written.digest;
        if packed.totals.entries == 0 {
            mover.map_or(Ok(()), |owner| self.release(owner))?;
            return Ok(None);
        }
        let _claim = self
            .inner
            .claims
            .take([claims::layer(&Digest::chain(below, diff_id))]);
        if lease.hold_layer(Digest::chain(below, diff_id)) {
            mover.map_or(Ok(()), |owner| self.release(owner))?;
        } else {
            let made = match mover {
                Some(owner) => self.adopt_upper(owner, below, packed)?,
                None => {
                    let file = packed.written.path.clone();
                    self.inner.unpack_layer(below, file, Some(packed.written.place))?
                }
            };
            self.inner.insert_layer(lease, made)?;
        }
        Ok(Some(diff_id))
    }

    /// The writable directory of an owner becomes a layer's, without a copy; the owner has none
    /// any more.
    fn adopt_upper(&self, owner: &str, below: Option<Digest>, packed: Packed) -> Result<Made, Error> {
        let inner = &*self.inner;
        let _claim = inner.claims.take([claims::owner(owner)]);
        let writable = inner.read().writable(owner);
        let writable = writable.ok_or_else(|| Error::NoSuchSnapshot(owner.to_owned()))?;
        inner
            .snapshots
            .seal(writable.number)
            .map_err(Error::io("seal a snapshot"))?;
        inner
            .rows
            .delete::<OwnerRow>(&owner.to_owned(), Durability::Relaxed)?;
        let freed = inner.write().remove_writable(owner);
        inner.discard(freed);
        let Written { digest, size, .. } = packed.written;
        Ok(Made {
            number: writable.number,
            diff_id: digest,
            parent: below,
            size: packed.totals.bytes,
            blob: Descriptor::new(media_type::LAYER, digest, size),
            file: Some(packed.written.path.clone()),
            place: Some(packed.written.place),
        })
    }
}

impl Inner {
    /// Writes what a snapshot has changed as a layer.
    fn pack(&self, rootfs: &Rootfs, wanted: &Wanted) -> Result<Packed, Error> {
        let upper = rootfs.open_upper().map_err(Error::io("open a snapshot"))?;
        let upper = upper.ok_or_else(|| Error::NoSuchSnapshot("a read-only view".to_owned()))?;
        let mut writer = self
            .content
            .writer(DigestAlgorithm::default())
            .map_err(Error::io("write a layer"))?;
        // A file of holes would fill the disk for everybody before it ended.
        let room = |bytes: u64| match bytes > self.content.free()? {
            true => Err(Errno::NOSPC.into()),
            false => Ok(()),
        };
        let totals = archive::pack_layer(&upper, &mut writer, (&room, wanted))?;
        writer.flush().map_err(Error::io("write a layer"))?;
        let written = writer.finish();
        Ok(Packed { written, totals })
    }
}

/// The configuration of an image upon another: its layers and history, and one step more.
fn child(
    parent: Option<&Image>,
    mut config: ImageConfig,
    mut step: HistoryRow,
    layer: Option<Digest>,
    now: jiff::Timestamp,
) -> ImageConfig {
    config.rootfs = parent
        .map(|parent| parent.config.rootfs.clone())
        .unwrap_or_default();
    config.history = parent
        .map(|parent| parent.config.history.clone())
        .unwrap_or_default();
    // What the parent was made for is no comment on the child: its own is in its history.
    config.comment.clear();
    config.complete();
    config.rootfs.diff_ids.extend(layer);
    config.created = config.created.or(Some(now));
    step.created = step.created.or(config.created);
    step.empty_layer = layer.is_none();
    config.history.push(step);
    config
}

/// The bytes of a configuration that is made here.
pub(super) fn serialize(config: &ImageConfig) -> Result<Bytes, Error> {
    let bytes = serde_json::to_vec(config).map_err(|error| Error::Config(error.to_string()))?;
    // Whatever is written must be readable at the next start.
    ImageConfig::parse(&bytes)?;
    Ok(Bytes::from(bytes))
}
