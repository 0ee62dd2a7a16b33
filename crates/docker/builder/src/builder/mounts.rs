//! Cache mounts that go out.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use image::archive::Interest;
use image::{Algorithm, Bundle, Descriptor, Digest, Lease};

use super::Builder;
use crate::BuildError;
use crate::driver::blocking;

/// The most bytes of a cache mount's archive before it is compressed, whether it goes out or comes in: 32 GiB.
pub const MAX_CACHE_MOUNT: u64 = 32 << 30;

impl Builder {
    /// Packs the cache mount of a key (as [`crate::StepCache::mounts`] tells it) as a blob that the lease holds, compressed as
    /// hard as the level says; `None` if it is not here. Waits until no step uses it; steps that want it wait meanwhile. The
    /// same files make the same bytes. Packing ends soon after the future is dropped.
    ///
    /// # Errors
    /// It cannot be packed, or has more than [`MAX_CACHE_MOUNT`] bytes; the disk's.
    pub async fn pack_mount(
        &self,
        key: &Digest,
        lease: &Arc<Lease>,
        (algorithm, level): (Option<Algorithm>, Option<i32>),
    ) -> Result<Option<Descriptor>, BuildError> {
        let Some(still) = self.cache_mounts.still(key).await else {
            return Ok(None);
        };
        let (images, lease, interest) = (self.images.clone(), lease.clone(), Interest::default());
        let how = Bundle {
            algorithm,
            level,
            limit: MAX_CACHE_MOUNT,
            wanted: interest.wanted(),
        };
        blocking(move || {
            let root = File::open(still.path()).map_err(BuildError::io("opening a cache mount"))?;
            let packed = images.bundle(&lease, root.as_fd(), &how)?;
            drop(still);
            Ok(Some(packed))
        })
        .await
    }
}
