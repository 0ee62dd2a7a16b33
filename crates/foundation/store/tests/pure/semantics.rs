//! What writes, reads, watches and leases mean.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::{RealDir, Rng, SimDisk, SystemClock};
use store::{
    Durability, Embedded, Error, Expect, Key, KeyRange, LeaseId, Op, Options, RangeRequest, Revision,
    Snapshot, Store, WatchItem, WatchRequest, Write,
};

use crate::rig::{Rig, drain, put};

fn conditional(key: &str, value: &str, expect: Expect) -> Op {
    Op::Put {
        key: key.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        expect,
        lease: None,
    }
}

fn rig() -> Rig {
    Rig::open(&SimDisk::new())
}

#[test]
fn compare_and_swap_is_on_the_modification_revision() {
    let mut rig = rig();
    let mut check = |op: Op| rig.write(op, Durability::Durable);
    let first = check(conditional("a", "1", Expect::Absent)).unwrap();
    let refused = check(conditional("a", "2", Expect::Absent)).unwrap_err();
    assert!(matches!(refused, Error::RevisionMismatch { current } if current == first.row));
    let second = check(conditional("a", "2", Expect::At(first.revision))).unwrap();
    assert_eq!(second.previous, first.row);
    let row = second.row.unwrap();
    assert_eq!(
        (row.create_revision, row.mod_revision, row.version),
        (first.revision, second.revision, 2)
    );
    let delete = |expect| Op::Delete {
        key: Key::from("a"),
        expect,
    };
    check(delete(Expect::At(first.revision))).unwrap_err();
    let deleted = check(delete(Expect::At(second.revision))).unwrap();
    assert_eq!(deleted.previous.unwrap(), row);
    let nothing = check(delete(Expect::Any)).unwrap();
    assert_eq!(
        (nothing.revision, nothing.previous),
        (deleted.revision, None),
        "not a write"
    );
    let again = check(conditional("a", "3", Expect::Absent)).unwrap().row.unwrap();
    assert_eq!((again.version, again.create_revision), (1, again.mod_revision));
}

#[test]
fn waiting_writes_share_one_sync_and_see_each_other() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    rig.put("warm", "up").unwrap();
    let before = disk.io_count();
    let durable = |op| Write {
        op,
        durability: Durability::Durable,
    };
    let answers: Vec<_> = (0..50)
        .map(|_| rig.store.write(durable(conditional("a", "x", Expect::Absent))))
        .collect();
    assert_eq!(
        rig.store.revision(),
        Revision(1),
        "nothing is visible before its fsync"
    );
    rig.turn();
    assert_eq!(disk.io_count() - before, 2, "one write, one fdatasync");
    let won = answers
        .into_iter()
        .filter(|_| true)
        .map(store::Pending::wait)
        .filter(Result::is_ok)
        .count();
    assert_eq!(won, 1);
}

#[test]
fn a_limited_read_continues_exactly_where_and_when_it_stopped() {
    let mut rig = rig();
    (0..10).for_each(|n| drop(rig.put(&format!("a/{n}"), "old").unwrap()));
    rig.put("b", "other").unwrap();
    let range = KeyRange::prefix(b"a/");
    let request = RangeRequest {
        range: range.clone(),
        revision: None,
        limit: Some(4),
    };
    let first = rig.store.range(&request).wait().unwrap();
    assert_eq!((first.rows.len(), first.count), (4, 10));
    (0..10).for_each(|n| drop(rig.put(&format!("a/{n}"), "new").unwrap()));
    let rest = range.after(&first.rows[3].key);
    let request = RangeRequest {
        range: rest,
        revision: Some(first.revision),
        limit: None,
    };
    let second = rig.store.range(&request).wait().unwrap();
    assert_eq!(second.rows.len(), 6);
    assert!(second.rows.iter().all(|row| &row.value[..] == b"old"));
    let future = RangeRequest {
        revision: Some(Revision(99)),
        ..request
    };
    assert!(
        matches!(rig.store.range(&future).wait(), Err(Error::FutureRevision { current }) if current == Revision(21))
    );
}

#[test]
fn a_watch_tells_what_was_what_is_and_how_far_it_is() {
    let mut rig = rig();
    rig.put("a/1", "x").unwrap();
    rig.put("b/1", "x").unwrap();
    let mut watch = rig.watch("a/", 1);
    rig.put("a/1", "y").unwrap();
    rig.write(
        Op::Delete {
            key: Key::from("a/1"),
            expect: Expect::Any,
        },
        Durability::Durable,
    )
    .unwrap();
    watch.request_progress();
    let events: Vec<_> = std::iter::from_fn(|| watch.try_recv())
        .map(Result::unwrap)
        .collect();
    let value = |row: &Option<Arc<store::KeyValue>>| row.as_ref().map(|row| row.value.clone());
    let told: Vec<_> = events
        .iter()
        .map(|item| match item {
            WatchItem::Event(event) => (event.revision.0, value(&event.previous), value(&event.row)),
            WatchItem::Progress(revision) => (revision.0, None, None),
        })
        .collect();
    let (x, y) = (Some(Bytes::from("x")), Some(Bytes::from("y")));
    assert_eq!(
        told,
        [
            (1, None, x.clone()),
            (3, x, y.clone()),
            (4, y, None),
            (4, None, None)
        ]
    );
}

