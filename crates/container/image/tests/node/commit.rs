//! Layers made here: what a snapshot has changed, as an archive and as a layer again.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use image::{Commit, CommitLayer, Digest, HistoryRow, ImageConfig};
use proptest::prelude::*;

use super::snapshots::inside;
use super::support::{Node, archive, mounted, tar};

fn commit<'a>(parent: Option<&'a Digest>, layer: CommitLayer<'a>) -> Commit<'a> {
    Commit {
        hidden: false,
        parent,
        layer,
        config: ImageConfig::for_host(),
        history: HistoryRow {
            created_by: "test".to_owned(),
            ..HistoryRow::default()
        },
        reference: None,
        lease: None,
    }
}

fn under<'a>(lease: &'a image::Lease, parent: Option<&'a Digest>, layer: CommitLayer<'a>) -> Commit<'a> {
    Commit {
        hidden: false,
        lease: Some(lease),
        ..commit(parent, layer)
    }
}

/// Things a container may do in its root filesystem, on few names so that they meet.
#[derive(Clone, Debug)]
enum Act {
    Write(usize, u8),
    Remove(usize),
    Directory(usize),
    Symlink(usize, usize),
    Hardlink(usize, usize),
    Rename(usize, usize),
    Mode(usize, u32),
}

const PATHS: &[&str] = &["a", "a/b", "a/b/c", "a/d", "e", "e/f", "e/f/g", "h"];

