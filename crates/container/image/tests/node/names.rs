//! Finding, tagging and removing, with upstream's words.

use image::{Commit, CommitLayer, Digest, HistoryRow, ImageConfig, Remove, Removed, Use};

use super::support::{Node, archive, tar};

const GENTLE: Remove = Remove {
    force: false,
    prune_parents: true,
};
const FORCED: Remove = Remove {
    force: true,
    prune_parents: true,
};

fn unused(_: &Digest) -> Vec<Use> {
    Vec::new()
}

fn by(running: bool) -> impl Fn(&Digest) -> Vec<Use> {
    move |_| {
        vec![Use {
            container: "0123456789abcdef".repeat(4),
            running,
        }]
    }
}

fn loaded(node: &Node, tags: &[&str]) -> Digest {
    node.load_one(&archive(tags, &[&tar(&[&format!("{} = 1", tags.len())])]))
}

fn lines(removed: &[Removed]) -> Vec<String> {
    let line = |removed: &Removed| match removed {
        Removed::Untagged { reference, .. } => format!("Untagged: {reference}"),
        Removed::Deleted(id) => format!("Deleted: {id}"),
        Removed::Layer(chain) => format!("Layer: {chain}"),
    };
    removed.iter().map(line).collect()
}

#[test]
fn an_image_is_found_by_all_its_names() {
    let node = Node::new();
    let id = loaded(&node, &["busybox:latest", "x/y:1"]);
    for name in [
        "busybox",
        "busybox:latest",
        "docker.io/library/busybox",
        "x/y:1",
        &id.to_string(),
        &id.hex(),
        &id.short(),
        &id.hex()[..5],
        &id.to_string()[..20],
    ] {
        assert_eq!(node.images.resolve(name).unwrap().id, id, "{name}");
    }
    let check = |name: &str, text: &str| assert_eq!(node.images.resolve(name).unwrap_err().to_string(), text);
    check("nope", "No such image: nope:latest");
    check("x/y", "No such image: x/y:latest");
    check(
        "Bad",
        "invalid reference format: repository name (library/Bad) must be lowercase",
    );
    let missing = Digest::of(b"missing");
    check(&missing.hex(), &format!("No such image: {missing}"));
}

#[test]
fn a_tag_moves_and_survives() {
    let node = Node::new();
    let (one, two) = (loaded(&node, &["a:1"]), loaded(&node, &["b:1", "b:2"]));
    node.images.tag(&two, &"a:1".parse().unwrap()).unwrap();
    node.images.tag(&one, &"c".parse().unwrap()).unwrap();
    let node = node.reopen();
    assert_eq!(node.images.resolve("a:1").unwrap().id, two);
    assert_eq!(node.images.get(&one).unwrap().tags, ["c:latest".parse().unwrap()]);
    assert!(node.images.get(&one).unwrap().last_tagged.is_some());
    let refuse = |reference: &str| {
        node.images
            .tag(&one, &reference.parse().unwrap())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refuse(&format!("a@{one}")),
        "refusing to create a tag with a digest reference"
    );
    assert_eq!(
        refuse("sha256:x"),
        "refusing to create an ambiguous tag using digest algorithm as name"
    );
    let missing = Digest::of(b"missing");
    assert!(node.images.tag(&missing, &"d".parse().unwrap()).is_err());
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let node = Node::new();
    let id = loaded(&node, &["a:1", "b:1"]);
    let chain = node.images.get(&id).unwrap().layers[0].chain_id;
    let removed = node.images.remove("a:1", GENTLE, &unused).unwrap();
    assert_eq!(lines(&removed), ["Untagged: a:1"]);
    let removed = node.images.remove("b:1", GENTLE, &unused).unwrap();
    assert_eq!(
        lines(&removed),
        [
            "Untagged: b:1".to_owned(),
            format!("Deleted: {id}"),
            format!("Layer: {chain}")
        ]
    );
    node.reopen().assert_empty();
}

