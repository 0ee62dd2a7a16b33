use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use driver::{ManualClock, Rng, Sim, SimDisk};
use store::{Embedded, Expect, Key, Options, Pending, Write, Written};

use super::*;
use crate::select::{LabelSelector, Selection};

const PODS: &str = "/registry/pods/";

/// A store whose writer runs when somebody writes: nothing happens on another thread, so that a seed is a run.
pub(crate) struct Driven {
    store: Embedded,
    writer: Mutex<store::Writer>,
}

impl Driven {
    pub(crate) fn new(window: usize) -> Arc<Self> {
        let options = Options {
            window_events: window,
            ..Options::default()
        };
        let clock = Arc::new(ManualClock::new());
        let disk = SimDisk::new().dir();
        let (store, writer) = Embedded::open_driven(disk, clock, Rng::from_seed(4), options).unwrap();
        let writer = Mutex::new(writer);
        Arc::new(Self { store, writer })
    }
}

impl Store for Driven {
    fn revision(&self) -> store::Revision {
        self.store.revision()
    }

    fn get(&self, key: &[u8]) -> Pending<Option<Arc<store::KeyValue>>> {
        self.store.get(key)
    }

    fn range(&self, request: &RangeRequest) -> Pending<store::RangeResponse> {
        self.store.range(request)
    }

    fn write(&self, write: Write) -> Pending<Written> {
        let pending = self.store.write(write);
        self.writer
            .lock()
            .unwrap()
            .turn()
            .into_iter()
            .for_each(|job| drop(job.run()));
        pending
    }

    fn watch(&self, request: &store::WatchRequest) -> store::Watch {
        self.store.watch(request)
    }

    fn compact(&self, revision: store::Revision) -> Pending<()> {
        self.store.compact(revision)
    }
}