fn act() -> impl Strategy<Value = Act> {
    let path = 0..PATHS.len();
    prop_oneof![
        3 => (path.clone(), any::<u8>()).prop_map(|(path, byte)| Act::Write(path, byte)),
        3 => path.clone().prop_map(Act::Remove),
        3 => path.clone().prop_map(Act::Directory),
        1 => (path.clone(), path.clone()).prop_map(|(from, to)| Act::Symlink(from, to)),
        1 => (path.clone(), path.clone()).prop_map(|(from, to)| Act::Hardlink(from, to)),
        1 => (path.clone(), path.clone()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (path, 0..0o10000u32).prop_map(|(path, mode)| Act::Mode(path, mode)),
    ]
}

/// Does it if it can be done.
fn perform(root: &Path, act: &Act) {
    let path = |at: &usize| root.join(PATHS[*at]);
    let is_link = |path: &Path| {
        path.symlink_metadata()
            .is_ok_and(|metadata| metadata.is_symlink())
    };
    let _ = match act {
        Act::Write(at, _) if is_link(&path(at)) => Ok(()),
        Act::Write(at, byte) => fs::write(path(at), [*byte]),
        Act::Remove(at) => fs::remove_file(path(at)).or_else(|_| fs::remove_dir_all(path(at))),
        Act::Directory(at) => fs::create_dir(path(at)),
        Act::Symlink(at, to) => symlink(PATHS[*to], path(at)),
        Act::Hardlink(at, to) => fs::hard_link(path(to), path(at)),
        Act::Rename(at, to) => fs::rename(path(at), path(to)),
        Act::Mode(at, _) if is_link(&path(at)) => Ok(()),
        Act::Mode(at, mode) => fs::set_permissions(path(at), fs::Permissions::from_mode(*mode)),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The whiteout algebra: a snapshot's changes, written as a layer and unpacked upon the same
    /// image, show the same tree; whether copied or moved, and again one layer higher.
    #[test]
    fn what_was_changed_is_what_the_layer_changes(acts in prop::collection::vec(prop::collection::vec(act(), 0..8), 1..4)) {
        let node = Node::new();
        let bottom = tar(&["a/", "a/b/", "a/b/c = 0", "a/d = 0", "e/", "e/f = 0", "h = 0"]);
        let mut below = node.load_one(&archive(&[], &[&bottom]));
        let lease = node.images.lease("kept").unwrap();
        for acts in acts {
            let rootfs = node.images.prepare("c", Some(&below)).unwrap();
            inside(&rootfs, |root| acts.iter().for_each(|act| perform(root, act)));
            let seen = mounted(&rootfs);
            // A layer that is there already is used; so the copy goes before the directory itself becomes one.
            let dropped = node.images.lease("dropped").unwrap();
            let copy = node.images.commit(under(&dropped, Some(&below), CommitLayer::Copy(&rootfs))).unwrap();
            prop_assert_eq!(&mounted(&node.images.view(&copy.id).unwrap()), &seen);
            drop(dropped);
            prop_assert!(node.images.get(&copy.id).is_none());
            let moved = node.images.commit(under(&lease, Some(&below), CommitLayer::Move("c"))).unwrap();
            prop_assert_eq!(&moved.config.rootfs, &copy.config.rootfs);
            prop_assert_eq!(&mounted(&node.images.view(&moved.id).unwrap()), &seen);
            prop_assert_eq!(node.images.rootfs("c"), None);
            below = moved.id;
        }
    }
}

#[test]
fn a_layer_is_the_same_whoever_writes_it_and_when() {
    let digests: Vec<Digest> = (0..2)
        .map(|run| {
            let node = Node::new();
            let rootfs = node.images.prepare("c", None).unwrap();
            inside(&rootfs, |root| {
                let names = if run == 0 {
                    ["z", "y", "x"]
                } else {
                    ["x", "z", "y"]
                };
                for name in names {
                    fs::write(root.join(name), name).unwrap();
                    let file = fs::File::options().write(true).open(root.join(name)).unwrap();
                    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1))
                        .unwrap();
                }
            });
            let image = node
                .images
                .commit(commit(None, CommitLayer::Copy(&rootfs)))
                .unwrap();
            let layer = &image.layers[0];
            assert_eq!(
                layer.blob.as_ref().unwrap().digest,
                layer.diff_id,
                "an uncompressed layer is its own diff"
            );
            layer.diff_id
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_commit_adds_a_layer_and_a_step() {
    let node = Node::new();
    let parent = node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    let rootfs = node.images.prepare("c", Some(&parent)).unwrap();
    inside(&rootfs, |root| fs::write(root.join("b"), "22").unwrap());
    let mut request = commit(Some(&parent), CommitLayer::Copy(&rootfs));
    request.reference = Some("y".parse().unwrap());
    let image = node.images.commit(request).unwrap();
    assert_eq!(
        (image.layers.len(), image.size, image.parent),
        (2, 3, Some(parent))
    );
    assert_eq!(image.tags, ["y:latest".parse().unwrap()]);
    assert!(image.made_here && image.last_tagged.is_some());
    let node = node.reopen();
    let again = node.images.resolve("y").unwrap();
    assert_eq!(again, image);
    let history = node.images.history(&again);
    let lines: Vec<_> = history
        .iter()
        .map(|entry| (entry.id.clone(), entry.size, entry.tags.clone()))
        .collect();
    assert_eq!(
        lines,
        [
            (image.id.to_string(), 2, vec!["y:latest".to_owned()]),
            (parent.to_string(), 1, vec!["x:1".to_owned()]),
        ]
    );
    assert_eq!(node.images.children(&parent), [image.id]);
}

/// Its holes would be written as zeros until the disk is full.
#[test]
fn a_file_that_the_disk_has_no_room_for_is_refused_at_once() {
    let node = Node::new();
    let rootfs = node.images.prepare("c", None).unwrap();
    inside(&rootfs, |root| {
        let file = fs::File::create(root.join("holes")).unwrap();
        file.set_len(8 << 40).unwrap();
    });
    let refused = node
        .images
        .commit(commit(None, CommitLayer::Copy(&rootfs)))
        .unwrap_err();
    assert!(
        refused.to_string().contains("No space left on device"),
        "{refused}"
    );
    node.images.release("c").unwrap();
    node.assert_empty();
}

#[test]
fn a_layer_in_which_nothing_is_is_none() {
    let node = Node::new();
    let parent = node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    for layer in [CommitLayer::None, CommitLayer::Move("c")] {
        node.images.prepare("c", Some(&parent)).unwrap();
        let mut request = commit(Some(&parent), layer);
        request.config.comment = format!("{layer:?}");
        let image = node.images.commit(request).unwrap();
        assert_eq!(image.layers.len(), 1);
        assert!(image.config.history.last().unwrap().empty_layer);
    }
    assert_eq!(node.images.rootfs("c"), None);
    let empty = node.images.commit(commit(None, CommitLayer::None)).unwrap();
    assert!(empty.layers.is_empty());
}

fn step(node: &Node, lease: &image::Lease, name: &str) -> Digest {
    let rootfs = node.images.prepare("c", None).unwrap();
    inside(&rootfs, |root| fs::write(root.join(name), "x").unwrap());
    let request = under(lease, None, CommitLayer::Move("c"));
    node.images.commit(request).unwrap().id
}

#[test]
fn what_is_made_under_a_lease_goes_with_it_unless_it_is_kept() {
    let node = Node::new();
    let lease = node.images.lease("build").unwrap();
    assert_eq!(
        node.images.lease("build").unwrap_err().to_string(),
        "lease build is in use"
    );
    let id = step(&node, &lease, "one");
    let force = image::Remove {
        force: true,
        prune_parents: true,
    };
    let error = node
        .images
        .remove(&id.to_string(), force, &|_| Vec::new())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is being used by a build, a load or a save"),
        "{error}"
    );
    lease.keep().unwrap();
    let lease = node.images.lease("build").unwrap();
    let gone = step(&node, &lease, "two");
    drop(lease);
    assert!(node.images.get(&gone).is_none());
    let node = node.reopen();
    assert!(node.images.get(&id).is_some());
    assert_eq!(node.on_disk().0.len(), 1);
}

#[test]
fn a_root_filesystem_is_imported() {
    let node = Node::new();
    let layer = tar(&["bin/", "bin/sh = #!"]);
    let packed = zstd::encode_all(&*layer, 1).unwrap();
    let import = image::Import {
        reference: Some("base:1".parse().unwrap()),
        config: ImageConfig::for_host(),
        message: "Imported from -".to_owned(),
    };
    let id = node.images.import(&mut &*packed, import).unwrap();
    let image = node.images.resolve("base:1").unwrap();
    assert_eq!((image.id, image.layers[0].diff_id), (id, Digest::of(&layer)));
    assert_eq!(node.images.history(&image)[0].comment, "Imported from -");
    let refused = node
        .images
        .import(&mut &b"\0garbage"[..], image::Import::default());
    assert!(refused.is_err());
    assert_eq!(node.reopen().on_disk().0.len(), 1);
}

/// Two leases make the same image and give it the same name; the one that fails takes nothing from the
/// one that does not, in whichever order they end.
#[test]
fn what_two_make_stays_if_one_of_them_keeps_it() {
    for first_ends_first in [true, false] {
        let node = Node::new();
        let (first, second) = (
            node.images.lease("first").unwrap(),
            node.images.lease("second").unwrap(),
        );
        let make = |lease| {
            let rootfs = node.images.prepare("c", None).unwrap();
            inside(&rootfs, |root| {
                fs::write(root.join("x"), "x").unwrap();
                let file = fs::File::options().write(true).open(root.join("x")).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            });
            let mut request = under(lease, None, CommitLayer::Move("c"));
            request.config.created = Some(jiff::Timestamp::UNIX_EPOCH);
            request.config.rootfs.diff_ids.clear();
            request.reference = Some("x:1".parse().unwrap());
            node.images.commit(request).unwrap().id
        };
        let id = make(&first);
        assert_eq!(make(&second), id);
        if first_ends_first {
            drop(first);
            second.keep().unwrap();
        } else {
            second.keep().unwrap();
            drop(first);
        }
        assert_eq!(node.images.resolve("x:1").unwrap().id, id);
        let node = node.reopen();
        assert_eq!(node.images.resolve("x:1").unwrap().id, id);
        assert_eq!(node.on_disk().0.len(), 1);
    }
}

/// Packing ends with whoever wanted it, and nothing of it stays.
#[test]
fn what_nobody_wants_is_not_packed_on() {
    let node = Node::new();
    let images = &node.images;
    let rootfs = images.prepare("c", None).unwrap();
    fs::write(rootfs.upper.as_ref().unwrap().join("f"), vec![1; 1 << 20]).unwrap();
    let interest = image::archive::Interest::default();
    let wanted = interest.wanted();
    drop(interest);
    let refused = images.commit_wanted(commit(None, CommitLayer::Copy(&rootfs)), &wanted);
    assert!(refused.unwrap_err().to_string().contains("archive"));
    assert!(images.all().is_empty());
    images.commit(commit(None, CommitLayer::Move("c"))).unwrap();
}
