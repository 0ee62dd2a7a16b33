//! What goes without a person's asking: only what nobody uses, and the whole of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use image::{
    Commit, CommitLayer, Digest, HistoryRow, Image, ImageConfig, Images, Inline, Reference, Removed, Target,
};

use super::failures::Failing;
use super::remote::{GZIP, Remote};
use super::support::{Node, archive, mounted, tar};

fn remote(name: &str) -> Remote {
    Remote::new(&[
        (GZIP, &tar(&["shared = 1234"])),
        (GZIP, &tar(&[&format!("{name} = 12345678")])),
    ])
}

fn seen(images: &Images, id: &Digest) -> (Arc<Image>, i64) {
    let survey = images.survey().unwrap();
    let found = survey.images.into_iter().find(|found| found.image.id == *id);
    let found = found.unwrap();
    (found.image, found.last_used)
}

/// As a collection does it.
fn evict(images: &Images, id: &Digest) -> Option<Vec<Removed>> {
    let (image, last_used) = seen(images, id);
    images.evict(&image, last_used).unwrap()
}

fn commit(images: &Images, parent: &Digest) -> Digest {
    let commit = Commit {
        hidden: false,
        parent: Some(parent),
        layer: CommitLayer::None,
        config: ImageConfig::for_host(),
        history: HistoryRow::default(),
        reference: None,
        lease: None,
    };
    images.commit(commit).unwrap().id
}

#[test]
fn an_image_goes_with_all_its_names_and_files() {
    let node = Node::new();
    let one = remote("one").pull(&node.images, "r.example/one:1").unwrap();
    let two = remote("two").pull(&node.images, "r.example/two:1").unwrap();
    let removed = evict(&node.images, &one).unwrap();
    assert_eq!(
        removed.len(),
        4,
        "a tag, a digest, the image, the layer of its own: {removed:?}"
    );
    node.images.settle();
    let (snapshots, blobs) = node.on_disk();
    assert_eq!((snapshots.len(), blobs.len()), (2, 2), "what is shared stays");
    let node = node.reopen();
    assert_eq!(node.images.list().len(), 1);
    assert!(evict(&node.images, &two).is_some());
    node.reopen().assert_empty();
}

#[test]
fn what_somebody_uses_stays() {
    let node = Node::new();
    let images = &node.images;
    let id = remote("one").pull(images, "r.example/one:1").unwrap();
    let lease = images.lease("pull").unwrap();
    lease.add(&id).unwrap();
    assert_eq!(evict(images, &id), None);
    drop(lease);
    images.prepare("container", Some(&id)).unwrap();
    assert_eq!(evict(images, &id), None);
    images.release("container").unwrap();
    let child = commit(images, &id);
    assert_eq!(evict(images, &id), None);
    assert!(evict(images, &child).is_some());
    let (before, last_used) = seen(images, &id);
    images.tag(&id, &"mine:1".parse().unwrap()).unwrap();
    assert_eq!(
        images.evict(&before, last_used).unwrap(),
        None,
        "it has got a name since"
    );
    let (now, last_used) = seen(images, &id);
    assert_eq!(
        images.evict(&now, last_used - 1).unwrap(),
        None,
        "it was used since"
    );
    assert!(images.evict(&now, last_used).unwrap().is_some());
    node.reopen().assert_empty();
}

#[test]
fn a_use_is_known_after_a_restart() {
    let node = Node::new();
    let id = remote("one").pull(&node.images, "r.example/one:1").unwrap();
    let before = seen(&node.images, &id).1;
    assert!(before > 1_700_000_000_000_000);
    let node = node.reopen();
    let after = seen(&node.images, &id).1;
    assert!(
        (before - 3_600_000_000..=before).contains(&after),
        "{before} {after}"
    );
    let key = format!("/used/{}", id.hex());
    assert!(node.store.get(key.as_bytes()).wait().unwrap().is_some());
    assert!(evict(&node.images, &id).is_some());
    assert!(node.store.get(key.as_bytes()).wait().unwrap().is_none());
}

#[test]
fn a_name_given_by_hand_cannot_be_had_again() {
    let node = Node::new();
    let images = &node.images;
    let elsewhere = |id| {
        let found = images.survey().unwrap().images;
        found.iter().find(|found| found.image.id == id).unwrap().elsewhere
    };
    let id = remote("one").pull(images, "r.example/one:1").unwrap();
    assert!(elsewhere(id));
    let mine: Reference = "r.example/mine:1".parse().unwrap();
    images.tag(&id, &mine).unwrap();
    assert!(!elsewhere(id));
    let lease = images.lease("push").unwrap();
    let exported = images.export(&lease, &id, image::Export::default()).unwrap();
    images.note_pushed(&mine, &exported).unwrap();
    assert!(elsewhere(id), "once it was pushed by that name, it can");
    assert_eq!(images.tagged_manifest(&mine), Some(exported.manifest.digest));
}

#[test]
fn parts_are_counted_once_and_those_of_others_are_pinned() {
    let node = Node::new();
    let images = &node.images;
    let one = remote("one").pull(images, "r.example/one:1").unwrap();
    let two = remote("two").pull(images, "r.example/two:1").unwrap();
    images.prepare("container", Some(&two)).unwrap();
    let survey = images.survey().unwrap();
    assert_eq!(survey.parts.len(), 6, "three layers and their blobs");
    let of = |id| {
        let found = survey.images.iter().find(|found| found.image.id == id).unwrap();
        let parts = found.parts.iter().map(|at| survey.parts[*at]);
        parts
            .filter(|part| !part.pinned)
            .map(|part| part.bytes)
            .sum::<u64>()
    };
    let blob = remote("one").layers[1].0.size;
    assert_eq!(of(one), 8 + blob);
    assert_eq!(of(two), 0, "a container stands upon all of it");
}

