//! Which members have been read, to know the second one of a name.

use crate::tree::Value;
use std::collections::HashSet;

/// Which slots of an object have been filled; hardly a type has more than 64 members, so the vector
/// mostly stays empty.
#[derive(Default)]
pub(super) struct Seen {
    low: u64,
    high: Vec<usize>,
}

impl Seen {
    /// Marks a slot; true when it was marked before.
    pub(super) fn again(&mut self, slot: usize) -> bool {
        if slot < 64 {
            let again = self.low >> slot & 1 == 1;
            self.low |= 1 << slot;
            return again;
        }
        let again = self.high.contains(&slot);
        if !again {
            self.high.push(slot);
        }
        again
    }
}

/// Which keys of a map have been read. Nothing is kept as long as they come sorted.
#[derive(Default)]
pub(super) struct Keys(Option<HashSet<Box<str>>>);

impl Keys {
    /// Marks a key; true when it is among the `earlier` ones.
    pub(super) fn again(&mut self, key: &str, earlier: &[(Box<str>, Value)]) -> bool {
        match &mut self.0 {
            Some(keys) => !keys.insert(key.into()),
            None if earlier.last().is_none_or(|(last, _)| &**last < key) => false,
            None => {
                let keys = earlier.iter().map(|(key, _)| key.clone()).collect();
                !self.0.insert(keys).insert(key.into())
            }
        }
    }
}