fn body(name: &str, label: u64) -> Bytes {
    format!(r#"{{"metadata":{{"name":"{name}","namespace":"n","labels":{{"l":"{label}"}}}}}}"#).into()
}

fn key(at: u64) -> (String, Key) {
    let name = format!("p{at}");
    let key = Key::from(format!("{PODS}n/{name}").as_str());
    (name, key)
}

/// Sets or deletes one of a few pods.
async fn write(store: &Arc<Driven>, rng: &mut Rng) -> u64 {
    let (name, key) = key(rng.below(6));
    let pending = if rng.one_in(3) {
        store.delete(key, Expect::Any)
    } else {
        store.put(key, body(&name, rng.below(2)), Expect::Any)
    };
    pending.await.unwrap().revision.0
}

type Seen = BTreeMap<String, u64>;

fn seen(snapshot: &Snapshot, selection: &Selection) -> Seen {
    let selected = snapshot.iter().filter(|object| selection.matches(object));
    selected
        .map(|object| (object.key.to_string(), object.rev.0))
        .collect()
}

/// What a client knows that began with a list and heard one event.
fn hear(seen: &mut Seen, event: &Event, selection: &Selection) {
    match event.told(selection) {
        Some((Change::Deleted, object)) => {
            assert_eq!(object.rev, event.revision);
            assert!(seen.remove(&*object.key).is_some(), "only what is there goes");
        }
        Some((change, object)) => {
            let before = seen.insert(object.key.to_string(), object.rev.0);
            assert_eq!(before.is_none(), change == Change::Added);
        }
        None => {}
    }
}

fn selection(text: &str) -> Selection {
    let labels = LabelSelector::parse(text).unwrap();
    Selection {
        labels,
        ..Selection::default()
    }
}

/// A watch from any revision, replayed over the list of then, is the later list.
async fn replay(env: Sim, seed: u64) {
    let store = Driven::new(1000);
    let cache = Cache::open(store.clone(), Arc::new(env.clone())).await.unwrap();
    let mut rng = Rng::from_seed(seed);
    let selection = selection(["", "l=1", "!l"][usize::try_from(seed % 3).unwrap()]);
    let mut lists: Vec<(u64, Seen)> = Vec::new();
    for _ in 0..150 {
        write(&store, &mut rng).await;
        if rng.one_in(4) {
            cache.wait_for_newest().await.unwrap();
            let snapshot = cache.snapshot(PODS);
            lists.push((snapshot.revision.0, seen(&snapshot, &selection)));
        }
    }
    cache.wait_for_newest().await.unwrap();
    let last = cache.snapshot(PODS);
    for (revision, mut known) in lists {
        let mut watcher = cache.watch(PODS, Scope::All, Revision(revision)).unwrap();
        // A marker says that everything before it has been told.
        let (name, marker) = key(99);
        store
            .put(marker.clone(), body(&name, 9), Expect::Any)
            .await
            .unwrap();
        let end = store.delete(marker, Expect::Any).await.unwrap().revision.0;
        loop {
            let event = watcher.next().await.unwrap();
            if event.revision.0 == end {
                break;
            }
            if event.key() != "n/p99" {
                hear(&mut known, &event, &selection);
            }
        }
        assert_eq!(known, seen(&last, &selection), "seed {seed}, from {revision}");
    }
}

#[test]
fn a_watch_replayed_over_a_list_is_the_later_list() {
    for seed in 0..30 {
        let sim = Sim::new(seed);
        sim.block_on(replay(sim.clone(), seed));
    }
}

#[test]
fn a_slow_watcher_reads_on_from_the_window_and_is_cut_off_behind_it() {
    let sim = Sim::new(5);
    let env = sim.clone();
    sim.block_on(async move {
        let store = Driven::new(100_000);
        let cache = Cache::open(store.clone(), Arc::new(env)).await.unwrap();
        let begin = cache.revision();
        let mut slow = cache.watch(PODS, Scope::Namespace("n".into()), begin).unwrap();
        let mut rng = Rng::from_seed(1);
        let (name, key) = key(1);
        let first = store.put(key.clone(), body(&name, 0), Expect::Any).await.unwrap();
        assert_eq!(slow.next().await.unwrap().revision.0, first.revision.0);
        // More than a watcher's queue holds, less than the window.
        for _ in 0..500 {
            store
                .put(key.clone(), body(&name, rng.below(2)), Expect::Any)
                .await
                .unwrap();
        }
        cache.wait_for_newest().await.unwrap();
        for after in 1..=500 {
            assert_eq!(slow.next().await.unwrap().revision.0, first.revision.0 + after);
        }
        for _ in 0..9000 {
            store.put(key.clone(), body(&name, 0), Expect::Any).await.unwrap();
        }
        cache.wait_for_newest().await.unwrap();
        assert_eq!(slow.next().await.unwrap_err(), Ended::Lost);
        assert!(cache.watch(PODS, Scope::All, begin).is_err());
    });
}

#[test]
fn what_the_pump_missed_is_read_anew_and_watches_end() {
    let sim = Sim::new(6);
    let env = sim.clone();
    sim.block_on(async move {
        let store = Driven::new(10);
        let cache = Cache::open(store.clone(), Arc::new(env)).await.unwrap();
        let mut watcher = cache.watch(PODS, Scope::All, cache.revision()).unwrap();
        let (name, key) = key(1);
        // More than waits for the pump: its watch ends with `Lagged`.
        for _ in 0..70_000 {
            store.put(key.clone(), body(&name, 0), Expect::Any).await.unwrap();
        }
        cache.wait_for_newest().await.unwrap();
        assert_eq!(
            cache.snapshot(PODS).get("n/p1").unwrap().rev.0,
            store.revision().0
        );
        assert_eq!(watcher.next().await.unwrap_err(), Ended::Lost);
        let mut again = cache.watch(PODS, Scope::All, cache.revision()).unwrap();
        store.delete(key, Expect::Any).await.unwrap();
        assert!(again.next().await.unwrap().object.is_none());
    });
}

#[test]
fn a_wait_ends_with_the_revision_or_after_three_seconds() {
    let sim = Sim::new(7);
    let env = sim.clone();
    sim.block_on(async move {
        let store = Driven::new(10);
        let cache = Cache::open(store.clone(), Arc::new(env)).await.unwrap();
        // A key that is not the API server's moves the revision all the same.
        let outside = store
            .put(Key::from("elsewhere"), Bytes::new(), Expect::Any)
            .await
            .unwrap();
        cache.wait(Revision(outside.revision.0)).await.unwrap();
        let future = outside.revision.0 + 5;
        let refused = cache.wait(Revision(future)).await.unwrap_err().to_string();
        let text = format!(
            "Too large resource version: {future}, current: {}",
            outside.revision.0
        );
        assert_eq!(refused, text);
    });
}

#[test]
fn frames_are_made_once_and_given_up_with_age() {
    let event = Event::new(Revision(1), None, None);
    let key: FrameKey = (Change::Added, "json v1".into());
    let first = event.frame(&key, || Bytes::from_static(b"a"));
    assert_eq!(event.frame(&key, || unreachable!("it is known")), first);
    event.forget_frames();
    assert_eq!(event.frame(&key, || Bytes::from_static(b"b")), "b");
}