#[test]
fn who_stands_in_the_way_is_named() {
    let node = Node::new();
    let single = loaded(&node, &["a:1"]);
    let several = loaded(&node, &["b:1", "c:1"]);
    let (one, two) = (single.short(), several.short());
    let check = |name: &str, options: Remove, used: &dyn Fn(&Digest) -> Vec<Use>, text: String| {
        let error = node.images.remove(name, options, used).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind(), image::Kind::Conflict);
    };
    let by_name = |name: &str| {
        format!(
            "conflict: unable to remove repository reference {name:?} (must force) - container 0123456789ab is using its referenced image {one}"
        )
    };
    check("a:1", GENTLE, &by(false), by_name("a:1"));
    check("a:1", GENTLE, &by(true), by_name("a:1"));
    let delete =
        |id: &str, force: &str, why: &str| format!("conflict: unable to delete {id} ({force}) - {why}");
    let stopped = "image is being used by stopped container 0123456789ab";
    let running = "image is being used by running container 0123456789ab";
    let names = "image is referenced in multiple repositories";
    check(&one, GENTLE, &by(false), delete(&one, "must be forced", stopped));
    check(&one, GENTLE, &by(true), delete(&one, "cannot be forced", running));
    check(&one, FORCED, &by(true), delete(&one, "cannot be forced", running));
    check(&two, GENTLE, &unused, delete(&two, "must be forced", names));
    let child = node
        .images
        .commit(Commit {
            hidden: false,
            parent: Some(&single),
            layer: CommitLayer::None,
            config: ImageConfig::for_host(),
            history: HistoryRow::default(),
            reference: Some("child".parse().unwrap()),
            lease: None,
        })
        .unwrap();
    check(
        &one,
        FORCED,
        &unused,
        delete(&one, "cannot be forced", "image has dependent child images"),
    );
    // A name goes even then; the image stays without one, and goes with its child.
    assert_eq!(
        lines(&node.images.remove("a:1", GENTLE, &unused).unwrap()),
        ["Untagged: a:1"]
    );
    let removed = lines(&node.images.remove("child", GENTLE, &unused).unwrap());
    assert_eq!(
        removed[..3],
        [
            "Untagged: child:latest".to_owned(),
            format!("Deleted: {}", child.id),
            format!("Deleted: {single}")
        ]
    );
    let removed = lines(&node.images.remove(&two, FORCED, &by(false)).unwrap());
    assert_eq!(
        removed[..3],
        [
            "Untagged: b:1".to_owned(),
            "Untagged: c:1".to_owned(),
            format!("Deleted: {several}")
        ]
    );
    node.reopen().assert_empty();
}

#[test]
fn a_forced_name_leaves_the_image_of_a_running_container() {
    let node = Node::new();
    let id = loaded(&node, &["a:1"]);
    let removed = node.images.remove("a:1", FORCED, &by(true)).unwrap();
    assert_eq!(lines(&removed), ["Untagged: a:1"]);
    assert!(node.images.get(&id).unwrap().is_dangling());
}

#[test]
fn pruning_takes_what_nobody_uses() {
    let node = Node::new();
    let named = loaded(&node, &["a:1"]);
    let dangling = loaded(&node, &[]);
    let used = loaded(&node, &["b:1", "b:2"]);
    let by = move |id: &Digest| if *id == used { by(false)(id) } else { Vec::new() };
    let pruned = node.images.prune(&|image| image.is_dangling(), &by).unwrap();
    assert_eq!(lines(&pruned.removed)[0], format!("Deleted: {dangling}"));
    assert_eq!((pruned.removed.len(), pruned.reclaimed), (2, 1));
    let pruned = node.images.prune(&|_| true, &by).unwrap();
    let left: Vec<Digest> = node.images.list().iter().map(|image| image.id).collect();
    assert!(lines(&pruned.removed).contains(&format!("Deleted: {named}")));
    assert_eq!(left, [used]);
}

#[test]
fn what_images_share_is_counted_once() {
    let node = Node::new();
    let (shared, own) = (tar(&["a = 12345"]), tar(&["b = 123"]));
    let small = node.load_one(&archive(&["a"].map(|_| "a:1"), &[&shared]));
    let large = node.load_one(&archive(&["b:1"], &[&shared, &own]));
    let usage = node.images.disk_usage();
    assert_eq!(usage.layers, 8);
    assert_eq!((usage.shared[&small], usage.shared[&large]), (5, 5));
    // What only the build cache has is none of the images'.
    let rootfs = node.images.prepare("build", Some(&large)).unwrap();
    std::fs::write(rootfs.upper.unwrap().join("c"), "1234567").unwrap();
    let made = node.images.commit(Commit {
        hidden: true,
        parent: Some(&large),
        layer: CommitLayer::Move("build"),
        config: ImageConfig::for_host(),
        history: HistoryRow::default(),
        reference: None,
        lease: None,
    });
    assert_eq!(node.images.disk_usage().layers, 8);
    node.images.note_result(&made.unwrap().id).unwrap();
    assert_eq!(node.images.disk_usage().layers, 15);
}

