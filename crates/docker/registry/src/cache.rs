//! Manifests in memory: what a digest names never changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use image::{Digest, ServedManifest};

/// Bytes of all of them.
const MOST: usize = 8 << 20;
/// One that is larger is read each time.
const LARGE: usize = 256 << 10;

/// What was served lately.
#[derive(Default)]
pub(crate) struct Manifests(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bytes: usize,
    manifests: HashMap<Digest, ServedManifest>,
}

impl Manifests {
    pub(crate) fn get(&self, digest: &Digest) -> Option<ServedManifest> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.manifests.get(digest).cloned()
    }

    pub(crate) fn keep(&self, manifest: &ServedManifest) {
        let size = manifest.bytes.len();
        if size > LARGE {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + size > MOST {
            // Those that are still asked for are soon there again.
            *kept = Kept::default();
        }
        if kept.manifests.insert(manifest.digest, manifest.clone()).is_none() {
            kept.bytes += size;
        }
    }
}