/// The process dies after each write of a removal in turn: the image is there, whole, or it is gone.
#[test]
fn a_removal_that_is_cut_off_is_done_or_not() {
    for writes in 0.. {
        let store = Failing::after(usize::MAX);
        let node = Node::with(store.clone(), Arc::new(Inline));
        let id = remote("one").pull(&node.images, "r.example/one:1").unwrap();
        let (image, last_used) = seen(&node.images, &id);
        store.left.store(writes, Ordering::SeqCst);
        let evicted = node.images.evict(&image, last_used);
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        match node.images.get(&id) {
            Some(image) => {
                assert!(evicted.is_err());
                assert_eq!(image.tags.len(), 1);
                assert_eq!(mounted(&node.images.view(&id).unwrap()).len(), 2);
            }
            None => node.assert_empty(),
        }
        if evicted.is_ok() {
            assert!(writes >= 3, "{writes}");
            break;
        }
    }
}

#[test]
fn an_image_is_put_to_sleep_and_wakes() {
    let node = Node::new();
    let images = &node.images;
    let remote = remote("one");
    let id = remote.pull(images, "localhost:5000/one:1").unwrap();
    images.tag(&id, &"other:1".parse().unwrap()).unwrap();
    images.prepare("container", Some(&id)).unwrap();
    assert_eq!(
        images.lull(&id).unwrap(),
        [],
        "a container stands upon its layers"
    );
    images.release("container").unwrap();
    assert_eq!(images.lull(&id).unwrap().len(), 2);
    images.settle();
    assert_eq!((node.on_disk().0.len(), node.on_disk().1.len()), (0, 2));
    let served = images
        .manifest_in(&"localhost:5000/one:1".parse().unwrap())
        .unwrap();
    assert_eq!(served.unwrap().bytes, remote.manifest);
    let node = node.reopen();
    assert!(node.images.get(&id).unwrap().asleep);
    assert_eq!(mounted(&node.images.view(&id).unwrap()).len(), 2);
    assert!(!node.images.get(&id).unwrap().asleep);
}

#[test]
fn what_cannot_be_woken_is_not_put_to_sleep() {
    let node = Node::new();
    let id = node.load_one(&archive(&["localhost:5000/x:1"], &[&tar(&["a = 1"])]));
    assert_eq!(node.images.lull(&id).unwrap(), []);
    assert!(!node.images.get(&id).unwrap().asleep);
}

#[test]
fn the_result_of_a_build_is_no_step_until_it_had_a_name() {
    let node = Node::new();
    let id = node.load_one(&archive(&[], &[&tar(&["a = 1"])]));
    node.images.note_result(&id).unwrap();
    let node = node.reopen();
    assert!(node.images.get(&id).unwrap().result);
    node.images.tag(&id, &"x:1".parse().unwrap()).unwrap();
    node.images.note_result(&id).unwrap();
    let node = node.reopen();
    assert!(!node.images.get(&id).unwrap().result, "its name keeps it");
}

/// Containers are made of an image while it is removed again and again: whoever has got one, has the image.
#[test]
fn run_and_remove_at_once() {
    let node = Node::new();
    let images = &node.images;
    let remote = remote("one");
    let made = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            for _ in 0..60 {
                let lease = images.lease("pull again").unwrap();
                let image = remote.pull_under(images, &lease).unwrap();
                let tag: Reference = "r.example/one:1".parse().unwrap();
                let target = Target::manifest(Digest::of(&remote.manifest), Some(image.id));
                images.tag_under(&lease, &tag, target).unwrap();
                lease.keep().unwrap();
                let (image, last_used) = (images.get(&image.id).unwrap(), i64::MAX);
                let _gone = images.evict(&image, last_used).unwrap();
            }
        });
        for number in 0.. {
            if remover.is_finished() {
                break;
            }
            let owner = format!("c{number}");
            let lease = images.lease(&owner).unwrap();
            let Ok(image) = images.resolve("r.example/one:1") else {
                continue;
            };
            if lease.add(&image.id).is_err() {
                continue;
            }
            images.prepare(&owner, Some(&image.id)).unwrap();
            drop(lease);
            assert!(
                images.get(&image.id).is_some(),
                "the image of a container has gone"
            );
            images.release(&owner).unwrap();
            made.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert!(made.into_inner() > 0);
}

#[test]
fn what_led_to_an_image_shares_nothing_with_it() {
    let node = Node::new();
    let images = &node.images;
    let base = remote("one").pull(images, "r.example/one:1").unwrap();
    let child = commit(images, &base);
    assert!(images.disk_usage().shared[&child] > 0);
    for name in images.get(&base).unwrap().tags.clone() {
        images
            .remove(&name.to_string(), image::Remove::default(), &|_| Vec::new())
            .unwrap();
    }
    assert!(images.get(&base).unwrap().is_dangling());
    assert_eq!(images.disk_usage().shared[&child], 0);
}

#[test]
fn what_has_no_name_goes_unless_it_is_a_result() {
    let node = Node::new();
    let images = &node.images;
    let base = remote("one").pull(images, "r.example/one:1").unwrap();
    let (loose, result) = (commit(images, &base), commit(images, &base));
    images.note_result(&result).unwrap();
    let lease = images.lease("build").unwrap();
    lease.add(&loose).unwrap();
    assert!(images.is_held(&loose));
    for stays in [base, loose, result] {
        assert_eq!(images.evict_unnamed(&stays).unwrap(), None);
    }
    drop(lease);
    assert_eq!(images.evict_unnamed(&loose).unwrap(), Some(0));
    assert!(images.get(&loose).is_none() && images.get(&result).is_some());
}
