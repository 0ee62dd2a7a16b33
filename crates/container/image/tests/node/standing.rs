//! Names that docker and our registry share: what is pushed stays in the registry whatever docker removes, and what docker
//! has stays docker's whatever is deleted in the registry.

use std::time::Duration;

use image::{
    Commit, CommitLayer, Digest, DigestAlgorithm, HistoryRow, Images, Push, Pushed, Reference, Remove,
    media_type,
};

use super::remote::{GZIP, Remote};
use super::support::{Node, archive, tar};

const APP: &str = "localhost:5000/team/app";

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

fn tagged() -> Reference {
    name(&format!("{APP}:1"))
}

/// As a client that is not docker.
fn push(images: &Images, remote: &Remote) -> Pushed {
    let layers = remote.layers.iter().map(|(_, bytes, _)| &bytes[..]);
    for bytes in layers.chain([&remote.config[..]]) {
        let mut upload = images.begin_blob(DigestAlgorithm::default());
        upload.append(bytes).unwrap();
        images.finish_blob(upload, &Digest::of(bytes), APP).unwrap();
    }
    enter(images, media_type::MANIFEST, &remote.manifest)
}

fn enter(images: &Images, media_type: &str, manifest: &bytes::Bytes) -> Pushed {
    let push = Push {
        repository: APP,
        digest: None,
        tags: &["1".to_owned()],
        media_type,
    };
    images.push_manifest(&push, manifest).unwrap()
}

fn example() -> Remote {
    Remote::new(&[(GZIP, &tar(&["a = 1"])), (GZIP, &tar(&["b = 22"]))])
}

/// As the build cache makes one.
fn step(node: &Node, parent: &Digest, command: &str) -> Digest {
    let made = node.images.commit(Commit {
        hidden: true,
        parent: Some(parent),
        layer: CommitLayer::None,
        config: node.images.get(parent).unwrap().config.clone(),
        history: HistoryRow {
            created_by: command.to_owned(),
            ..HistoryRow::default()
        },
        reference: None,
        lease: None,
    });
    made.unwrap().id
}

/// What docker's clients see, and whether the registry serves the tag.
fn seen(node: &Node) -> (usize, bool) {
    let served = node.images.manifest_in(&tagged()).unwrap().is_some();
    assert_eq!(
        node.images
            .tags_in(APP, "", 9)
            .is_some_and(|tags| !tags.is_empty()),
        served
    );
    assert_eq!(
        node.images.repositories("localhost:5000", "", 9).len(),
        usize::from(served)
    );
    (node.images.list().len(), served)
}

fn remove(node: &Node, what: &str) -> Vec<String> {
    let removed = node
        .images
        .remove(what, Remove::default(), &|_| Vec::new())
        .unwrap();
    let word = |removed: &image::Removed| {
        format!("{removed:?}")
            .split([' ', '('])
            .next()
            .unwrap()
            .to_owned()
    };
    removed.iter().map(word).collect()
}

/// What is built, pushed and removed again is the registry's alone: the build cache may lose all that it was built upon.
#[test]
fn what_was_built_and_pushed_keeps_no_step() {
    let node = Node::new();
    let base = node.load_one(&archive(&["base:1"], &[&tar(&["a = 1"])]));
    let first = step(&node, &base, "first");
    let second = step(&node, &first, "second");
    node.images.tag(&second, &tagged()).unwrap();
    let served = node.images.manifest_in(&tagged()).unwrap().unwrap();
    enter(&node.images, &served.media_type, &served.bytes);
    remove(&node, &tagged().to_string());
    assert_eq!(seen(&node), (1, true));
    assert!(
        node.images.evict_unnamed(&first).unwrap().is_none(),
        "the second stands upon it"
    );
    node.images.evict_unnamed(&second).unwrap();
    assert!(node.images.evict_unnamed(&first).unwrap().is_some());
    let node = node.reopen();
    assert_eq!(seen(&node), (1, true));
}

