//! Runs a script of writes on a simulated disk until the disk dies, and afterwards holds what
//! is found against what was promised.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::{Fault, ManualClock, Rng, SimDisk};
use store::{
    Durability, Embedded, Error, Event, Expect, Key, Op, OpenError, Options, Pending, Revision, Store,
    WatchItem, WatchRequest, Write, Writer, Written,
};

/// Small enough for every mechanism to run within a few dozen writes.
pub fn options() -> Options {
    Options {
        first_segment: 6 << 10,
        segment: 8 << 10,
        checkpoint: 8 << 10,
        window_events: 12,
        window_bytes: 1 << 20,
        relaxed_delay: Duration::from_secs(60),
        ceiling_step: 8,
        queue_bytes: 1 << 20,
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    Put {
        key: u8,
        length: usize,
        durability: Durability,
    },
    Delete {
        key: u8,
        durability: Durability,
    },
    /// Time passes: relaxed writes become due.
    Minute,
    /// Everything submitted since the last turn is one batch.
    Turn,
}

/// A store driven by hand.
pub struct Rig {
    pub store: Embedded,
    pub writer: Writer,
    pub clock: Arc<ManualClock>,
}

impl Rig {
    pub fn open_with(disk: &SimDisk, seed: u64, options: Options) -> Result<Self, OpenError> {
        let clock = Arc::new(ManualClock::new());
        let (store, writer) =
            Embedded::open_driven(disk.dir(), clock.clone(), Rng::from_seed(seed), options)?;
        Ok(Self { store, writer, clock })
    }

    pub fn open(disk: &SimDisk) -> Self {
        Self::open_with(disk, 7, options()).unwrap()
    }

    /// One turn with the background's work done at once.
    pub fn turn(&mut self) {
        while let Some(job) = self.writer.turn() {
            self.writer.finish(job.run());
        }
    }

    pub fn write(&mut self, op: Op, durability: Durability) -> Result<Written, Error> {
        let pending = self.store.write(Write { op, durability });
        self.turn();
        pending.wait()
    }

    pub fn put(&mut self, key: &str, value: &str) -> Result<Written, Error> {
        self.write(put(key, value.as_bytes()), Durability::Durable)
    }

    pub fn watch(&self, prefix: &str, from: u64) -> store::Watch {
        let prefix = prefix.as_bytes().to_vec();
        self.store.watch(&WatchRequest {
            prefix,
            from: Some(Revision(from)),
            capacity: 1000,
        })
    }
}

pub fn put(key: &str, value: &[u8]) -> Op {
    Op::Put {
        key: key.into(),
        value: Bytes::copy_from_slice(value),
        expect: Expect::Any,
        lease: None,
    }
}

/// Everything a watch has to tell at the moment.
pub fn drain(watch: &mut store::Watch) -> Result<Vec<Arc<Event>>, Error> {
    let mut events = Vec::new();
    while let Some(item) = watch.try_recv() {
        if let WatchItem::Event(event) = item? {
            events.push(event);
        }
    }
    Ok(events)
}

type State = BTreeMap<Vec<u8>, Bytes>;
/// What earlier lives left: the state, and the newest revision that anybody saw.
#[derive(Clone, Debug, Default)]
pub struct Past {
    state: State,
    seen: Revision,
}

type Change = (Vec<u8>, Option<Bytes>);

/// What the clients of a run know.
#[derive(Default)]
pub struct Known {
    /// The state when the run began.
    start: State,
    /// What was answered, in order.
    answered: Vec<(Revision, Change)>,
    /// The last batch, if it was not answered with success.
    doubtful: Vec<Change>,
    /// The newest revision that was answered for a durable write.
    durable: Revision,
    /// The newest revision anybody saw, in this run or before.
    seen: Revision,
}

macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition { return Err(format!($($message)*)); }
    };
}

