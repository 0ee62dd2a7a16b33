//! Garbage of our own registry: blobs that were uploaded and that no manifest names.

use std::time::Duration;

use store::Durability;

use super::repository::named;
use super::{Collected, Images};
use crate::table::Freed;
use crate::{Digest, Error, claims};

impl Images {
    /// Takes away the links of blobs that are in none of their repository's manifests and were neither
    /// uploaded, mounted nor asked for within `grace`, and the blobs that nothing else has. Safe beside uploads,
    /// pushes and pulls.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn collect(&self, grace: Duration) -> Result<Collected, Error> {
        let grace = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        // A link of this very second is no older than any grace.
        let before = self.inner.now().as_second().saturating_sub(grace);
        let idle = self.inner.read().idle_links(before);
        let forgotten = self.inner.read().forgotten();
        for (repository, digest) in forgotten {
            self.inner.undelete(&repository, &digest)?;
        }
        let mut collected = Collected::default();
        for (repository, digest) in idle {
            self.collect_link(&repository, &digest, before, &mut collected)?;
        }
        Ok(collected)
    }

    /// It is looked at again under the lock under which a push finds and holds it.
    fn collect_link(
        &self,
        repository: &str,
        digest: &Digest,
        before: i64,
        collected: &mut Collected,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        let Ok(named) = named(repository) else {
            return Ok(());
        };
        let claim = inner.claims.take([claims::blob(digest)]);
        let freed = {
            let mut table = inner.write();
            if !table.is_idle(repository, digest, before) || table.has_blob_in(&named, digest) {
                return Ok(());
            }
            table.remove_link(repository, digest)
        };
        inner.unlink(repository, digest, Durability::Relaxed)?;
        drop(claim);
        collected.links += 1;
        let Freed { blobs, .. } = freed.unwrap_or_default();
        for blob in blobs {
            let size = self.open_blob(&blob)?.map_or(0, |blob| blob.size());
            if inner.discard_blob(&blob)? {
                collected.blobs += 1;
                collected.bytes += size;
            }
        }
        Ok(())
    }
}