#[test]
fn watchers_share_the_events() {
    let mut rig = rig();
    let (mut one, mut two) = (rig.watch("", 1), rig.watch("k", 1));
    rig.put("k", "v").unwrap();
    let (one, two) = (drain(&mut one).unwrap(), drain(&mut two).unwrap());
    assert!(Arc::ptr_eq(&one[0], &two[0]));
}

#[test]
fn a_watch_of_the_future_waits_for_it() {
    let mut rig = rig();
    let mut watch = rig.watch("", 3);
    (0..4).for_each(|_| drop(rig.put("a", "x").unwrap()));
    let revisions: Vec<_> = drain(&mut watch)
        .unwrap()
        .iter()
        .map(|event| event.revision.0)
        .collect();
    assert_eq!(revisions, [3, 4]);
}

#[test]
fn a_slow_watcher_is_dropped_and_the_others_are_not() {
    let mut rig = rig();
    let request = WatchRequest {
        prefix: vec![],
        from: None,
        capacity: 2,
    };
    let (mut slow, mut quick) = (rig.store.watch(&request), rig.store.watch(&request));
    for _ in 0..3 {
        rig.put("a", "x").unwrap();
        assert_eq!(drain(&mut quick).unwrap().len(), 1);
    }
    assert!(matches!(slow.recv(), Err(Error::Lagged)));
    assert!(matches!(slow.recv(), Err(Error::Lagged)), "and stays so");
}

#[test]
fn compaction_ends_the_past() {
    let mut rig = rig();
    (0..9).for_each(|n| drop(rig.put("a", &n.to_string()).unwrap()));
    rig.store.compact(Revision(5)).wait().unwrap();
    let at = |revision| rig.store.snapshot(Some(Revision(revision)));
    assert_eq!(&at(5).unwrap().get(b"a").unwrap().value[..], b"4");
    assert!(matches!(at(4), Err(Error::Compacted { oldest: Revision(5) })));
    assert!(matches!(rig.watch("", 5).recv(), Err(Error::Compacted { .. })));
    assert_eq!(drain(&mut rig.watch("", 6)).unwrap().len(), 4);
    assert!(matches!(
        rig.store.compact(Revision(4)).wait(),
        Err(Error::Compacted { .. })
    ));
    assert!(matches!(
        rig.store.compact(Revision(10)).wait(),
        Err(Error::FutureRevision { .. })
    ));
}

#[test]
fn relaxed_writes_are_visible_at_once_and_synced_in_time() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    rig.put("a", "durable").unwrap();
    assert_eq!(rig.writer.wake_at(), None, "an idle store has no timer");
    let before = disk.io_count();
    rig.write(put("b", b"relaxed"), Durability::Relaxed).unwrap();
    assert_eq!(disk.io_count() - before, 1, "one write, no fdatasync");
    assert!(rig.store.get(b"b").wait().unwrap().is_some());
    rig.clock.advance(Duration::from_secs(59));
    rig.turn();
    assert_eq!(disk.io_count() - before, 1);
    rig.clock.advance(Duration::from_secs(1));
    rig.turn();
    assert_eq!((disk.io_count() - before, rig.writer.wake_at()), (2, None));
    drop(rig);
    disk.crash(&mut Rng::from_seed(0));
    assert!(Rig::open(&disk).store.get(b"b").wait().unwrap().is_some());
}

fn lease(id: u64) -> LeaseId {
    LeaseId(NonZeroU64::new(id).unwrap())
}

fn leased(key: &str, id: u64) -> Op {
    Op::Put {
        key: key.into(),
        value: Bytes::new(),
        expect: Expect::Any,
        lease: Some(lease(id)),
    }
}

fn keys(rig: &Rig) -> Vec<Key> {
    let everything = RangeRequest {
        range: KeyRange::prefix(b""),
        revision: None,
        limit: None,
    };
    rig.store
        .range(&everything)
        .wait()
        .unwrap()
        .rows
        .iter()
        .map(|row| row.key.clone())
        .collect()
}