fn changed(op: &Op) -> Change {
    match op {
        Op::Put { key, value, .. } => (key.to_vec(), Some(value.clone())),
        Op::Delete { key, .. } => (key.to_vec(), None),
        _ => unreachable!("scripts write keys only"),
    }
}

fn apply<'a>(state: &mut State, changes: impl IntoIterator<Item = &'a Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(state.insert(key.clone(), value.clone())),
            None => drop(state.remove(key)),
        }
    }
}

fn contents(store: &Embedded, revision: Option<Revision>) -> Result<State, Error> {
    let everything = store::KeyRange::prefix(b"");
    let snapshot = store.snapshot(revision)?;
    Ok(snapshot
        .range(&everything)
        .map(|row| (row.key.to_vec(), row.value.clone()))
        .collect())
}

/// A state without the padding of its values.
fn brief(state: &State) -> String {
    let value = |value: &Bytes| value.escape_ascii().to_string().trim_end_matches('.').to_owned();
    state
        .iter()
        .map(|(key, bytes)| format!("{}={} ", key.escape_ascii(), value(bytes)))
        .collect()
}

/// Runs the script until its end or until the disk fails for good. Ends without closing.
pub fn run(disk: &SimDisk, steps: &[Step], seed: u64, past: Past) -> Known {
    let mut known = Known {
        seen: past.seen,
        start: past.state,
        ..Known::default()
    };
    let Ok(mut rig) = Rig::open_with(disk, seed, options()) else {
        return known;
    };
    let mut pending: Vec<(Op, Durability, Pending<Written>)> = Vec::new();
    for (serial, step) in steps.iter().chain([&Step::Turn]).enumerate() {
        let (op, durability) = match step {
            Step::Minute | Step::Turn => {
                if matches!(step, Step::Minute) {
                    rig.clock.advance(Duration::from_secs(61));
                }
                rig.turn();
                if !known.learn(&mut pending) {
                    return known;
                }
                continue;
            }
            Step::Put {
                key,
                length,
                durability,
            } => {
                let value = [serial.to_string().as_bytes(), &vec![b'.'; *length]].concat();
                (put(&format!("k{key}"), &value), *durability)
            }
            Step::Delete { key, durability } => (
                Op::Delete {
                    key: Key::from(&*format!("k{key}")),
                    expect: Expect::Any,
                },
                *durability,
            ),
        };
        let answer = rig.store.write(Write {
            op: op.clone(),
            durability,
        });
        pending.push((op, durability, answer));
    }
    known
}

impl Known {
    /// Takes in the answers to a batch; false if it failed.
    fn learn(&mut self, pending: &mut Vec<(Op, Durability, Pending<Written>)>) -> bool {
        for (op, durability, answer) in pending.drain(..) {
            match answer.wait() {
                Ok(written) if written.row.is_some() || written.previous.is_some() => {
                    self.seen = self.seen.max(written.revision);
                    if durability == Durability::Durable {
                        self.durable = written.revision;
                    }
                    self.answered.push((written.revision, changed(&op)));
                }
                Ok(_) => {}
                Err(_) => self.doubtful.push(changed(&op)),
            }
        }
        self.doubtful.is_empty()
    }

    fn brief(&self) -> String {
        let change =
            |(key, value): &Change| format!("{}={:?}", key.escape_ascii(), value.as_ref().map(|v| v.len()));
        let answered: Vec<_> = self
            .answered
            .iter()
            .map(|(at, c)| format!("{}:{}", at.0, change(c)))
            .collect();
        let doubtful: Vec<_> = self.doubtful.iter().map(change).collect();
        let start = brief(&self.start);
        format!(
            "start {start}, {answered:?}, durable {:?}, seen {:?}, doubtful {doubtful:?}",
            self.durable, self.seen
        )
    }

