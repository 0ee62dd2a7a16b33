//! Writers and a counter in every order that a seed gives: what is stored never exceeds what the quota allows.

use std::collections::BTreeSet;

use super::*;

const NAMESPACE: &str = "n";

/// What the store has, and the rooms' use of it.
#[derive(Default)]
struct World {
    ledger: Ledger,
    /// Whether counts ask the ledger.
    asks: bool,
    objects: BTreeSet<usize>,
    /// The quota: its version, what it allows and what is used, once somebody has counted.
    version: u64,
    status: Option<(usize, usize)>,
    /// The objects that there were, or were under way, when it was counted first.
    before: usize,
}

/// Where a writer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    Outside,
    Entered,
    Charged,
    Done,
}

/// Where the counter stands.
#[derive(Clone, Copy, Debug)]
enum Counter {
    Idle,
    Counted { used: usize, version: u64 },
    Storing { used: usize, version: u64 },
}

fn pods() -> Resource {
    ("".into(), "pods".into())
}

impl World {
    fn write(&mut self, id: usize, writer: Writer) -> Writer {
        match writer {
            Writer::Outside if self.ledger.enter(NAMESPACE, &pods()) => Writer::Entered,
            Writer::Outside => Writer::Outside,
            Writer::Entered => match self.status {
                Some((hard, used)) if used >= hard => self.left(false),
                Some((hard, used)) => {
                    self.status = Some((hard, used + 1));
                    self.version += 1;
                    Writer::Charged
                }
                None => Writer::Charged,
            },
            Writer::Charged => {
                self.objects.insert(id);
                self.left(true)
            }
            Writer::Done => Writer::Done,
        }
    }

    fn left(&self, stored: bool) -> Writer {
        self.ledger.leave(NAMESPACE, &pods(), stored, |_| true);
        Writer::Done
    }

    fn count(&mut self, counter: Counter, hard: usize, under_way: usize) -> Counter {
        match counter {
            Counter::Idle => Counter::Counted {
                used: self.objects.len(),
                version: self.version,
            },
            Counter::Counted { used, version } => {
                let may = !self.asks || self.ledger.count(NAMESPACE, "q", |_| true);
                match may {
                    true => Counter::Storing { used, version },
                    false => Counter::Idle,
                }
            }
            Counter::Storing { used, version } => {
                if version == self.version {
                    if self.status.is_none() {
                        self.before = self.objects.len() + under_way;
                    }
                    self.status = Some((hard, used));
                    self.version += 1;
                }
                if self.asks {
                    self.ledger.counted(NAMESPACE);
                }
                Counter::Idle
            }
        }
    }
}

/// A small generator: the same seed, the same order.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// How many objects there are too many once all writers are done.
fn excess(seed: u64, asks: bool) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (count, hard) = (2 + dice.below(8), 1 + dice.below(4));
    let mut world = World {
        asks,
        ..World::default()
    };
    let mut writers = vec![Writer::Outside; count];
    let mut counter = Counter::Idle;
    for _ in 0..10_000 {
        let at = dice.below(count + 2);
        if let Some(writer) = writers.get(at).copied() {
            writers[at] = world.write(at, writer);
        } else {
            let charged = writers.iter().filter(|writer| **writer == Writer::Charged);
            let under_way = charged.count();
            counter = world.count(counter, hard, under_way);
        }
        if writers.iter().all(|writer| *writer == Writer::Done) {
            break;
        }
    }
    assert!(
        writers.iter().all(|writer| *writer == Writer::Done),
        "nobody waits for ever: {seed} {writers:?} {counter:?}"
    );
    match world.status {
        Some(_) => world.objects.len().saturating_sub(hard.max(world.before)),
        None => 0,
    }
}

#[test]
fn no_order_leaves_more_than_a_quota_allows() {
    for seed in 1..20_000 {
        assert_eq!(excess(seed, true), 0, "seed {seed}");
    }
}

/// Without the ledger some orders do: the simulation would see it.
#[test]
fn without_the_ledger_some_orders_leave_more() {
    assert!((1..2_000).any(|seed| excess(seed, false) > 0));
}

#[test]
fn a_count_is_made_again_after_what_it_has_not_seen() {
    let ledger = Ledger::default();
    let count = || ledger.count(NAMESPACE, "q", |_| true);
    assert!(ledger.enter(NAMESPACE, &pods()));
    assert!(!count(), "one is under way");
    ledger.leave(NAMESPACE, &pods(), true, |_| true);
    assert!(!count(), "it ended after the count was refused");
    assert!(count(), "which the next one has seen");
    assert!(
        !ledger.enter(NAMESPACE, &pods()),
        "while a count is stored nothing begins"
    );
    ledger.counted(NAMESPACE);
    assert!(ledger.enter(NAMESPACE, &pods()));
    assert!(!ledger.count(NAMESPACE, "r", |_| true));
    assert!(
        ledger.count(NAMESPACE, "r", |_| false),
        "nothing that this one counts"
    );
}

#[test]
fn a_count_that_is_refused_often_closes_the_namespace() {
    let ledger = Ledger::default();
    assert!(ledger.enter(NAMESPACE, &pods()));
    for _ in 0..PATIENCE {
        assert!(!ledger.count(NAMESPACE, "q", |_| true));
    }
    assert!(!ledger.enter(NAMESPACE, &pods()));
    assert!(ledger.enter("other", &pods()));
    ledger.leave(NAMESPACE, &pods(), false, |_| true);
    assert!(ledger.count(NAMESPACE, "q", |_| true));
    ledger.counted(NAMESPACE);
    assert!(ledger.enter(NAMESPACE, &pods()));
}

#[test]
fn nothing_is_remembered_where_nobody_counts() {
    let ledger = Ledger::default();
    for namespace in 0..1000 {
        let namespace = namespace.to_string();
        assert!(ledger.enter(&namespace, &pods()));
        ledger.leave(&namespace, &pods(), true, |_| false);
    }
    assert!(ledger.rooms().is_empty());
}
