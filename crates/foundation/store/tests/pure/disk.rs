//! Disks that fail, fill up and rot; and the files a store keeps on a good one.

use driver::{Fault, Rng, SimDisk};
use store::{Durability, Embedded, Error, OpenError, Options, Revision, Store};

use crate::rig::{Rig, drain, options, put};

/// Writes until the log has been checkpointed and its segments used again; closes.
fn worn(disk: &SimDisk) -> Rig {
    let mut rig = Rig::open(disk);
    for n in 0..120 {
        rig.put(&format!("k{}", n % 7), &format!("{n}{}", ".".repeat(400)))
            .unwrap();
    }
    rig
}

fn close(rig: Rig) {
    drop(rig.store);
    rig.writer.close().unwrap();
}

fn names(disk: &SimDisk, suffix: &str) -> Vec<String> {
    disk.dir()
        .list()
        .unwrap()
        .into_iter()
        .filter(|name| name.ends_with(suffix))
        .collect()
}

#[test]
fn checkpoints_free_the_log_and_recycled_segments_are_read_right() {
    let disk = SimDisk::new();
    let rig = worn(&disk);
    assert!(rig.store.status().checkpoint > Revision(50));
    close(rig);
    assert_eq!(names(&disk, ".ckpt").len(), 1);
    let segments = names(&disk, ".log");
    assert!(
        segments.len() <= 5 && !segments.contains(&"0000000000000001.log".to_owned()),
        "{segments:?}"
    );
    let rig = Rig::open(&disk);
    assert_eq!(rig.store.revision(), Revision(120));
    for key in 0..7 {
        let row = rig
            .store
            .get(format!("k{key}").as_bytes())
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!(row.mod_revision.0 % 7, (key + 1) % 7);
    }
    let floor = rig.store.status().checkpoint;
    let events = drain(&mut rig.watch("", floor.0 + 1)).unwrap();
    assert!(
        events.len() >= 12,
        "the window outlives a restart: {}",
        events.len()
    );
    assert!(events.iter().all(|event| event.previous.is_some()));
}

#[test]
fn a_clean_close_is_no_gap_and_a_kill_is_one_that_nobody_saw() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    rig.put("a", "1").unwrap();
    close(rig);
    let mut rig = Rig::open(&disk);
    assert_eq!(rig.store.status().unclean_start, None);
    assert_eq!(rig.put("a", "2").unwrap().revision, Revision(2));
    drop(rig);
    let mut rig = Rig::open(&disk);
    assert_eq!(rig.store.status().unclean_start, Some(Revision(2)));
    let mut watch = rig.watch("", 3);
    let next = rig.put("a", "3").unwrap().revision;
    assert!(next > Revision(3));
    assert_eq!(drain(&mut watch).unwrap()[0].revision, next);
}

#[test]
fn whoever_saw_what_the_power_took_is_told_so() {
    let mut lost = 0;
    for seed in 0..20 {
        let disk = SimDisk::new();
        let mut rig = Rig::open(&disk);
        rig.put("a", "1").unwrap();
        let seen = rig.write(put("b", b"1"), Durability::Relaxed).unwrap().revision;
        drop(rig);
        disk.crash(&mut Rng::from_seed(seed));
        let mut rig = Rig::open(&disk);
        if rig.store.revision() == seen {
            continue;
        }
        lost += 1;
        assert_eq!(rig.store.status().unclean_start, Some(Revision(1)));
        assert!(matches!(
            rig.store.snapshot(Some(seen)),
            Err(Error::Compacted { .. })
        ));
        assert!(matches!(
            rig.watch("", seen.0 + 1).recv(),
            Err(Error::Compacted { .. })
        ));
        let mut unaware = rig.watch("", seen.0);
        let next = rig.put("c", "1").unwrap().revision;
        assert!(next > seen);
        assert_eq!(drain(&mut unaware).unwrap()[0].revision, next);
        assert!(
            matches!(rig.watch("", seen.0 + 1).recv(), Err(Error::Compacted { .. })),
            "also later"
        );
    }
    assert!(lost > 3, "{lost}");
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    disk.set_capacity(Some(16 << 10));
    let value = "x".repeat(500);
    let written = (0..100)
        .take_while(|n| rig.put(&format!("k{n}"), &value).is_ok())
        .count();
    assert!((5..40).contains(&written), "{written}");
    assert!(matches!(rig.put("more", &value), Err(Error::Full)));
    assert_eq!(rig.store.revision().0, written as u64);
    assert!(
        rig.store.get(b"k0").wait().unwrap().is_some() && rig.store.get(b"more").wait().unwrap().is_none()
    );
    disk.set_capacity(None);
    rig.put("more", &value).unwrap();
    drop(rig);
    disk.crash(&mut Rng::from_seed(1));
    let rig = Rig::open(&disk);
    assert!(
        rig.store.get(b"more").wait().unwrap().is_some() && rig.store.get(b"k0").wait().unwrap().is_some()
    );
    assert_eq!(rig.store.revision().0, written as u64 + 1);
}