/// Tag, push, `docker rmi`, `docker pull`: what everybody tries first with a registry.
#[test]
fn what_was_pushed_outlives_its_removal() {
    for run in [false, true] {
        let node = Node::new();
        let pushed = push(&node.images, &example());
        let id = pushed.image.unwrap();
        if run {
            node.images.wake(&id).unwrap();
        }
        assert_eq!(seen(&node), (1, true));
        let removed = remove(&node, &tagged().to_string());
        let layers = if run { 2 } else { 0 };
        assert_eq!(removed.len(), 3 + layers, "tag, digest and image: {removed:?}");
        let node = node.reopen();
        assert_eq!(seen(&node), (0, true));
        assert_eq!(node.on_disk().0.len(), 0, "its files are gone");
        for gone in [tagged().to_string(), id.to_string(), id.hex()[..12].to_owned()] {
            assert!(node.images.resolve(&gone).is_err(), "{gone}");
        }
        let pruned = node.images.prune(&|_| true, &|_| Vec::new()).unwrap();
        assert_eq!(pruned.removed, []);
        // A pull shows it again, and it is docker's from now on.
        node.images
            .claim(&[
                tagged(),
                name(&format!("{APP}@{}", pushed.digest)),
                name("not/there:1"),
            ])
            .unwrap();
        let node = node.reopen();
        assert_eq!(seen(&node), (1, true));
        assert_eq!(
            node.images.resolve(&tagged().to_string()).unwrap().digests.len(),
            1
        );
        node.images.wake(&id).unwrap();
        // Deleted in the registry, it stays docker's; removed there, nobody has it.
        assert!(
            node.images
                .delete_manifest(APP, &pushed.digest)
                .unwrap()
                .is_some()
        );
        let node = node.reopen();
        assert_eq!(seen(&node), (1, false));
        assert!(
            node.images
                .delete_manifest(APP, &pushed.digest)
                .unwrap()
                .is_none()
        );
        assert_eq!(node.images.untag(&tagged()).unwrap(), None);
        let pinned = name(&format!("{APP}@{}", pushed.digest));
        assert!(node.images.manifest_in(&pinned).unwrap().is_none());
        remove(&node, &tagged().to_string());
        node.images.collect(Duration::ZERO).unwrap();
        node.assert_empty();
    }
}

/// What docker only tagged goes wholly; what it tagged and pushed stays, without the files that docker had unpacked.
#[test]
fn what_was_only_tagged_is_gone_and_what_was_pushed_sleeps() {
    let node = Node::new();
    let images = &node.images;
    let id = node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    images.tag(&id, &tagged()).unwrap();
    assert_eq!(seen(&node), (1, true));
    remove(&node, &tagged().to_string());
    assert_eq!(seen(&node), (1, false));
    images.tag(&id, &tagged()).unwrap();
    let served = images.manifest_in(&tagged()).unwrap().unwrap();
    enter(images, &served.media_type, &served.bytes);
    remove(&node, &tagged().to_string());
    assert_eq!(seen(&node), (1, true), "it has another name");
    let pruned = images.prune(&|_| true, &|_| Vec::new()).unwrap();
    assert_eq!((pruned.removed.len(), pruned.reclaimed), (3, 1), "{pruned:?}");
    assert_eq!(seen(&node), (0, true));
    let node = node.reopen();
    assert_eq!((seen(&node), node.on_disk().0.len()), ((0, true), 0));
    // Deleted in the registry it is gone: docker has forgotten it before.
    node.images.untag(&tagged()).unwrap().unwrap();
    node.images.delete_manifest(APP, &served.digest).unwrap().unwrap();
    node.images.collect(Duration::ZERO).unwrap();
    node.assert_empty();
}

