//! An image as it is pushed to a registry.

use store::Durability;

use super::compose::{Form, compose};
use super::listed::is_for;
use super::{Algorithm, Export, Exported, ExportedIndex, Image, Images, Layer, Target};
use crate::inner::Inner;
use crate::rows::{CompressedName, CompressedRow, ImageRow};
use crate::standing::By;
use crate::{
    Descriptor, Digest, DigestAlgorithm, Error, Lease, ManifestSummary, Platform, Reference, claims,
    compress, media_type,
};

impl Images {
    /// What to push for an image: the manifest that it came by, if all its blobs are here and its layers are compressed;
    /// otherwise one that is made now, the same each time. Layers that lie here uncompressed are compressed once, on all
    /// cores, and the result is kept for the next push. All of it stays while the lease does.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Damaged`]; the disk's or the store's.
    pub fn export(&self, lease: &Lease, id: &Digest, how: Export) -> Result<Exported, Error> {
        lease.add(id)?;
        let image = self.get_or_fail(id)?;
        if let Some(exported) = self.as_it_came(lease, &image)? {
            return Ok(exported);
        }
        let layers = image
            .layers
            .iter()
            .map(|layer| self.outgoing(lease, &image, layer, how.algorithm));
        let layers = layers.collect::<Result<Vec<Descriptor>, Error>>()?;
        let form = if how.oci { Form::Oci } else { Form::Docker };
        let (served, manifest) = compose(&image, &layers, form)?;
        let summary = ManifestSummary::parse(&served.media_type, &served.bytes)?;
        self.inner.keep_manifest(lease, summary, &served.bytes)?;
        Ok(Exported {
            image: *id,
            manifest: served,
            config: manifest.config,
            layers: manifest.layers,
        })
    }

    /// The index that a name stands for, with what of it is here down to the last blob. Of one platform, it is that manifest
    /// alone, or `None`. All of it stays while the lease does.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn export_index(
        &self,
        lease: &Lease,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Option<ExportedIndex>, Error> {
        let named = self.target(reference).and_then(|target| target.manifest);
        let index = named.and_then(|digest| lease.hold_manifest(digest));
        let Some(index) = index.filter(|index| index.is_index()) else {
            return Ok(None);
        };
        let (mut blobs, mut manifests, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let wanted = |entry: &&Descriptor| platform.is_none_or(|platform| is_for(entry, platform));
        for listed in index.manifests.iter().filter(wanted) {
            let here = |blob: &Descriptor| {
                let is_image = || lease.add(&blob.digest).is_ok();
                lease.hold_blob(&blob.digest) || is_image()
            };
            let held = lease.hold_manifest(listed.digest);
            let whole = held.filter(|summary| !summary.is_index() && summary.blobs().all(here));
            let Some(summary) = whole else {
                if platform.is_some() {
                    return Ok(None);
                }
                missing.push(listed.digest);
                continue;
            };
            blobs.extend(summary.blobs().cloned());
            manifests.extend(self.served(&summary.digest)?);
            if platform.is_some() {
                break;
            }
        }
        if platform.is_none() {
            manifests.extend(self.served(&index.digest)?);
        }
        let index = ExportedIndex {
            blobs,
            manifests,
            missing,
        };
        Ok(Some(index).filter(|index| !index.manifests.is_empty()))
    }

    /// Notes that an image was pushed elsewhere: the repository of `reference` has it under this manifest, so
    /// it may be removed automatically from now on. (Not for our own registry, which is here.) Durable when this
    /// returns.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn note_pushed(&self, reference: &Reference, exported: &Exported) -> Result<(), Error> {
        let inner = &self.inner;
        let (id, served) = (exported.image, &exported.manifest);
        let lease = inner.own_lease("pushed")?;
        lease.add(&id)?;
        let summary =
            ManifestSummary::parse_by(served.digest.algorithm(), &served.media_type, &served.bytes)?;
        inner.keep_manifest(&lease, summary, &served.bytes)?;
        let pinned = Reference {
            digest: Some(served.digest),
            ..reference.repository()
        };
        let target = Target::manifest(served.digest, Some(id));
        inner.tag_under(&lease, &pinned, target, By::Docker)?;
        // By that name it can be had again. It may name another image by now.
        let by_tag = reference.tag.is_some() && reference.digest.is_none();
        if by_tag && self.target(reference) == Some(Target::image(id)) {
            inner.tag_under(&lease, reference, target, By::Docker)?;
        }
        self.is_elsewhere(&id, Durability::Relaxed)?;
        lease.keep_rows()
    }

