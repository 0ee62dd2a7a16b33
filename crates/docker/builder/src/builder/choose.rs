//! Which records of the cache a prune takes, and in which order: BuildKit's rules. Pure.
//!
//! A record goes when nobody uses it, no other record was made upon it, and it is not an image's too (unless all are
//! asked for). Those below may follow. Where some bytes are to be kept, one goes after the other until less than those
//! are left: first what was used least, both long ago and seldom.

use std::collections::{BTreeMap, BTreeSet};

use super::usage::CacheRecord;

/// Places in `records`, in the order in which they go. With `keep` of 0 nothing is kept.
pub(super) fn choose(
    records: &[&CacheRecord],
    all: bool,
    keep: u64,
    filter: &dyn Fn(&CacheRecord) -> bool,
) -> Vec<usize> {
    let upon = |record: &CacheRecord| record.parent.clone();
    // How many are left upon each.
    let mut children: BTreeMap<String, usize> = BTreeMap::new();
    for parent in records.iter().filter_map(|record| upon(record)) {
        *children.entry(parent).or_default() += 1;
    }
    let mut left: u64 = unshared(records);
    let mut open: BTreeSet<usize> = (0..records.len())
        .filter(|at| {
            let record = records[*at];
            !record.in_use && (all || !record.shared) && filter(record)
        })
        .collect();
    let mut chosen = Vec::new();
    loop {
        let free = |at: &usize| children.get(&records[*at].id).is_none_or(|count| *count == 0);
        let mut ready: Vec<usize> = open.iter().copied().filter(free).collect();
        if ready.is_empty() || (keep != 0 && left < keep) {
            return chosen;
        }
        if keep != 0 {
            ready = vec![least_used(records, &ready)];
        }
        for at in ready {
            open.remove(&at);
            left = left.saturating_sub(records[at].size);
            if let Some(count) = upon(records[at]).and_then(|parent| children.get_mut(&parent)) {
                *count -= 1;
            }
            chosen.push(at);
        }
    }
}

/// Bytes of the records that are no image's.
fn unshared(records: &[&CacheRecord]) -> u64 {
    let own = records.iter().filter(|record| !record.shared);
    own.map(|record| record.size).sum()
}

/// The one with the lowest sum of two ranks, each in parts of its highest: by the time of the last use (counted from
/// what was never used), by the number of uses (from none).
fn least_used(records: &[&CacheRecord], ready: &[usize]) -> usize {
    let ranks = |least: i128, by: &dyn Fn(usize) -> i128| -> BTreeMap<i128, usize> {
        let values = ready.iter().map(|at| by(*at));
        let values: BTreeSet<i128> = values.chain([least]).collect();
        values.into_iter().zip(1..).collect()
    };
    let last_used = |at: usize| records[at].last_used.as_nanosecond();
    let uses = |at: usize| i128::from(records[at].uses);
    let (by_time, by_uses) = (ranks(i128::MIN, &last_used), ranks(0, &uses));
    // Over a common denominator, so that it is exact.
    let score = |at: usize| by_time[&last_used(at)] * by_uses.len() + by_uses[&uses(at)] * by_time.len();
    let least = ready.iter().copied().min_by_key(|at| (score(*at), *at));
    least.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use image::Digest;
    use jiff::Timestamp;

    use super::super::usage::CacheKind;
    use super::*;

    /// `id<parent size@last-used*uses`, and `+` for what is an image's too, `!` for what a build uses.
    fn record(text: &str) -> CacheRecord {
        let (names, numbers) = text.split_once(' ').unwrap();
        let (id, parent) = names
            .split_once('<')
            .map_or((names, None), |(id, parent)| (id, Some(parent)));
        let plain = numbers.trim_end_matches(['+', '!']);
        let (size, used) = plain.split_once('@').unwrap();
        let (time, uses) = used.split_once('*').unwrap();
        let last_used = Timestamp::from_second(time.parse().unwrap()).unwrap();
        CacheRecord {
            id: id.to_owned(),
            kind: CacheKind::Step,
            image: Some(Digest::of(id.as_bytes())),
            parent: parent.map(String::from),
            description: String::new(),
            size: size.parse().unwrap(),
            created: last_used,
            last_used,
            uses: uses.parse().unwrap(),
            shared: numbers.contains('+'),
            in_use: numbers.contains('!'),
        }
    }

    fn chosen(records: &[&str], all: bool, keep: u64, filter: &dyn Fn(&CacheRecord) -> bool) -> String {
        let records: Vec<_> = records.iter().map(|text| record(text)).collect();
        let records: Vec<_> = records.iter().collect();
        let chosen = choose(&records, all, keep, filter);
        chosen
            .iter()
            .map(|at| &*records[*at].id)
            .collect::<Vec<_>>()
            .join(" ")
    }

    const CHAIN: &[&str] = &["a 1@1*0", "b<a 2@2*0", "c<b 4@3*0", "d<a 8@4*0"];

    #[test]
    fn what_others_were_made_upon_follows_them() {
        assert_eq!(chosen(CHAIN, false, 0, &|_| true), "c d b a");
        assert_eq!(chosen(CHAIN, false, 0, &|record| record.id != "d"), "c b");
        assert_eq!(chosen(CHAIN, false, 0, &|record| record.id == "a"), "");
    }

    #[test]
    fn what_is_an_images_goes_only_with_all() {
        let records = &["a 1@1*0+", "b<a 1@1*0+", "c<a 1@1*0", "x 1@1*0!", "y<x 1@1*0"];
        assert_eq!(chosen(records, false, 0, &|_| true), "c y");
        assert_eq!(chosen(records, true, 0, &|_| true), "b c y a");
    }

    #[test]
    fn what_is_kept_is_less_than_asked_for() {
        for (keep, expected) in [
            (16, ""),
            // Of 15 bytes not less than 15 may stay.
            (15, "c"),
            (11, "c b"),
            (1, "c b d a"),
        ] {
            assert_eq!(chosen(CHAIN, false, keep, &|_| true), expected, "{keep}");
        }
        // Long ago and often, or lately and seldom: the sum decides.
        let records = &["a 1@1*9", "b 1@2*0", "c 1@3*5"];
        assert_eq!(chosen(records, false, 3, &|_| true), "b");
        // What images have is not counted.
        assert_eq!(chosen(&["a 100@1*0+", "b 5@1*0"], false, 6, &|_| true), "");
    }
}