/// The n-th call of a run fails with EIO or ENOSPC, whichever it is. The write it hits is
/// refused, nothing of it shows, and what was acknowledged is there after a crash.
#[test]
fn any_failing_call_is_an_error_and_no_more() {
    for fault in [Fault::Eio, Fault::NoSpace] {
        for nth in 0.. {
            let disk = SimDisk::new();
            disk.fail_nth(nth, fault);
            let Ok(mut rig) = Rig::open_with(&disk, 3, options()) else {
                continue;
            };
            let mut last = None;
            let mut over = false;
            for n in 0..40 {
                match rig.put("k", &format!("{n}{}", ".".repeat(600))) {
                    Ok(_) => last = Some(n),
                    Err(error) => over |= matches!(error, Error::Failed(_)),
                }
            }
            if disk.io_count() <= nth {
                break;
            }
            let goes_on = rig.put("other", "").is_ok();
            assert_eq!(
                goes_on, !over,
                "{fault:?} of call {nth}: writes go on unless an fsync failed"
            );
            let shown = rig.store.get(b"k").wait().unwrap();
            let number = |row: Option<std::sync::Arc<store::KeyValue>>| -> Option<u32> {
                std::str::from_utf8(&row?.value)
                    .unwrap()
                    .trim_end_matches('.')
                    .parse()
                    .ok()
            };
            assert_eq!(number(shown), last, "{fault:?} of call {nth}");
            drop(rig);
            disk.crash(&mut Rng::from_seed(nth));
            let found = number(Rig::open(&disk).store.get(b"k").wait().unwrap());
            let unknown = over && found == Some(last.map_or(0, |last| last + 1));
            assert!(
                found == last || unknown,
                "{fault:?} of call {nth}: {found:?} instead of {last:?}"
            );
        }
    }
}

/// The disk took all of a record and said that it failed: the refused write must not come back
/// when the process dies next.
#[test]
fn a_refused_write_does_not_come_back() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    rig.put("a", "1").unwrap();
    disk.fail_nth(0, Fault::Eio);
    assert!(matches!(rig.put("a", "2"), Err(Error::Io(_))));
    drop(rig);
    assert_eq!(Rig::open(&disk).store.revision(), Revision(1));
}

#[test]
fn a_failed_fsync_is_the_end_until_opened_again() {
    let disk = SimDisk::new();
    let mut rig = Rig::open(&disk);
    rig.put("a", "1").unwrap();
    disk.fail_nth(1, Fault::Eio);
    // Long enough to have sectors that no later record rewrites by accident.
    let long = "2".repeat(1200);
    assert!(matches!(rig.put("a", &long), Err(Error::Failed(_))));
    assert!(
        matches!(rig.put("a", "3"), Err(Error::Failed(_))),
        "no later success is believed"
    );
    assert_eq!(
        &rig.store.get(b"a").wait().unwrap().unwrap().value[..],
        b"1",
        "reads go on"
    );
    drop(rig);
    // The process restarts without a power cut: the page cache still has what the disk lost.
    let mut rig = Rig::open(&disk);
    let found = rig.store.get(b"a").wait().unwrap().unwrap().value.clone();
    rig.put("b", "1").unwrap();
    drop(rig);
    disk.crash(&mut Rng::from_seed(0));
    let rig = Rig::open(&disk);
    assert_eq!(
        rig.store.get(b"a").wait().unwrap().unwrap().value,
        found,
        "what was served stays"
    );
    assert!(rig.store.get(b"b").wait().unwrap().is_some());
}

