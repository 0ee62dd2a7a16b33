//! Pushing: images of this node to their registry.
//!
//! Layers go a few at a time. One that the registry has is not sent; one that it has in another repository is asked of it.
//! The configuration follows, and then the manifest, which makes the image count.

use std::io;
use std::sync::Arc;

use driver::env::Doing;
use futures_util::future::try_join_all;
use image::{Compression, Digest, Exported, ExportedLayer, Lease, Reference};
use tokio::io::{AsyncRead, AsyncSeekExt};

use crate::Credentials;
use crate::progress::{Event, Progress, Step};
use crate::registries::{Fault, Registries, blocking};
use crate::registry::{Mounted, Repository, Source, Subject};

/// What to push.
#[derive(Clone)]
pub struct Push {
    /// Images with a tag each, all of one repository.
    pub references: Vec<Reference>,
    /// As whom.
    pub credentials: Credentials,
}

impl Registries {
    /// Pushes images. Each counts in the registry as soon as its manifest is there; what was sent before a failure stays
    /// there, for the next try.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn push(&self, wish: &Push, progress: &Progress) -> Result<(), Fault> {
        let Some(first) = wish.references.first() else {
            return Ok(());
        };
        progress.tell(Event::PushingTo(first.name())).await;
        let repository = self.repository(first, &wish.credentials);
        for reference in &wish.references {
            self.push_one(&repository, reference, progress).await?;
        }
        Ok(())
    }
}