#[test]
fn keys_go_with_their_lease() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    let ttl = Duration::from_secs(10);
    let mut write = |op| rig.write(op, Durability::Durable);
    assert!(matches!(write(leased("a", 1)), Err(Error::LeaseNotFound(_))));
    write(Op::Grant { lease: lease(1), ttl }).unwrap();
    assert!(matches!(
        write(Op::Grant { lease: lease(1), ttl }),
        Err(Error::LeaseExists(_))
    ));
    ["a", "b", "c"]
        .iter()
        .for_each(|key| drop(write(leased(key, 1)).unwrap()));
    write(put("c", b"freed")).unwrap();
    rig.clock.advance(Duration::from_secs(8));
    rig.write(Op::KeepAlive { lease: lease(1) }, Durability::Durable)
        .unwrap();
    rig.clock.advance(Duration::from_secs(8));
    rig.turn();
    assert_eq!(keys(&rig).len(), 3, "renewed");
    drop(rig);
    let mut rig = Rig::open(&disk);
    rig.clock.advance(Duration::from_secs(9));
    rig.turn();
    assert_eq!(keys(&rig).len(), 3, "a restart renews");
    let mut watch = rig.watch("", rig.store.revision().0 + 1);
    rig.clock.advance(Duration::from_secs(1));
    rig.turn();
    assert_eq!(keys(&rig), [Key::from("c")]);
    assert_eq!(drain(&mut watch).err().map(|error| error.to_string()), None);
    assert!(matches!(
        rig.write(Op::Revoke { lease: lease(1) }, Durability::Durable),
        Err(Error::LeaseNotFound(_))
    ));
}

#[test]
fn a_lease_with_very_many_keys_is_revoked_in_parts() {
    let mut rig = Rig::open_with(
        &SimDisk::new(),
        1,
        Options {
            queue_bytes: 8 << 20,
            ..Options::default()
        },
    )
    .unwrap();
    rig.write(
        Op::Grant {
            lease: lease(1),
            ttl: Duration::from_secs(1),
        },
        Durability::Durable,
    )
    .unwrap();
    let write = |n: u64| {
        rig.store.write(Write {
            op: leased(&format!("{n:05}"), 1),
            durability: Durability::Durable,
        })
    };
    let pending: Vec<_> = (0..2500).map(write).collect();
    rig.turn();
    pending
        .into_iter()
        .for_each(|answer| drop(answer.wait().unwrap()));
    rig.write(Op::Revoke { lease: lease(1) }, Durability::Durable)
        .unwrap();
    assert_eq!(keys(&rig).len(), 0);
}

#[test]
fn limits_are_told_by_name() {
    let mut rig = rig();
    let long = "k".repeat(Options::MAX_KEY + 1);
    assert!(matches!(
        rig.put(&long, ""),
        Err(Error::TooLarge { what: "key", .. })
    ));
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            rig.store
                .put(Key::from("a"), vec![0; 400_000].into(), Expect::Any)
        })
        .collect();
    rig.turn();
    let busy = waiting
        .into_iter()
        .map(store::Pending::wait)
        .filter(|a| matches!(a, Err(Error::Busy)))
        .count();
    assert_eq!(busy, 3, "a queue of 1 MiB takes two");
}

#[test]
fn a_fork_goes_its_own_way() {
    let mut rig = rig();
    rig.put("a", "old").unwrap();
    rig.put("a", "new").unwrap();
    let past: Snapshot = rig.store.snapshot(Some(Revision(1))).unwrap();
    let fork = Embedded::fork(past, Arc::new(SystemClock::new()), Options::default()).unwrap();
    fork.put(Key::from("b"), Bytes::new(), Expect::Absent)
        .wait()
        .unwrap();
    assert_eq!(&fork.get(b"a").wait().unwrap().unwrap().value[..], b"old");
    assert!(rig.store.get(b"b").wait().unwrap().is_none());
    assert!(matches!(
        fork.snapshot(Some(Revision(0))),
        Err(Error::Compacted { .. })
    ));
}

/// Real files, real threads: concurrent writers lose no update, and what they did is there
/// after closing and opening.
#[test]
fn concurrent_writers_on_real_files() {
    let root = tempfile::tempdir().unwrap();
    let open = || {
        let dir = Arc::new(RealDir::open(&root.path().join("store")).unwrap());
        Embedded::open(
            dir,
            Arc::new(SystemClock::new()),
            Rng::from_os().unwrap(),
            Options::default(),
        )
        .unwrap()
    };
    let store = open();
    let increment = |store: &Embedded| loop {
        let row = store.get(b"n").wait().unwrap();
        let (n, expect) = row.map_or((0, Expect::Absent), |row| {
            (
                std::str::from_utf8(&row.value).unwrap().parse::<u32>().unwrap(),
                Expect::At(row.mod_revision),
            )
        });
        match store
            .put(Key::from("n"), (n + 1).to_string().into(), expect)
            .wait()
        {
            Ok(_) => return,
            Err(error) => assert!(matches!(error, Error::RevisionMismatch { .. })),
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| increment(&store)));
        }
    });
    let mut watch = store.watch(&WatchRequest {
        prefix: vec![],
        from: None,
        capacity: 1,
    });
    drop(store);
    assert!(matches!(watch.recv(), Err(Error::Closed)));
    let store = open();
    assert_eq!(&store.get(b"n").wait().unwrap().unwrap().value[..], b"100");
    assert_eq!(store.revision(), Revision(100));
    assert!(store.status().unclean_start.is_none());
}
