//! Pulls that count before the disk has them.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use image::{Digest, Inline};
use store::{Durability, Expect, Key, KeyRange, Op, RangeRequest, Store, Write};

use super::failures::Failing;
use super::remote::{GZIP, Remote};
use super::support::{Node, archive, tar};

fn example() -> Remote {
    Remote::new(&[(GZIP, &tar(&["a/", "a/one = 1"])), (GZIP, &tar(&["a/two = 2"]))])
}

/// A pull whose process dies before the disk has it, if it gets that far; the node is the next process. What it was told, and
/// whether the lease was there still.
fn killed(writes: usize, boot: Option<&str>) -> (Node, Digest, Option<Digest>, bool) {
    let store = Failing::after(usize::MAX);
    let node = Node::with(store.clone(), Arc::new(Inline));
    let old = node.load_one(&archive(&["x:1"], &[&tar(&["old = 1"])]));
    store.left.store(writes, Ordering::SeqCst);
    let pulled = example().pull_soon(&node.images, "x:1");
    // Until nobody has the lease any more, undone in vain or kept.
    while node.images.lease("pull x:1").is_err() {
        std::thread::yield_now();
    }
    store.left.store(usize::MAX, Ordering::SeqCst);
    let leases = RangeRequest {
        range: KeyRange::prefix(b"/leases/"),
        revision: None,
        limit: None,
    };
    let leases = store.range(&leases).wait().unwrap().rows;
    for (row, boot) in leases.iter().zip(boot) {
        let value = format!(r#"{{"v":1,"kept":"{boot}"}}"#).into();
        let (key, expect) = (row.key.clone(), Expect::Any);
        let op = Op::Put {
            key,
            value,
            expect,
            lease: None,
        };
        let durability = Durability::Durable;
        store.write(Write { op, durability }).wait().unwrap();
    }
    (node.reopen(), old, pulled.ok(), !leases.is_empty())
}

#[test]
fn what_a_pull_was_told_survives_the_death_of_the_process() {
    let mut told_early = 0;
    for writes in 0.. {
        let (node, old, pulled, leased) = killed(writes, None);
        let named = node.images.resolve("x:1").unwrap();
        assert_eq!(named.id, pulled.unwrap_or(old), "after {writes} writes");
        if pulled.is_some() {
            assert!(!named.asleep);
            let rootfs = node.images.prepare("c", pulled.as_ref()).unwrap();
            let files = rootfs.lower.iter().filter(|layer| layer.join("a").is_dir());
            assert_eq!(files.count(), 2, "its layers are there");
            told_early += usize::from(leased);
        }
        let again = node.reopen();
        assert_eq!(again.images.resolve("x:1").unwrap().id, pulled.unwrap_or(old));
        if pulled.is_some() && !leased {
            break;
        }
    }
    assert!(told_early > 0, "who pulls is told before the lease is gone");
}

#[test]
fn a_loss_of_power_before_the_disk_has_a_pull_takes_all_of_it_back() {
    let mut taken = 0;
    for writes in 0.. {
        let (node, old, pulled, leased) = killed(writes, Some("another"));
        let named = node.images.resolve("x:1").unwrap().id;
        if let Some(pulled) = pulled.filter(|_| !leased) {
            assert_eq!(named, pulled);
            break;
        }
        assert_eq!(named, old, "after {writes} writes");
        let (snapshots, blobs) = node.on_disk();
        assert_eq!((snapshots.len(), blobs.len()), (1, 1), "of the old image");
        taken += usize::from(pulled.is_some());
    }
    assert!(taken > 0);
}

/// Notes what is put, and lets a pull's lease end when it is told to.
#[derive(Default)]
struct Seen(Mutex<BTreeSet<Key>>);

impl Seen {
    fn note(&self, write: &Write, may_end: &Mutex<Receiver<()>>) {
        match &write.op {
            Op::Delete { key, .. } if key.starts_with(b"/leases/pull") => {
                may_end.lock().unwrap().recv().unwrap();
            }
            Op::Put { key, .. } => drop(self.0.lock().unwrap().insert(key.clone())),
            _ => {}
        }
    }

    fn has(&self, start: &str) -> bool {
        let keys = self.0.lock().unwrap();
        keys.iter().any(|key| key.starts_with(start.as_bytes()))
    }
}

/// Returns when the thread waits for something, or has ended.
fn until_it_sleeps(thread: u32) {
    let stat = format!("/proc/self/task/{thread}/stat");
    let sleeps = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") S "));
    while !sleeps() {
        std::thread::yield_now();
    }
}

#[test]
fn nobody_relies_on_a_pull_that_the_disk_does_not_have() {
    let (end, may_end) = sync_channel(0);
    let (seen, may_end) = (Arc::new(Seen::default()), Mutex::new(may_end));
    let noted = seen.clone();
    let store = Failing::never(move |write| noted.note(write, &may_end));
    let node = Node::with(store, Arc::new(Inline));
    let images = &node.images;
    let id = example().pull_soon(images, "x:1").unwrap();
    assert_eq!(images.resolve("x:1").unwrap().id, id, "it is there at once");
    let name = || images.tag(&id, &"y:1".parse().unwrap()).unwrap();
    let container = || drop(images.prepare("c", Some(&id)).unwrap());
    let works: [&(dyn Fn() + Sync); 2] = [&name, &container];
    let (say, said) = sync_channel(works.len());
    std::thread::scope(|scope| {
        for work in works {
            let say = say.clone();
            scope.spawn(move || {
                let thread = rustix::thread::gettid().as_raw_nonzero().get();
                say.send(thread.unsigned_abs()).unwrap();
                work();
            });
        }
        for _ in works {
            until_it_sleeps(said.recv().unwrap());
        }
        let relied = ["/tags/docker.io/library/y", "/snapshots/owner/"].map(|start| seen.has(start));
        end.send(()).unwrap();
        assert_eq!(relied, [false, false]);
    });
    assert!(images.resolve("y:1").is_ok() && images.rootfs("c").is_some());
}
