//! At most ten managers by update: beyond that, the oldest become one, `ancient-changes`.

use std::collections::BTreeMap;

use super::entry::{Entry, Operation};

/// The most entries of updates that an object keeps.
const MAX_UPDATES: usize = 10;

/// The manager that the oldest become, one for each version.
const ANCIENT: &str = "ancient-changes";

/// Joins the oldest updates of each version until there are few enough.
pub(super) fn cap(entries: &mut Vec<Entry<'_>>) {
    let updates = entries.iter().filter(|entry| !entry.applied()).count();
    if updates <= MAX_UPDATES {
        return;
    }
    let mut oldest = std::mem::take(entries);
    oldest.sort_by_cached_key(|entry| (entry.time.clone().unwrap_or_default(), entry.identity()));
    let mut excess = updates - MAX_UPDATES;
    let mut first_of: BTreeMap<String, usize> = BTreeMap::new();
    for entry in oldest {
        match first_of.get(&*entry.api_version) {
            _ if entry.applied() || excess == 0 => entries.push(entry),
            Some(at) => {
                join(&mut entries[*at], entry);
                excess -= 1;
            }
            None => {
                first_of.insert(entry.api_version.to_string(), entries.len());
                entries.push(entry);
            }
        }
    }
}

fn join<'a>(bucket: &mut Entry<'a>, entry: Entry<'a>) {
    bucket.manager = ANCIENT.into();
    bucket.operation = Operation::Update;
    bucket.subresource = "".into();
    bucket.time = entry.time;
    let before = std::mem::take(bucket.fields_mut());
    *bucket.fields_mut() = entry.fields.union(before);
}
