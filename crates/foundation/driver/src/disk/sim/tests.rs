use super::*;
use crate::disk::{File, LockError};

fn read(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.dir().open(name).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

/// A disk with a durable file `a` of two sectors of `1`.
fn two_sectors() -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::new();
    let dir = disk.dir();
    let file = dir.create("a").unwrap();
    file.write_at(&[1; 2 * SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    dir.sync().unwrap();
    (disk, file)
}

fn crash(disk: &SimDisk, seed: u64) {
    disk.crash(&mut Rng::from_seed(seed));
}

#[test]
fn what_is_synced_survives_every_crash() {
    for seed in 0..50 {
        let (disk, file) = two_sectors();
        file.write_at(&[2; 8], 0).unwrap();
        file.sync_data().unwrap();
        crash(&disk, seed);
        assert_eq!(&read(&disk, "a").unwrap()[..9], [2, 2, 2, 2, 2, 2, 2, 2, 1]);
    }
}

#[test]
fn unsynced_sectors_are_kept_lost_and_reordered_one_by_one() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = two_sectors();
        file.write_at(&[2; 2 * SECTOR], 0).unwrap();
        file.write_at(&[3; 2 * SECTOR], 0).unwrap();
        crash(&disk, seed);
        let bytes = read(&disk, "a").unwrap();
        for sector in bytes.chunks(SECTOR) {
            assert!(
                sector.iter().all(|&byte| byte == sector[0]),
                "torn inside a sector"
            );
        }
        seen.insert((bytes[0], bytes[SECTOR]));
    }
    assert_eq!(seen.len(), 9, "every pair of versions occurs: {seen:?}");
}

#[test]
fn unsynced_names_come_and_go() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let (disk, _) = two_sectors();
        disk.dir().rename("a", "b").unwrap();
        disk.dir().create("c").unwrap();
        crash(&disk, seed);
        seen.insert(disk.dir().list().unwrap());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_lying_sync_loses_data() {
    let lost = (0..20).filter(|&seed| {
        let (disk, file) = two_sectors();
        disk.set_lying(true);
        file.write_at(&[2; 8], 0).unwrap();
        file.sync_data().unwrap();
        crash(&disk, seed);
        read(&disk, "a").unwrap()[0] == 1
    });
    assert!(lost.count() > 3);
}

#[test]
fn the_nth_call_fails_once() {
    let (disk, file) = two_sectors();
    disk.fail_nth(1, Fault::NoSpace);
    file.write_at(&[2; 2], 0).unwrap();
    assert_eq!(
        file.write_at(&[3; 2], 0).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    file.write_at(&[4; 1], 1).unwrap();
    assert_eq!(
        &read(&disk, "a").unwrap()[..2],
        [3, 4],
        "half of the failed write got in"
    );
}

#[test]
fn a_failed_sync_is_never_made_good() {
    let (disk, file) = two_sectors();
    file.write_at(&[2; 8], 0).unwrap();
    disk.fail_nth(0, Fault::Eio);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(read(&disk, "a").unwrap()[0], 2, "still readable");
    crash(&disk, 1);
    assert_eq!(read(&disk, "a").unwrap()[0], 1, "and gone");
}

#[test]
fn a_power_cut_ends_all_handles() {
    let (disk, file) = two_sectors();
    let dir = disk.dir();
    let _lock = dir.lock("lock").unwrap();
    disk.fail_nth(0, Fault::PowerCut);
    file.sync_data().unwrap_err();
    file.size().unwrap_err();
    crash(&disk, 3);
    file.size().unwrap_err();
    dir.list().unwrap_err();
    disk.dir().lock("lock").unwrap();
}

#[test]
fn a_full_disk_takes_overwrites_but_no_growth() {
    let (disk, file) = two_sectors();
    disk.set_capacity(Some(2 * SECTOR as u64 + 10));
    file.write_at(&[2; 8], 0).unwrap();
    let error = file.write_at(&[3; 20], 2 * SECTOR as u64).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.size().unwrap(), 2 * SECTOR as u64 + 10, "a short write");
    disk.set_capacity(None);
    file.write_at(&[3; 20], 2 * SECTOR as u64).unwrap();
}

#[test]
fn a_lock_is_held_once() {
    let disk = SimDisk::new();
    let held = disk.dir().lock("lock").unwrap();
    assert!(matches!(
        disk.dir().lock("lock"),
        Err(LockError::Held { pid: Some(_) })
    ));
    drop(held);
    disk.dir().lock("lock").unwrap();
}
