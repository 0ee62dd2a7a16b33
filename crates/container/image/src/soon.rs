//! Images that were pulled and are not on the disk yet.
//!
//! Whoever pulls would wait for the disk at the end, and what is pulled can be pulled again. So a pull counts when all of it
//! survives the death of this process: its lease's row says that it is kept, and during which boot of the machine. A thread
//! makes it durable then and deletes the row. Should the power go before that, the row names another boot at the next open,
//! and everything is taken back as if the lease had been cut off. Until then nobody may rely durably on such an image: who
//! gives it another name, or makes a container upon it, waits.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Digest;

/// Images under leases that are kept soon, and how many of those.
#[derive(Debug, Default)]
pub(crate) struct Soon {
    images: Mutex<BTreeMap<Digest, usize>>,
    fewer: Condvar,
}

impl Soon {
    pub(crate) fn begin(&self, images: &[Digest]) {
        let mut all = self.lock();
        for image in images {
            *all.entry(*image).or_default() += 1;
        }
    }

    /// Says that one of their leases is kept, or has failed.
    pub(crate) fn end(&self, images: &[Digest]) {
        let mut all = self.lock();
        for image in images {
            if let Some(leases) = all.get_mut(image) {
                *leases -= 1;
            }
        }
        all.retain(|_, leases| *leases > 0);
        drop(all);
        self.fewer.notify_all();
    }

    /// Returns when the image is no such image.
    pub(crate) fn until_kept(&self, image: &Digest) {
        self.until(|all| !all.contains_key(image));
    }

    /// Returns when there are none.
    pub(crate) fn until_all_kept(&self) {
        self.until(BTreeMap::is_empty);
    }

    fn until(&self, holds: impl Fn(&BTreeMap<Digest, usize>) -> bool) {
        let all = self.fewer.wait_while(self.lock(), |all| !holds(all));
        drop(all.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, usize>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