    /// Holds a store that was opened after a crash against what was known before it.
    pub fn check(&self, rig: &mut Rig) -> Result<(), String> {
        let last = rig.store.revision();
        ensure!(
            last >= self.durable,
            "{last:?} is before the durable {:?}",
            self.durable
        );
        let before: Vec<_> = self
            .answered
            .iter()
            .filter(|(revision, _)| *revision <= last)
            .collect();
        let mut expected = self.start.clone();
        apply(&mut expected, before.iter().map(|(_, change)| change));
        let newest = self
            .answered
            .last()
            .map_or(Revision::ZERO, |(revision, _)| *revision);
        let found = contents(&rig.store, None).map_err(|error| error.to_string())?;
        let mut with_doubtful = expected.clone();
        apply(&mut with_doubtful, &self.doubtful);
        ensure!(
            found == expected || last > newest && found == with_doubtful,
            "{} instead of {}",
            brief(&found),
            brief(&expected)
        );
        check_window(&rig.store, &before, last)?;
        self.check_lost(rig, last)?;
        let next = rig.put("new", "x").map_err(|error| error.to_string())?.revision;
        ensure!(
            next > self.seen,
            "{next:?} was used before, {:?} was seen",
            self.seen
        );
        Ok(())
    }

    /// Whoever saw what is lost is told so.
    fn check_lost(&self, rig: &Rig, last: Revision) -> Result<(), String> {
        for lost in (last.0 + 1..=self.seen.0).map(Revision) {
            let read = rig.store.snapshot(Some(lost));
            ensure!(
                matches!(read, Err(Error::Compacted { .. })),
                "lost {lost:?} can be read: {read:?}"
            );
            let watched = rig.watch("", lost.0 + 1).try_recv();
            ensure!(
                matches!(watched, Some(Err(Error::Compacted { .. }))),
                "watch beyond lost {lost:?}: {watched:?}"
            );
        }
        Ok(())
    }
}

/// The window tells the past without a break: from its floor, every event leads to the state
/// that can be read at its revision, from the state it says was before.
fn check_window(store: &Embedded, answered: &[&(Revision, Change)], last: Revision) -> Result<(), String> {
    let floor = (0..=last.0)
        .map(Revision)
        .find(|&revision| contents(store, Some(revision)).is_ok());
    let Some(floor) = floor else {
        return Err("nothing can be read".to_owned());
    };
    let mut state = contents(store, Some(floor)).map_err(|error| error.to_string())?;
    let request = WatchRequest {
        prefix: vec![],
        from: Some(floor.next()),
        capacity: 0,
    };
    let events = drain(&mut store.watch(&request)).map_err(|error| error.to_string())?;
    for event in &events {
        let previous = event.previous.as_ref().map(|row| &row.value);
        ensure!(
            state.get(event.key()) == previous,
            "wrong previous value in {event:?}"
        );
        let change = (
            event.key().to_vec(),
            event.row.as_ref().map(|row| row.value.clone()),
        );
        apply(&mut state, [&change]);
        ensure!(
            contents(store, Some(event.revision)).ok().as_ref() == Some(&state),
            "wrong past at {event:?}"
        );
    }
    for (revision, change) in answered.iter().filter(|(revision, _)| *revision > floor) {
        let told = events.iter().find(|event| event.revision == *revision);
        ensure!(
            told.is_some_and(|event| event.key() == &change.0[..]),
            "no event at {revision:?}"
        );
    }
    Ok(())
}

/// One life and death: run with the power cut at the given I/O, crash, open, check.
pub fn ordeal(disk: &SimDisk, steps: &[Step], cut: u64, rng: &mut Rng, past: Past) -> Result<Past, String> {
    disk.fail_nth(cut, Fault::PowerCut);
    let known = run(disk, steps, rng.next_u64(), past);
    disk.crash(rng);
    let opened = Rig::open_with(disk, rng.next_u64(), options());
    let mut rig = opened.map_err(|error| format!("open: {error}"))?;
    known
        .check(&mut rig)
        .map_err(|message| format!("{message}; known: {}", known.brief()))?;
    let state = contents(&rig.store, None).map_err(|error| error.to_string())?;
    Ok(Past {
        state,
        seen: rig.store.revision(),
    })
}
