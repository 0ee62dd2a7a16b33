//! Who is changing what: a set of names, each held by one thread at a time.
//!
//! The table's lock is held for microseconds; what must not happen twice at once although it
//! takes a disk's time (making a layer, moving a tag, deleting a blob) is claimed by name instead.
//! To be free of deadlocks, whoever needs several names of one kind takes them in one call.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Digest, Reference};

/// The names that are held.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: Mutex<BTreeSet<String>>,
    freed: Condvar,
}

/// Names held; dropping it frees them.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    names: Vec<String>,
}

impl Claims {
    /// Waits until nobody holds any of the names, and takes them all.
    pub(crate) fn take(&self, names: impl IntoIterator<Item = String>) -> Claim<'_> {
        let names: Vec<String> = names.into_iter().collect();
        let busy = |held: &mut BTreeSet<String>| names.iter().any(|name| held.contains(name));
        let held = self.lock();
        let mut held = self
            .freed
            .wait_while(held, busy)
            .unwrap_or_else(PoisonError::into_inner);
        held.extend(names.iter().cloned());
        drop(held);
        Claim { claims: self, names }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut held = self.claims.lock();
        for name in &self.names {
            held.remove(name);
        }
        drop(held);
        self.claims.freed.notify_all();
    }
}

/// An image's rows.
pub(crate) fn image(id: &Digest) -> String {
    format!("image {id}")
}

/// A tag.
pub(crate) fn tag(reference: &Reference) -> String {
    format!("tag {reference}")
}

/// A layer, by its chain id.
pub(crate) fn layer(chain: &Digest) -> String {
    format!("layer {chain}")
}

/// A blob.
pub(crate) fn blob(digest: &Digest) -> String {
    format!("blob {digest}")
}

/// A manifest's row.
pub(crate) fn manifest(digest: &Digest) -> String {
    format!("manifest {digest}")
}

/// The waking of an image.
pub(crate) fn wake(id: &Digest) -> String {
    format!("wake {id}")
}

/// The compression of a layer.
pub(crate) fn compress(diff_id: &Digest) -> String {
    format!("compress {diff_id}")
}

/// A writable snapshot.
pub(crate) fn owner(owner: &str) -> String {
    format!("owner {owner}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_name_is_held_by_one_at_a_time() {
        let claims = Arc::new(Claims::default());
        let (inside, total) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for other in 0..4 {
                let (claims, inside, total) = (&claims, &inside, &total);
                scope.spawn(move || {
                    for _ in 0..100 {
                        let claim = claims.take(["one".to_owned(), format!("other {other}")]);
                        assert!(!inside.swap(true, Ordering::SeqCst));
                        total.fetch_add(1, Ordering::SeqCst);
                        inside.store(false, Ordering::SeqCst);
                        drop(claim);
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 400);
    }
}
