//! The room's door: see the crate's own comment. One file for each of the things one can ask.

mod bundle;
mod collect;
mod commit;
mod compose;
mod conflict;
mod evict;
mod exchange;
mod export;
mod files;
mod history;
mod import;
mod layout;
mod listed;
mod load;
mod names;
mod open;
mod platforms;
mod prune;
mod pulled;
mod pushed;
mod recast;
mod receive;
mod remove;
mod repository;
mod save;
pub(crate) mod settle;
mod snapshot;
mod survey;
mod types;
mod upload;
mod usage;
mod wake;

use std::sync::Arc;

pub use bundle::Bundle;
pub use exchange::*;
pub use receive::{Beginning, Received};
pub use survey::{Fetched, Part, Survey, Surveyed};
pub use types::*;
pub use upload::{BlobUpload, LeftUpload};

use crate::inner::Inner;
use crate::{Error, Lease};

/// All images of a node. Clones are handles to the same table.
#[derive(Clone)]
pub struct Images {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Images {
    /// Begins a lease: what is made under it goes away unless [`Lease::keep`] is called. Tag what
    /// was made after that, or as part of its making.
    ///
    /// # Errors
    /// [`Error::LeaseInUse`].
    pub fn lease(&self, name: &str) -> Result<Lease, Error> {
        Lease::new(self.inner.clone(), name)
    }

    /// Returns when all that was kept soon ([`Lease::keep_soon`]) is durable.
    pub fn until_kept(&self) {
        self.inner.soon.until_all_kept();
    }
}
