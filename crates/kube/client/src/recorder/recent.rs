//! A map that keeps what was used last.

use std::collections::BTreeMap;

/// At most so many values; the one that was not asked for longest gives way.
pub(super) struct Recent<K, V> {
    limit: usize,
    ticks: u64,
    values: BTreeMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V: Default> Recent<K, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            ticks: 0,
            values: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// The value of a key, a new one if there is none.
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        self.ticks += 1;
        if let Some((used, _)) = self.values.get(&key) {
            self.order.remove(used);
        } else if self.values.len() >= self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
        }
        self.order.insert(self.ticks, key.clone());
        let (used, value) = self.values.entry(key).or_default();
        *used = self.ticks;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_used_longest_ago_gives_way() {
        let mut recent: Recent<&str, u32> = Recent::new(2);
        *recent.entry("a") += 1;
        *recent.entry("b") += 1;
        *recent.entry("a") += 1;
        *recent.entry("c") += 1;
        assert_eq!((*recent.entry("a"), recent.values.len()), (2, 2));
        assert_eq!(*recent.entry("b"), 0, "forgotten");
        assert_eq!(recent.order.len(), 2);
    }
}
