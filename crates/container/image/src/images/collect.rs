//! Garbage of our own registry: blobs that were uploaded and that no manifest names.

use std::time::Duration;

use super::{Collected, Images};
use crate::Error;

impl Images {
    /// Takes away the links of blobs that are in none of their repository's manifests and were neither
    /// uploaded, mounted nor asked for within `grace`, and the blobs that nothing else has. Safe beside uploads,
    /// pushes and pulls.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn collect(&self, grace: Duration) -> Result<Collected, Error> {
        todo!()
    }
}
