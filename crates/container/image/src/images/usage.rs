//! What lies on the disk (`docker system df`).

use std::collections::HashMap;
use std::sync::Arc;

use super::{DiskUsage, Images};
use crate::Digest;
use crate::assemble::total;

impl Images {
    /// Bytes of all layers, and how many each image shares with others. What only led to another image, and has no name, is
    /// none of the others.
    #[must_use]
    pub fn disk_usage(&self) -> DiskUsage {
        let table = self.inner.read();
        let mut users: HashMap<Digest, usize> = HashMap::new();
        let shown = |image: &&Arc<super::Image>| !image.is_dangling() || table.children(&image.id).is_empty();
        for layer in table.images().filter(shown).flat_map(|image| &image.layers) {
            *users.entry(layer.chain_id).or_default() += 1;
        }
        let shared = |image: &super::Image| {
            let layers = image
                .layers
                .iter()
                .filter(|layer| users.get(&layer.chain_id).is_some_and(|users| *users > 1));
            total(layers.map(|layer| layer.size))
        };
        // What is the build cache's alone is counted there, and what docker has removed is our registry's: clients would take
        // both for what a prune of images frees. Of layers that sleep there is only the blob.
        let images = table.images().filter(|image| !image.is_hidden());
        let own = images.flat_map(|image| &image.layers).map(|layer| {
            let blob = || layer.blob.as_ref().map_or(layer.diff_id, |blob| blob.digest);
            match table.layer(&layer.chain_id) {
                Some(row) => (layer.chain_id, row.size),
                None => (blob(), layer.size),
            }
        });
        let own: HashMap<Digest, u64> = own.collect();
        DiskUsage {
            layers: total(own.into_values()),
            shared: table.images().map(|image| (image.id, shared(image))).collect(),
        }
    }
}