/// Uploads that are open, and what a pull has left of a layer.
#[test]
fn what_is_on_its_way_in_can_be_seen() {
    let node = Node::new();
    let unfinished = || node.images.unfinished().unwrap();
    assert_eq!(unfinished(), []);
    let algorithm = image::DigestAlgorithm::default();
    let mut lasting = node.images.begin_lasting_blob("one", b"note", algorithm);
    lasting.append(&[0; 100]).unwrap();
    let mut upload = node.images.begin_blob(algorithm);
    upload.append(&[0; 10]).unwrap();
    assert_eq!(unfinished(), [("uploads", 104), ("ingest", 10)]);
    drop((lasting, upload));
    assert_eq!(unfinished(), []);
}

/// A step whose image clients do not see.
fn step(node: &Node, parent: Option<&Digest>, command: &str) -> Digest {
    let made = node.images.commit(Commit {
        hidden: true,
        parent,
        layer: CommitLayer::None,
        config: ImageConfig::for_host(),
        history: HistoryRow {
            created_by: command.to_owned(),
            ..HistoryRow::default()
        },
        reference: None,
        lease: None,
    });
    made.unwrap().id
}

/// Ids of the images that clients see, after a restart as before.
fn seen(node: &Node) -> Vec<Digest> {
    node.images.list().iter().map(|image| image.id).collect()
}

#[test]
fn steps_are_no_images_until_they_have_a_name() {
    let node = Node::new();
    let first = step(&node, None, "first");
    let second = step(&node, Some(&first), "second");
    assert_eq!(seen(&node), []);
    assert!(node.images.resolve(&first.hex()).is_err());
    assert!(node.images.resolve(&first.hex()[..12]).is_err());
    let everything = |_: &image::Image| true;
    let pruned = node.images.prune(&everything, &unused).unwrap();
    assert_eq!(pruned.removed, []);

    node.images.tag(&second, &"a:1".parse().unwrap()).unwrap();
    let node = node.reopen();
    assert_eq!(seen(&node), [second]);
    let image = node.images.resolve("a:1").unwrap();
    assert_eq!(image.shown_parent(), None);
    let ids: Vec<String> = node
        .images
        .history(&image)
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(ids, [second.to_string(), "<missing>".to_owned()]);

    // Removed, it is the cache's again, and so is what it was built upon.
    let removed = node.images.remove("a:1", GENTLE, &unused).unwrap();
    assert_eq!(
        lines(&removed),
        ["Untagged: a:1".to_owned(), format!("Deleted: {second}")]
    );
    let node = node.reopen();
    assert_eq!((seen(&node), node.images.all().len()), (Vec::new(), 2));

    for id in [second, first] {
        assert_eq!(node.images.evict_unnamed(&id).unwrap(), Some(0));
    }
    node.reopen().assert_empty();
}

#[test]
fn a_step_that_has_lost_its_name_is_an_image_until_it_is_removed() {
    let node = Node::new();
    let made = step(&node, None, "old");
    node.images.tag(&made, &"a:1".parse().unwrap()).unwrap();
    let other = step(&node, None, "new");
    node.images.tag(&other, &"a:1".parse().unwrap()).unwrap();
    let node = node.reopen();
    assert!(seen(&node).contains(&made), "<none>:<none>");
    node.images.remove(&made.hex(), GENTLE, &unused).unwrap();
    assert_eq!(seen(&node), [other]);
    // What the cache has forgotten goes for good.
    node.images.forget_step(&other).unwrap();
    let node = node.reopen();
    node.images.remove("a:1", GENTLE, &unused).unwrap();
    assert_eq!((seen(&node), node.images.all().len()), (Vec::new(), 1));
    assert!(node.images.get(&made).is_some_and(|image| image.is_hidden()));
}

#[test]
fn what_the_cache_has_forgotten_goes_with_the_last_that_needs_it() {
    let node = Node::new();
    let below = step(&node, None, "below");
    let top = step(&node, Some(&below), "top");
    node.images.tag(&top, &"a:1".parse().unwrap()).unwrap();
    node.images.forget_step(&below).unwrap();
    assert_eq!(
        node.images.evict_unnamed(&below).unwrap(),
        None,
        "it is built upon"
    );
    let node = node.reopen();
    node.images.forget_step(&top).unwrap();
    let removed = node.images.remove("a:1", GENTLE, &unused).unwrap();
    assert_eq!(
        lines(&removed)[1..],
        [format!("Deleted: {top}"), format!("Deleted: {below}")]
    );
    node.reopen().assert_empty();
}