#[test]
fn a_directory_is_opened_once() {
    let disk = SimDisk::new();
    let _rig = Rig::open(&disk);
    let Err(OpenError::Locked { pid }) = Rig::open_with(&disk, 1, options()) else {
        panic!("opened twice")
    };
    assert_eq!(pid, Some(std::process::id()));
}

#[test]
fn another_format_is_refused_by_number() {
    let disk = SimDisk::new();
    close(Rig::open(&disk));
    // "format 1" becomes "format 3".
    disk.flip_bit("format", "gantry store, format ".len() as u64, 1);
    let refused = Rig::open_with(&disk, 1, options());
    assert!(
        matches!(refused, Err(OpenError::Version { found: 3, known: 1 })),
        "{:?}",
        refused.err()
    );
}

/// Every flipped bit is noticed, except in bytes nobody wrote and in the very last record.
#[test]
fn flipped_bits_are_noticed() {
    let disk = SimDisk::new();
    close(worn(&disk));
    let contents = |store: &Embedded| {
        format!(
            "{:?}",
            store
                .snapshot(None)
                .unwrap()
                .range(&store::KeyRange::prefix(b""))
                .collect::<Vec<_>>()
        )
    };
    let whole = contents(&Rig::open(&disk).store);
    let mut rng = Rng::from_seed(5);
    let mut noticed = 0;
    for name in disk
        .dir()
        .list()
        .unwrap()
        .into_iter()
        .filter(|name| name != "lock")
    {
        let size = disk.dir().open(&name).unwrap().size().unwrap();
        for _ in 0..120 {
            let (offset, bit) = (rng.below(size), u32::try_from(rng.below(8)).unwrap());
            disk.flip_bit(&name, offset, bit);
            match Rig::open_with(&disk, 1, options()) {
                Ok(rig) => assert_eq!(contents(&rig.store), whole, "{name} at {offset}, bit {bit}"),
                Err(OpenError::Corrupt { .. } | OpenError::Version { .. }) => noticed += 1,
                Err(error) => panic!("{name} at {offset}, bit {bit}: {error}"),
            }
            disk.flip_bit(&name, offset, bit);
        }
    }
    assert!(noticed > 200, "{noticed}");
}

#[test]
fn a_missing_file_is_noticed() {
    let disk = SimDisk::new();
    close(worn(&disk));
    for name in disk
        .dir()
        .list()
        .unwrap()
        .into_iter()
        .filter(|name| name != "lock" && !name.ends_with(".tmp"))
    {
        let dir = disk.dir();
        dir.rename(&name, "aside").unwrap();
        let opened = Rig::open_with(&disk, 1, options());
        let last = names(&disk, ".log").last().is_none_or(|last| *last < name) && name.ends_with(".log");
        assert!(
            last || matches!(opened, Err(OpenError::Corrupt { .. })),
            "{name}: {:?}",
            opened.err()
        );
        drop(opened);
        dir.rename("aside", &name).unwrap();
    }
}

#[test]
fn the_queue_of_a_closed_store_refuses() {
    let rig = Rig::open_with(&SimDisk::new(), 1, Options::default()).unwrap();
    rig.writer.close().unwrap();
    let refused = rig
        .store
        .put(store::Key::from("a"), bytes::Bytes::new(), store::Expect::Any)
        .wait();
    assert!(matches!(refused, Err(Error::Closed)));
}
