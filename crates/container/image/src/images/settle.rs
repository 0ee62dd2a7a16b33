//! Blobs that were pushed and are not on the disk yet.
//!
//! A client waits for each blob that it pushes, and so would for the disk each time. An uploaded blob is acknowledged when it
//! survives the death of this process: its row says that it is unsettled, and somebody settles it while the client sends on.
//! A manifest is acknowledged when all that it names survives a loss of power: what it names is settled first. After such a
//! loss an unsettled blob may be anything, so it is read when the images are opened, and goes if it is not what it is called.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::Durability;

use super::Images;
use super::repository::named;
use crate::inner::Inner;
use crate::rows::{LinkName, LinkRow};
use crate::{Digest, Error, claims};

/// No more blobs than this are unsettled, and none that is larger: they are read when the images are opened.
const MOST: usize = 64;
/// See [`MOST`].
const LARGEST: u64 = 16 << 20;

/// Links to blobs that are not settled.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(Mutex<BTreeSet<LinkName>>);

impl Unsettled {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<LinkName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, name: LinkName) {
        self.lock().insert(name);
    }

    fn has(&self, name: &LinkName) -> bool {
        self.lock().contains(name)
    }
}

impl Images {
    /// Makes a blob that was uploaded to a repository durable. There being no such blob any more is no error.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn settle_blob(&self, repository: &str, digest: &Digest) -> Result<(), Error> {
        self.inner.settle(&LinkName {
            repository: repository.to_owned(),
            digest: *digest,
        })
    }

    /// Makes all blobs of a manifest that were uploaded to its repository durable.
    pub(super) fn settle_blobs(&self, repository: &str, blobs: &[Digest]) -> Result<(), Error> {
        if self.inner.unsettled.lock().is_empty() {
            return Ok(());
        }
        let mut blobs = blobs.iter();
        blobs.try_for_each(|digest| self.settle_blob(repository, digest))
    }
}

impl Inner {
    /// Notes that a repository has a blob, which is in its place; the caller has its claim.
    pub(super) fn link_unsettled(&self, repository: &str, digest: &Digest, size: u64) -> Result<(), Error> {
        if size > LARGEST || self.unsettled.lock().len() >= MOST {
            return self.link(repository, digest);
        }
        named(repository)?;
        let now = self.now();
        if self.read().touch_link(repository, digest, now.as_second()) {
            return Ok(());
        }
        let name = LinkName {
            repository: repository.to_owned(),
            digest: *digest,
        };
        self.rows
            .put(&name, &LinkRow::unsettled(now), Durability::Relaxed)?;
        self.write().add_link(repository, *digest, now.as_second());
        self.unsettled.insert(name);
        Ok(())
    }

    fn settle(&self, name: &LinkName) -> Result<(), Error> {
        if !self.unsettled.has(name) {
            return Ok(());
        }
        // Whoever comes second waits for the first, and has nothing to do; and nobody removes and uploads it again meanwhile,
        // whose bytes would count as durable then.
        let _claim = self.claims.take([claims::blob(&name.digest)]);
        if !self.unsettled.has(name) {
            return Ok(());
        }
        match self.content.sync(&name.digest) {
            // It was removed meanwhile, or is about to be.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            synced => synced.map_err(Error::io("make a blob durable"))?,
        }
        if self.read().link(&name.repository, &name.digest).is_some() {
            let row = LinkRow::new(self.now());
            self.rows.put(name, &row, Durability::Relaxed)?;
        }
        self.unsettled.lock().remove(name);
        Ok(())
    }
}
