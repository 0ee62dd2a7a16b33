//! A plan against the rules it follows, whatever there is on the disk.

use proptest::prelude::*;

use super::*;

const GB: u64 = 1_000_000_000;
const NOW: i64 = 1_000_000_000_000;

fn item(class: Class, last_used: i64, parts: &[usize]) -> Item {
    Item {
        class,
        parts: parts.to_vec(),
        last_used,
        parent: None,
        holds: Vec::new(),
    }
}

/// Parts of a gigabyte each on a disk of a hundred.
fn disk(used: u64, parts: usize, items: Vec<Item>) -> Snapshot {
    let part = Part {
        bytes: GB,
        pinned: false,
    };
    let space = Space {
        total: 100 * GB,
        used: used * GB,
    };
    Snapshot {
        now: NOW,
        minimum_age: Duration::from_secs(120),
        space,
        parts: vec![part; parts],
        items,
    }
}

fn goes(snapshot: &Snapshot, quota: &str) -> Vec<usize> {
    let plan = plan(snapshot, quota.parse().unwrap());
    plan.removals.iter().map(|removal| removal.item).collect()
}

#[test]
fn nothing_goes_before_it_has_to() {
    let many = |used| {
        disk(
            used,
            10,
            (0_u8..10)
                .map(|at| item(Class::Repullable, 50 - i64::from(at), &[usize::from(at)]))
                .collect(),
        )
    };
    assert!(goes(&many(80), "100%").is_empty());
    assert_eq!(
        goes(&many(81), "100%"),
        [9, 8, 7, 6, 5, 4],
        "the least recently used first, down to 75"
    );
    assert_eq!(
        goes(&many(41), "50%"),
        [9, 8, 7, 6],
        "41 of 50 is more than 80 %, 37.5 is 75 %"
    );
    assert_eq!(
        goes(&many(20), "10000000000"),
        [9, 8, 7],
        "ten of ten, down to 7.5"
    );
    assert!(goes(&many(20), "20GB").is_empty());
}

#[test]
fn what_exists_nowhere_else_stays_however_full_it_is() {
    let all = Class::ALL
        .iter()
        .enumerate()
        .map(|(at, class)| item(*class, 0, &[at]));
    let snapshot = disk(100, Class::ALL.len(), all.collect());
    let gone = goes(&snapshot, "100%");
    let classes: Vec<Class> = gone.iter().map(|at| snapshot.items[*at].class).collect();
    assert_eq!(
        classes,
        [
            Class::Repullable,
            Class::Cache,
            Class::CacheMount,
            Class::Dangling
        ]
    );
    assert_eq!(plan(&snapshot, Quota::default()).short(), 21 * GB);
}

#[test]
fn what_somebody_uses_stays() {
    let mut items: Vec<Item> = (0..4).map(|at| item(Class::Repullable, 0, &[at])).collect();
    items[0].holds = vec![Hold::Container("web".to_owned())];
    items[1].holds = vec![Hold::Pod("prod/web".to_owned())];
    items[2].holds = vec![Hold::Lease];
    items[3].last_used = NOW - 120_000_000 + 1;
    let snapshot = disk(100, 4, items);
    assert!(goes(&snapshot, "100%").is_empty());
    let why: Vec<String> = (0..4).filter_map(|at| snapshot.stays(at)).collect();
    assert_eq!(
        why,
        [
            "used by container web",
            "used by pod prod/web",
            "used by something under way",
            "used within the last 120s"
        ]
    );
}

#[test]
fn steps_go_from_the_last_to_the_first() {
    // A chain of three, used at once; the last one adds the last part.
    let mut items: Vec<Item> = (0..3)
        .map(|at| item(Class::Cache, 7, &(0..=at).collect::<Vec<_>>()))
        .collect();
    items[1].parent = Some(0);
    items[2].parent = Some(1);
    assert_eq!(goes(&disk(81, 3, items.clone()), "100%"), [2, 1, 0]);
    items[2].holds = vec![Hold::Lease];
    assert!(goes(&disk(81, 3, items), "100%").is_empty());
}

#[test]
fn what_would_free_nothing_is_left_alone() {
    // All of the older one is in use through another.
    let mut items = vec![
        item(Class::Repullable, 1, &[0]),
        item(Class::Repullable, 2, &[1]),
        item(Class::OnlyHere, 3, &[0]),
    ];
    assert_eq!(goes(&disk(100, 2, items.clone()), "100%"), [1]);
    // Two that share go together, or not at all.
    items[2].class = Class::Dangling;
    assert_eq!(goes(&disk(100, 2, items), "100%"), [0, 1, 2]);
}