    /// As [`Self::note_pushed`], of an image that is a part of what was pushed: it has no name of its own there.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; the store's.
    pub fn note_part_pushed(&self, id: &Digest) -> Result<(), Error> {
        self.is_elsewhere(id, Durability::Durable)
    }

    fn is_elsewhere(&self, id: &Digest, durability: Durability) -> Result<(), Error> {
        let _claim = self.inner.claims.take([claims::image(id)]);
        self.inner.write().set_elsewhere(id);
        let image = self.get_or_fail(id)?;
        let row = ImageRow::of(&image, None);
        self.inner.rows.put(id, &row, durability).map(drop)
    }

    /// The stored manifest, if nothing of it is missing and no layer would go uncompressed: what has a digest in our own
    /// registry has one of layers as they lie here.
    fn as_it_came(&self, lease: &Lease, image: &Image) -> Result<Option<Exported>, Error> {
        let summary = image.manifest.and_then(|digest| lease.hold_manifest(digest));
        let Some(summary) = summary else { return Ok(None) };
        let (Some(config), true) = (
            summary.config.clone(),
            summary
                .layers
                .iter()
                .all(|layer| !is_plain(layer) && lease.hold_blob(&layer.digest)),
        ) else {
            return Ok(None);
        };
        Ok(self.served(&summary.digest)?.map(|manifest| Exported {
            image: image.id,
            manifest,
            config,
            layers: summary.layers.clone(),
        }))
    }

    /// A layer as it is sent: as it came if that is compressed.
    fn outgoing(
        &self,
        lease: &Lease,
        image: &Image,
        layer: &Layer,
        algorithm: Algorithm,
    ) -> Result<Descriptor, Error> {
        let blob = self.blob_of(lease, image, layer)?;
        if is_plain(blob) {
            let name = CompressedName {
                diff_id: layer.diff_id,
                algorithm,
            };
            self.inner.compressed(lease, name, None, blob)
        } else {
            Ok(blob.clone())
        }
    }

    /// The blob of a layer, held by the lease.
    pub(super) fn blob_of<'a>(
        &self,
        lease: &Lease,
        image: &Image,
        layer: &'a Layer,
    ) -> Result<&'a Descriptor, Error> {
        let damaged = |digest: Digest, why: &str| Error::Damaged {
            image: image.id,
            digest,
            why: why.to_owned(),
        };
        let blob = layer.blob.as_ref();
        let blob = blob.ok_or_else(|| damaged(layer.diff_id, "it was never here"))?;
        match lease.hold_blob(&blob.digest) {
            true => Ok(blob),
            false => Err(damaged(blob.digest, "it is missing")),
        }
    }
}

impl Inner {
    /// A layer compressed, held by the lease: from the last time, or made now. The blob is durable before the row
    /// that says what it is. With a level it is made now in any case, and there is no row.
    pub(super) fn compressed(
        &self,
        lease: &Lease,
        name: CompressedName,
        level: Option<i32>,
        from: &Descriptor,
    ) -> Result<Descriptor, Error> {
        let _claim = self.claims.take([claims::compress(&name.diff_id)]);
        let known = self.read().compressed(&name).cloned();
        let known = known.filter(|known| level.is_none() && lease.hold_blob(&known.digest));
        if let Some(known) = known {
            return Ok(known);
        }
        let (source, _place) = self.plain_of(from)?;
        let mut writer = self
            .content
            .writer(DigestAlgorithm::default())
            .map_err(Error::io("write a blob"))?;
        compress::compress(name.algorithm, level, source, &mut writer)
            .map_err(Error::io("compress a layer"))?;
        let written = writer.finish();
        written.file.sync_data().map_err(Error::io("write a blob"))?;
        self.keep_blob(lease, &written)?;
        self.content
            .sync_name(&written.digest)
            .map_err(Error::io("make a blob durable"))?;
        let media_type = match name.algorithm {
            Algorithm::Gzip => media_type::LAYER_GZIP,
            Algorithm::Zstd => media_type::LAYER_ZSTD,
        };
        let blob = Descriptor::new(media_type, written.digest, written.size);
        if level.is_none() {
            self.rows
                .put(&name, &CompressedRow::new(blob.clone()), Durability::Relaxed)?;
            self.write().add_compressed(name, blob.clone());
        }
        Ok(blob)
    }
}

/// Whether a layer is a tar archive as it is.
fn is_plain(layer: &Descriptor) -> bool {
    matches!(
        &*layer.media_type,
        "" | media_type::LAYER | media_type::DOCKER_LAYER
    )
}