/// Docker gives a pushed name to something else and removes it again: the registry has what was pushed.
#[test]
fn a_name_goes_back_to_what_was_pushed() {
    let node = Node::new();
    let pushed = push(&node.images, &example());
    let other = node.load_one(&archive(&["x:1"], &[&tar(&["c = 1"])]));
    node.images.tag(&other, &tagged()).unwrap();
    let served = |node: &Node| node.images.manifest_in(&tagged()).unwrap().unwrap().digest;
    assert_ne!(served(&node), pushed.digest);
    let node = node.reopen();
    remove(&node, &tagged().to_string());
    assert_eq!(served(&node), pushed.digest);
    assert!(node.images.resolve(&tagged().to_string()).is_err());
    // A new push is seen at once.
    push(&node.images, &Remote::new(&[(GZIP, &tar(&["d = 1"]))]));
    assert!(node.images.resolve(&tagged().to_string()).is_ok());
}

/// A lease that comes to nothing gives a name back to whom it was.
#[test]
fn what_is_undone_is_whose_it_was() {
    let node = Node::new();
    push(&node.images, &example());
    remove(&node, &tagged().to_string());
    let other = node.load_one(&archive(&["x:1"], &[&tar(&["c = 1"])]));
    let lease = node.images.lease("build").unwrap();
    let target = image::Target::image(other);
    node.images.tag_under(&lease, &tagged(), target).unwrap();
    assert!(node.images.resolve(&tagged().to_string()).is_ok());
    drop(lease);
    assert!(node.images.resolve(&tagged().to_string()).is_err());
    let node = node.reopen();
    assert!(node.images.resolve(&tagged().to_string()).is_err());
    assert!(node.images.manifest_in(&tagged()).unwrap().is_some());
}

/// An image that came by another manifest than the one that was pushed sleeps by the one whose blobs are here; one that is in
/// use stays as an image without a name until it is not.
#[test]
fn what_is_in_use_goes_when_it_is_not() {
    let node = Node::new();
    let images = &node.images;
    let pushed = push(images, &example());
    let id = pushed.image.unwrap();
    images.prepare("container", Some(&id)).unwrap();
    let force = Remove {
        force: true,
        prune_parents: true,
    };
    images
        .remove(&tagged().to_string(), force, &|_| Vec::new())
        .unwrap();
    assert_eq!(seen(&node), (1, true));
    assert!(images.get(&id).unwrap().is_dangling());
    images.release("container").unwrap();
    let pruned = images
        .prune(&|image| image.is_dangling(), &|_| Vec::new())
        .unwrap();
    assert_eq!(pruned.removed.len(), 3, "{pruned:?}");
    assert_eq!(seen(&node), (0, true));
}

/// Without layers there is nothing to put to sleep, and nothing to tell a use by but the containers.
#[test]
fn an_image_without_layers_comes_and_goes() {
    let node = Node::new();
    let pushed = push(&node.images, &Remote::new(&[]));
    assert_eq!(seen(&node), (1, true));
    remove(&node, &tagged().to_string());
    assert_eq!(seen(&node), (0, true));
    node.images.claim(&[tagged()]).unwrap();
    remove(&node, &tagged().to_string());
    assert!(
        node.images
            .delete_manifest(APP, &pushed.digest)
            .unwrap()
            .is_some()
    );
    node.images.collect(Duration::ZERO).unwrap();
    node.assert_empty();
}

/// Rows of before it was noted whose a name is: what has blobs in the registry was pushed, all else is docker's.
#[test]
fn old_rows_say_who_pushed() {
    let node = Node::new();
    push(&node.images, &example());
    node.load_one(&archive(&["x:1"], &[&tar(&["c = 1"])]));
    let range = store::RangeRequest {
        range: store::KeyRange::prefix(b"/tags/"),
        revision: None,
        limit: None,
    };
    for row in node.store.range(&range).wait().unwrap().rows {
        let mut value: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
        value.as_object_mut().unwrap().remove("standing").unwrap();
        let op = store::Op::Put {
            key: row.key.clone(),
            value: serde_json::to_vec(&value).unwrap().into(),
            expect: store::Expect::Any,
            lease: None,
        };
        let durability = store::Durability::Relaxed;
        node.store.write(store::Write { op, durability }).wait().unwrap();
    }
    let node = node.reopen();
    remove(&node, &tagged().to_string());
    remove(&node, "x:1");
    assert_eq!(seen(&node), (0, true));
}
