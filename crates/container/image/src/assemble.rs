//! An image out of its configuration, its manifest and the layers that are here.

use bytes::Bytes;

use crate::manifest::MAX_SIZE;
use crate::table::Table;
use crate::{Descriptor, Digest, Image, ImageConfig, Layer, ManifestSummary, Step};

/// An image that is to be registered.
pub(crate) struct NewImage {
    pub(crate) config: ImageConfig,
    /// The configuration's very bytes.
    pub(crate) bytes: Bytes,
    pub(crate) parent: Option<Digest>,
    /// The manifest it came by, which is here.
    pub(crate) manifest: Option<Digest>,
    pub(crate) made_here: bool,
    pub(crate) asleep: bool,
    pub(crate) result: bool,
    pub(crate) step: Option<Step>,
}

impl NewImage {
    /// One that is made, or loaded, here.
    pub(crate) const fn made(config: ImageConfig, bytes: Bytes, parent: Option<Digest>) -> Self {
        Self {
            config,
            bytes,
            parent,
            manifest: None,
            made_here: true,
            asleep: false,
            result: false,
            step: None,
        }
    }
}

/// An image, if its layers are all there, or if it sleeps and its manifest is.
pub(crate) fn assemble(table: &Table, id: Digest, new: NewImage) -> Option<Image> {
    let layers = if new.asleep {
        let manifest = table.manifest(&new.manifest?)?;
        sleeping(&new.config, &manifest.summary)?
    } else {
        table.chain(&new.config.chain_ids())?
    };
    Some(Image {
        id,
        config: new.config,
        config_bytes: new.bytes,
        size: total(layers.iter().map(|layer| layer.size)),
        layers,
        asleep: new.asleep,
        manifest: new.manifest,
        parent: new.parent,
        tags: Vec::new(),
        digests: Vec::new(),
        kept: 0,
        last_tagged: None,
        made_here: new.made_here,
        result: new.result,
        step: new.step,
    })
}

/// What sizes come to. Those of an image that sleeps are what its manifest claims: all of them together are no more than
/// clients can read, whose numbers have a sign.
pub(crate) fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add).min(MAX_SIZE)
}

/// The layers of an image that is known by its configuration and manifest only.
pub(crate) fn sleeping(config: &ImageConfig, manifest: &ManifestSummary) -> Option<Vec<Layer>> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return None;
    }
    let layers = config.chain_ids().into_iter().zip(diff_ids).zip(&manifest.layers);
    let layer = |((chain_id, diff_id), blob): ((Digest, &Digest), &Descriptor)| Layer {
        diff_id: *diff_id,
        chain_id,
        size: blob.size,
        blob: Some(blob.clone()),
    };
    Some(layers.map(layer).collect())
}
