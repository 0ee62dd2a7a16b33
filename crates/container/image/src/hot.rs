//! The bytes of manifests that were asked for lately, so that a registry's answer opens nothing and
//! decodes nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::Digest;

/// How many bytes are kept.
const MOST: usize = 4 << 20;

/// Bytes by their digest; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Hot(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_digest: HashMap<Digest, Bytes>,
    order: VecDeque<Digest>,
    size: usize,
}

impl Hot {
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.lock().by_digest.get(digest).cloned()
    }

    pub(crate) fn put(&self, digest: Digest, bytes: Bytes) {
        let mut state = self.lock();
        state.size += bytes.len();
        match state.by_digest.insert(digest, bytes) {
            Some(before) => state.size -= before.len(),
            None => state.order.push_back(digest),
        }
        while state.size > MOST {
            let Some(oldest) = state.order.pop_front() else {
                return;
            };
            state.size -= state.by_digest.remove(&oldest).map_or(0, |bytes| bytes.len());
        }
    }

    pub(crate) fn forget(&self, digest: &Digest) {
        let mut state = self.lock();
        if let Some(bytes) = state.by_digest.remove(digest) {
            state.size -= bytes.len();
            state.order.retain(|other| other != digest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_no_more_than_it_may() {
        let hot = Hot::default();
        let digest = |number: usize| Digest::of(&number.to_le_bytes());
        for number in 0..10 {
            hot.put(digest(number), Bytes::from(vec![0; MOST / 4]));
            hot.put(digest(number), Bytes::from(vec![1; MOST / 4]));
        }
        let there: Vec<usize> = (0..10)
            .filter(|number| hot.get(&digest(*number)).is_some())
            .collect();
        assert_eq!(there, [6, 7, 8, 9]);
        hot.forget(&digest(7));
        hot.forget(&digest(7));
        let state = hot.lock();
        assert_eq!(
            (state.by_digest.len(), state.order.len(), state.size),
            (3, 3, 3 * (MOST / 4))
        );
    }
}