#[test]
fn reasons_are_sentences() {
    let full = need(Quota::default(), disk(83, 0, Vec::new()).space, 0).unwrap();
    assert_eq!(full.reason.to_string(), "the disk is 83% full, over 80%");
    let many = need(Quota::Bytes(10 * GB), Space::default(), 9 * GB).unwrap();
    assert_eq!(many.reason.to_string(), "caches take 9GB, over 8GB");
    assert_eq!(many.bytes, 1_500_000_000);
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let parts = prop::collection::vec((0..50 * GB, prop::bool::weighted(0.1)), 1..12);
    let item = (
        0..Class::ALL.len(),
        prop::collection::btree_set(0..12_usize, 0..5),
        0..NOW,
        prop::option::of(0..20_usize),
        prop::bool::weighted(0.15),
    );
    let items = prop::collection::vec(item, 0..20);
    (parts, items, 0..=100_u64).prop_map(|(parts, items, used)| {
        let count = parts.len();
        let items = items
            .into_iter()
            .enumerate()
            .map(|(at, (class, parts, last_used, parent, held))| Item {
                class: Class::ALL[class],
                parts: parts.into_iter().filter(|part| *part < count).collect(),
                last_used,
                // What is built upon comes before what is built.
                parent: parent.filter(|parent| *parent < at),
                holds: if held { vec![Hold::Lease] } else { Vec::new() },
            });
        let parts = parts.into_iter().map(|(bytes, pinned)| Part { bytes, pinned });
        Snapshot {
            parts: parts.collect(),
            ..disk(used, 0, items.collect())
        }
    })
}

/// Bytes that are free once all of these are gone, counted from nothing.
fn free_without(snapshot: &Snapshot, gone: &[usize]) -> u64 {
    let is_free = |place: usize| {
        let mut having = (0..snapshot.items.len()).filter(|at| snapshot.items[*at].parts.contains(&place));
        let had = having.clone().next().is_some();
        had && having.all(|at| gone.contains(&at)) && !snapshot.parts[place].pinned
    };
    let free = (0..snapshot.parts.len()).filter(|place| is_free(*place));
    free.map(|place| snapshot.parts[place].bytes).sum()
}

/// The snapshot once a plan was carried out.
fn after(snapshot: &Snapshot, plan: &Plan) -> Snapshot {
    let mut left = snapshot.clone();
    left.space.used = left.space.used.saturating_sub(plan.frees());
    for removal in &plan.removals {
        let item = &mut left.items[removal.item];
        item.parts.clear();
        item.parent = None;
        item.holds = vec![Hold::Lease];
    }
    left
}

proptest! {
    #[test]
    fn a_plan_follows_the_rules(snapshot in snapshots(), percent in 1..=100_u8) {
        let quota = Quota::Percent(percent);
        let plan = plan(&snapshot, quota);
        let gone: Vec<usize> = plan.removals.iter().map(|removal| removal.item).collect();
        for (nth, at) in gone.iter().enumerate() {
            let item = &snapshot.items[*at];
            prop_assert!(item.class.may_go() && item.holds.is_empty());
            prop_assert!(NOW - item.last_used >= 120_000_000);
            // All that was built upon it has gone before.
            for (child, other) in snapshot.items.iter().enumerate() {
                prop_assert!(other.parent != Some(*at) || gone[..nth].contains(&child));
            }
        }
        prop_assert_eq!(plan.frees(), free_without(&snapshot, &gone));
        match plan.need {
            None => prop_assert!(gone.is_empty()),
            Some(need) => {
                // Without the last one it would not be enough; and nothing goes for nothing.
                if let Some((_, before)) = gone.split_last() {
                    prop_assert!(free_without(&snapshot, before) < need.bytes);
                }
                if plan.short() > 0 {
                    let may: Vec<usize> = choose(&snapshot, u64::MAX).iter().map(|removal| removal.item).collect();
                    prop_assert_eq!(free_without(&snapshot, &may), plan.frees(), "all that may go goes");
                } else {
                    prop_assert_eq!(super::plan(&after(&snapshot, &plan), quota).need, None, "once is enough");
                }
            }
        }
    }

    #[test]
    fn who_was_used_later_stays_longer(snapshot in snapshots(), bytes in 0..300 * GB) {
        let gone: Vec<usize> = choose(&snapshot, bytes).iter().map(|removal| removal.item).collect();
        let Some(last) = gone.iter().map(|at| snapshot.items[*at].last_used).max() else { return Ok(()) };
        // What is older, free to go and would free something by itself is not spared.
        for at in (0..snapshot.items.len()).filter(|at| !gone.contains(at)) {
            let item = &snapshot.items[at];
            let is_free = snapshot.stays(at).is_none()
                && !snapshot.items.iter().any(|other| other.parent == Some(at))
                && item.last_used < last;
            if is_free {
                let with = [&gone[..], &[at]].concat();
                prop_assert_eq!(free_without(&snapshot, &with), free_without(&snapshot, &gone));
            }
        }
    }
}
