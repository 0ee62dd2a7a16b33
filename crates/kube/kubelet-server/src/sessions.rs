//! How many clients have taken their connections over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most at once (upstream's `maxInFlight` of streaming servers).
const MOST: usize = 1000;

/// A count of sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Arc<AtomicUsize>);

/// One session; dropped, it is over.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Sessions {
    /// A place for one more; none if there are too many.
    pub(crate) fn take(&self) -> Option<Place> {
        let place = Place(self.0.clone());
        // Dropped at once, the place is given back.
        (self.0.fetch_add(1, Ordering::AcqRel) < MOST).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let sessions = Sessions::default();
        let held: Vec<Place> = std::iter::from_fn(|| sessions.take()).collect();
        assert_eq!(held.len(), MOST);
        drop(held);
        assert_eq!(sessions.0.load(Ordering::Acquire), 0);
        assert!(sessions.take().is_some());
    }
}
