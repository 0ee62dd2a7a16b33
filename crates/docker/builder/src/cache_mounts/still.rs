//! A cache that nobody writes to while it is read.

use std::path::PathBuf;
use std::sync::Arc;

use image::Digest;

use super::CacheMounts;

/// A directory that no step uses until this is dropped.
pub(crate) struct Still {
    mounts: Arc<CacheMounts>,
    name: String,
}

/// What there is to read.
enum Found {
    Free(String),
    Used,
    None,
}

impl CacheMounts {
    /// Keeps a cache as it is: of several, the one that was used last of those that nobody uses. Waits for those who use it;
    /// `None` if there is none. Cancel-safe.
    pub(crate) async fn still(self: &Arc<Self>, key: &Digest) -> Option<Still> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Who is freed from here on is not missed.
            freed.as_mut().enable();
            match self.keep_still(key) {
                Found::Free(name) => {
                    let mounts = self.clone();
                    return Some(Still { mounts, name });
                }
                Found::Used => freed.await,
                Found::None => return None,
            }
        }
    }

    fn keep_still(&self, key: &Digest) -> Found {
        let mut entries = self.lock();
        let mut fitting = entries.iter_mut().filter(|(_, entry)| entry.row.key == *key);
        let Some(first) = fitting.next() else {
            return Found::None;
        };
        let free = std::iter::once(first)
            .chain(fitting)
            .filter(|(_, entry)| entry.users == 0);
        match free.max_by_key(|(_, entry)| entry.row.last_used) {
            Some((name, entry)) => {
                (entry.users, entry.still) = (1, true);
                Found::Free(name.clone())
            }
            None => Found::Used,
        }
    }
}

impl Still {
    /// The directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.mounts.path(&self.name)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        if let Some(entry) = self.mounts.lock().get_mut(&self.name) {
            entry.still = false;
        }
        self.mounts.release(&self.name, true);
    }
}
