//! All timers of a kubelet as one: which keys are due, and when to look next.
//!
//! Times are rounded up to ticks, so that what is due at nearly the same moment is one wake-up. A key has one time; setting
//! it again moves it. An empty wheel wakes nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driver::Instant;

/// How exact times are: 10 ms.
const TICK: u128 = 10_000_000;

/// Keys and their times.
#[derive(Clone, Debug)]
pub struct Wheel<K> {
    times: BTreeMap<K, Instant>,
    due: BTreeSet<(Instant, K)>,
}

impl<K: Ord> Default for Wheel<K> {
    fn default() -> Self {
        Self {
            times: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Wheel<K> {
    /// The key is due at this time, and at no other.
    pub fn set(&mut self, key: K, at: Instant) {
        let at = tick(at);
        if self.times.get(&key) == Some(&at) {
            return;
        }
        self.clear(&key);
        self.due.insert((at, key.clone()));
        self.times.insert(key, at);
    }

    /// The key is never due.
    pub fn clear(&mut self, key: &K) {
        if let Some((key, at)) = self.times.remove_entry(key) {
            self.due.remove(&(at, key));
        }
    }

    /// Takes out what is due.
    pub fn due(&mut self, now: Instant) -> Vec<K> {
        let mut keys = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.due.pop_first() {
                self.times.remove(&key);
                keys.push(key);
            }
        }
        keys
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// The tick at or after a time.
fn tick(at: Instant) -> Instant {
    let origin = Instant::default();
    let nanos = at.saturating_since(origin).as_nanos();
    let ticks = u64::try_from(nanos.div_ceil(TICK)).unwrap_or(u64::MAX);
    let millis = ticks.saturating_mul(10);
    origin.saturating_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(millis))
    }

    #[test]
    fn keys_are_due_once_and_in_order() {
        let mut wheel = Wheel::default();
        wheel.set("b", at(25));
        wheel.set("a", at(21));
        wheel.set("c", at(500));
        wheel.set("c", at(40));
        wheel.set("d", at(7));
        wheel.clear(&"d");
        assert_eq!(wheel.next(), Some(at(30)));
        assert!(wheel.due(at(29)).is_empty());
        assert_eq!(wheel.due(at(30)), ["a", "b"]);
        assert_eq!(wheel.due(at(1000)), ["c"]);
        assert_eq!(wheel.next(), None);
    }
}
