//! Our own registry's side: uploads, pushes, what is served, what goes.

use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use image::{
    Blob, Commit, CommitLayer, Descriptor, Digest, DigestAlgorithm, Error, HistoryRow, ImageConfig, Images,
    Inline, Push, Pushed, Reference, Remove, Target, media_type,
};

use super::failures::Failing;
use super::remote::{GZIP, PLAIN, Remote, ZSTD};
use super::support::{Node, archive, config, mounted, names, tar};

const APP: &str = "localhost:5000/team/app";

fn example() -> Remote {
    Remote::new(&[
        (GZIP, &tar(&["a/", "a/one = 1"])),
        (ZSTD, &tar(&["b = 2"])),
        (PLAIN, &tar(&["a/.wh.one", "c = 3"])),
    ])
}

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

fn upload(images: &Images, repository: &str, bytes: &[u8]) -> Result<u64, Error> {
    upload_as(images, repository, bytes, Digest::of(bytes))
}

fn upload_as(images: &Images, repository: &str, bytes: &[u8], digest: Digest) -> Result<u64, Error> {
    let mut upload = images.begin_blob(DigestAlgorithm::default());
    for part in bytes.chunks(100) {
        upload.append(part)?;
    }
    assert_eq!(upload.size(), bytes.len() as u64);
    images.finish_blob(upload, &digest, repository)
}

fn push_blobs(images: &Images, repository: &str, remote: &Remote) -> Result<(), Error> {
    let called = |bytes| Digest::by(remote.algorithm, bytes);
    for (_, bytes, _) in &remote.layers {
        upload_as(images, repository, bytes, called(bytes))?;
    }
    upload_as(images, repository, &remote.config, called(&remote.config)).map(drop)
}

fn put(
    images: &Images,
    repository: &str,
    tags: &[&str],
    media_type: &str,
    bytes: &Bytes,
) -> Result<Pushed, Error> {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let push = Push {
        repository,
        digest: None,
        tags: &tags,
        media_type,
    };
    images.push_manifest(&push, bytes)
}

fn push(images: &Images, repository: &str, tag: &str, remote: &Remote) -> Result<Pushed, Error> {
    push_blobs(images, repository, remote)?;
    put(images, repository, &[tag], media_type::MANIFEST, &remote.manifest)
}

fn bytes(blob: Option<Blob>) -> Option<Vec<u8>> {
    Some(match blob? {
        Blob::Bytes(bytes) => bytes.to_vec(),
        Blob::File(mut file, size) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len() as u64, size);
            bytes
        }
    })
}

fn none(_: &Digest) -> Vec<image::Use> {
    Vec::new()
}

#[test]
fn what_is_pushed_sleeps_until_it_is_needed() {
    let node = Node::new();
    let remote = example();
    let pushed = push(&node.images, APP, "1", &remote).unwrap();
    assert_eq!(
        (pushed.digest, pushed.subject, &*pushed.previous),
        (remote.digest(), None, &[None][..])
    );
    let node = node.reopen();
    let image = node.images.resolve(&format!("{APP}:1")).unwrap();
    assert_eq!(Some(image.id), pushed.image);
    assert!(image.asleep && image.made_here);
    let compressed: u64 = remote.layers.iter().map(|(blob, ..)| blob.size).sum();
    assert_eq!((image.size, image.layers.len()), (compressed, 3));
    assert_eq!(node.images.disk_usage().layers, compressed);
    assert_eq!(node.on_disk().0.len(), 0, "nothing is unpacked");
    let rootfs = node.images.prepare("c", Some(&image.id)).unwrap();
    assert_eq!(names(&rootfs), ["/a", "/b", "/c"]);
    let awake = node.images.get(&image.id).unwrap();
    assert!(!awake.asleep && awake.size < compressed && awake.made_here);
    let blobs = node.on_disk().1;
    let node = node.reopen();
    assert!(!node.images.get(&image.id).unwrap().asleep);
    assert_eq!(node.on_disk().1, blobs);
    assert_eq!(mounted(&node.images.rootfs("c").unwrap()).len(), 3);
}

/// What came under names by SHA-512 keeps them, runs as anything else does, and goes out again under them.
#[test]
fn an_image_may_be_named_by_sha512_throughout() {
    let (one, two) = (tar(&["a/", "a/one = 1"]), tar(&["b = 2"]));
    let layers = [(GZIP, &*one), (ZSTD, &*two)];
    let config = config(&[&one, &two]);
    let remote = Remote::named_by(DigestAlgorithm::Sha512, &layers, config);
    let digest = remote.digest();
    // Pushed to us, under its digest.
    let pushing = Node::new();
    push_blobs(&pushing.images, APP, &remote).unwrap();
    let tags = ["1".to_owned()];
    let wanted = Push {
        repository: APP,
        digest: Some(digest),
        tags: &tags,
        media_type: media_type::MANIFEST,
    };
    let pushed = pushing.images.push_manifest(&wanted, &remote.manifest).unwrap();
    assert_eq!(
        (pushed.digest, pushed.image),
        (digest, Some(Digest::of(&remote.config)))
    );
    // Pulled by us.
    let pulling = Node::new();
    remote.pull(&pulling.images, &format!("{APP}:1")).unwrap();
    for node in [pushing, pulling] {
        let node = node.reopen();
        let served = node
            .images
            .manifest_in(&name(&format!("{APP}@{digest}")))
            .unwrap()
            .unwrap();
        assert_eq!((served.digest, &served.bytes), (digest, &remote.manifest));
        let image = node.images.resolve(&format!("{APP}:1")).unwrap();
        assert_eq!(image.id, Digest::of(&remote.config));
        let rootfs = node.images.prepare("c", Some(&image.id)).unwrap();
        assert_eq!(names(&rootfs), ["/a", "/a/one", "/b"]);
        let lease = node.images.lease("export").unwrap();
        let exported = node
            .images
            .export(&lease, &image.id, image::Export::default())
            .unwrap();
        assert_eq!((exported.manifest.digest, exported.image), (digest, image.id));
        let other = name("elsewhere.example/app:1");
        node.images.note_pushed(&other, &exported).unwrap();
        drop(lease);
        let node = node.reopen();
        for (layer, bytes_of, _) in &remote.layers {
            let blob = node.images.blob_in(APP, &layer.digest).unwrap();
            assert_eq!(bytes(blob).as_deref(), Some(&bytes_of[..]));
        }
    }
}

#[test]
fn many_may_need_it_at_once() {
    let node = Node::new();
    let id = push(&node.images, APP, "1", &example()).unwrap().image.unwrap();
    std::thread::scope(|scope| {
        for owner in ["a", "b", "c", "d"] {
            let images = &node.images;
            scope.spawn(move || images.prepare(owner, Some(&id)).unwrap());
        }
    });
    // Three layers, an init layer, four containers.
    assert_eq!(node.on_disk().0.len(), 8);
}

#[test]
fn a_build_upon_it_wakes_it() {
    let node = Node::new();
    let id = push(&node.images, APP, "1", &example()).unwrap().image.unwrap();
    let commit = Commit {
        hidden: false,
        parent: Some(&id),
        layer: CommitLayer::None,
        config: ImageConfig::for_host(),
        history: HistoryRow::default(),
        reference: None,
        lease: None,
    };
    let child = node.images.commit(commit).unwrap();
    assert_eq!((child.layers.len(), child.asleep), (3, false));
    assert_eq!(names(&node.images.view(&child.id).unwrap()), ["/a", "/b", "/c"]);
}

#[test]
fn layers_that_are_here_are_shared() {
    let node = Node::new();
    let bottom = tar(&["a/", "a/one = 1"]);
    node.load_one(&archive(&["y:1"], &[&bottom]));
    let id = push(&node.images, APP, "1", &example()).unwrap().image.unwrap();
    node.images.wake(&id).unwrap();
    assert_eq!(node.on_disk().0.len(), 3);
}

#[test]
fn a_damaged_blob_is_named() {
    let node = Node::new();
    let remote = example();
    let id = push(&node.images, APP, "1", &remote).unwrap().image.unwrap();
    let digest = remote.layers[1].0.digest;
    let file = node
        .directory
        .path()
        .join("content/blobs/sha256")
        .join(digest.hex());
    fs::write(&file, "junk").unwrap();
    let error = node.images.prepare("c", Some(&id)).unwrap_err();
    assert!(
        matches!(error, Error::Damaged { image, digest: named, .. } if (image, named) == (id, digest)),
        "{error}"
    );
    fs::remove_file(&file).unwrap();
    let error = node.images.prepare("c", Some(&id)).unwrap_err();
    assert!(
        matches!(error, Error::Damaged { digest: named, .. } if named == digest),
        "{error}"
    );
    assert!(node.images.get(&id).unwrap().asleep);
    assert_eq!(node.on_disk().0.len(), 0);
}

/// The process dies after each write of a push in turn.
#[test]
fn a_push_that_is_cut_off_has_not_happened() {
    let remote = example();
    for writes in 0.. {
        let store = Failing::after(usize::MAX);
        let node = Node::with(store.clone(), Arc::new(Inline));
        push_blobs(&node.images, APP, &remote).unwrap();
        store.left.store(writes, Ordering::SeqCst);
        let pushed = put(
            &node.images,
            APP,
            &["1", "2"],
            media_type::MANIFEST,
            &remote.manifest,
        );
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        if pushed.is_ok() {
            assert_eq!(node.images.tags_in(APP, "", 9).unwrap(), ["1", "2"]);
            break;
        }
        assert_eq!(node.images.list(), [], "after {writes} writes");
        assert_eq!(node.images.tags_in(APP, "", 9).unwrap(), [] as [&str; 0]);
        assert!(node.images.manifest(&remote.digest()).is_none());
        assert_eq!(
            node.on_disk().1.len(),
            4,
            "the blobs are the repository's all the same"
        );
        node.images.collect(Duration::ZERO).unwrap();
        node.reopen().assert_empty();
    }
}

/// The process dies after each write of a waking in turn: it sleeps, or it is awake.
#[test]
fn a_waking_that_is_cut_off_has_not_happened() {
    for writes in 0.. {
        let store = Failing::after(usize::MAX);
        let node = Node::with(store.clone(), Arc::new(Inline));
        let id = push(&node.images, APP, "1", &example()).unwrap().image.unwrap();
        store.left.store(writes, Ordering::SeqCst);
        let woken = node.images.wake(&id);
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        let image = node.images.get(&id).unwrap();
        let expected = if image.asleep { 0 } else { 3 };
        assert_eq!(node.on_disk().0.len(), expected, "after {writes} writes");
        assert!(woken.is_err() || !image.asleep);
        assert_eq!(names(&node.images.view(&id).unwrap()), ["/a", "/b", "/c"]);
        if woken.is_ok() {
            break;
        }
    }
}

#[test]
fn an_upload_is_what_it_was_said_to_be() {
    let node = Node::new();
    let mut upload = node.images.begin_blob(DigestAlgorithm::default());
    upload.append(b"abc").unwrap();
    let error = node
        .images
        .finish_blob(upload, &Digest::of(b"other"), APP)
        .unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }));
    drop(node.images.begin_blob(DigestAlgorithm::default()));
    let error = self::upload(&node.images, "Not a name", b"abc").unwrap_err();
    assert!(matches!(error, Error::Reference(_)));
    node.assert_empty();
}

/// As a loss of power leaves it: the rows are there, and of the bytes whatever the disk had written.
#[test]
fn what_a_loss_of_power_has_taken_is_not_served() {
    let node = Node::new();
    let remote = example();
    let (whole, torn) = (Digest::of(b"whole"), Digest::of(b"torn"));
    push(&node.images, APP, "1", &remote).unwrap();
    upload(&node.images, APP, b"whole").unwrap();
    upload(&node.images, APP, b"torn").unwrap();
    // What a manifest names is durable, so nobody reads it again: that this one is torn is found out by who pulls it.
    let named = Digest::of(&remote.layers[0].1);
    for digest in [torn, named] {
        fs::write(node.blob(&digest), "to").unwrap();
    }
    let node = node.reopen();
    let there = |digest| node.images.blob_in(APP, digest).unwrap().is_some();
    assert_eq!([there(&whole), there(&torn), there(&named)], [true, false, true]);
    // Settled, it is not read any more either.
    node.images.settle_blob(APP, &whole).unwrap();
    node.images.settle_blob(APP, &torn).unwrap();
    fs::write(node.blob(&whole), "to").unwrap();
    let node = node.reopen();
    assert!(node.images.blob_in(APP, &whole).unwrap().is_some());
}

#[test]
fn a_blob_lies_once_and_is_linked_by_each_repository() {
    let node = Node::new();
    let (images, digest) = (&node.images, Digest::of(b"abc"));
    upload(images, APP, b"abc").unwrap();
    upload(images, APP, b"abc").unwrap();
    let other = "localhost:5000/other";
    assert!(images.blob_in(other, &digest).unwrap().is_none());
    assert!(images.mount_blob(APP, other, &digest).unwrap());
    assert!(
        !images
            .mount_blob("localhost:5000/third", "localhost:5000/fourth", &digest)
            .unwrap()
    );
    let node = node.reopen();
    let images = &node.images;
    assert_eq!(node.on_disk().1.len(), 1);
    assert_eq!(bytes(images.blob_in(other, &digest).unwrap()).unwrap(), b"abc");
    assert!(images.unlink_blob(APP, &digest).unwrap() && !images.unlink_blob(APP, &digest).unwrap());
    assert!(images.blob_in(APP, &digest).unwrap().is_none());
    assert!(images.blob_in(other, &digest).unwrap().is_some());
    assert!(images.unlink_blob(other, &digest).unwrap());
    node.assert_empty();
}

/// In the registry, a blob goes although manifests name it; what docker pushes, which sends nothing, brings it back.
#[test]
fn a_blob_that_was_deleted_is_gone_until_it_is_pushed_again() {
    let mut node = Node::new();
    let remote = example();
    let push_it = |node: &Node, tag: &[String]| {
        let push = Push {
            repository: APP,
            digest: None,
            tags: tag,
            media_type: media_type::MANIFEST,
        };
        node.images.enter_manifest(&push, &remote.manifest)
    };
    let pushed = push(&node.images, APP, "1", &remote).unwrap();
    let digest = remote.layers[0].0.digest;
    let there = |node: &Node| node.images.blob_in(APP, &digest).unwrap().is_some();
    assert!(there(&node) && node.images.delete_blob(APP, &digest).unwrap());
    for _ in 0..2 {
        assert!(!there(&node) && !node.images.delete_blob(APP, &digest).unwrap());
        let again = put(&node.images, APP, &["2"], media_type::MANIFEST, &remote.manifest);
        assert!(matches!(again, Err(Error::MissingContent(missing)) if missing == [digest]));
        assert!(node.images.open_blob(&digest).unwrap().is_some());
        node = node.reopen();
    }
    push_it(&node, &["1".to_owned()]).unwrap();
    assert!(there(&node));
    let node = node.reopen();
    assert!(there(&node) && node.images.delete_blob(APP, &digest).unwrap());
    upload(&node.images, APP, &remote.layers[0].1).unwrap();
    assert!(there(&node) && node.images.delete_blob(APP, &digest).unwrap());
    // `docker push` of a name that is there: asked of all that it stands for.
    node.images.delete_blob(APP, &digest).unwrap();
    node.images.offer(&name(&format!("{APP}:1"))).unwrap();
    put(&node.images, APP, &["1"], media_type::MANIFEST, &remote.manifest).unwrap();
    let node = node.reopen();
    assert!(there(&node) && node.images.delete_blob(APP, &digest).unwrap());
    // Once nothing names it there is nothing to be remembered.
    node.images.delete_manifest(APP, &pushed.digest).unwrap().unwrap();
    let called = format!("{APP}:1");
    node.images.remove(&called, Remove::default(), &none).unwrap();
    node.images.collect(Duration::ZERO).unwrap();
    let again = node.reopen();
    assert!(!there(&again));
    again.images.collect(Duration::ZERO).unwrap();
    let rows = store::RangeRequest {
        range: store::KeyRange::prefix(b"/"),
        revision: None,
        limit: None,
    };
    let rows = again.store.range(&rows).wait().unwrap().rows;
    let keys = rows
        .iter()
        .map(|row| String::from_utf8_lossy(&row.key).into_owned());
    let left: Vec<String> = keys.filter(|key| key.contains(&digest.hex())).collect();
    assert_eq!(left, [] as [&str; 0]);
}

#[test]
fn a_manifest_names_what_is_in_the_repository() {
    let node = Node::new();
    let remote = example();
    let (images, manifest) = (&node.images, &remote.manifest);
    let mut all: Vec<Digest> = remote.layers.iter().map(|(blob, ..)| blob.digest).collect();
    all.insert(0, Digest::of(&remote.config));
    let missing = |result: Result<Pushed, Error>| match result {
        Err(Error::MissingContent(missing)) => missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        missing(put(images, APP, &["1"], media_type::MANIFEST, manifest)),
        all
    );
    // What another repository has does not count.
    push(images, "localhost:5000/other", "1", &remote).unwrap();
    assert_eq!(
        missing(put(images, APP, &["1"], media_type::MANIFEST, manifest)),
        all
    );
    upload(images, APP, &remote.layers[0].1).unwrap();
    assert_eq!(
        missing(put(images, APP, &["1"], media_type::MANIFEST, manifest)),
        [all[0], all[2], all[3]]
    );
    let index = index(&[(&remote, "amd64")]);
    assert_eq!(
        missing(put(images, APP, &["1"], media_type::INDEX, &index)),
        [remote.digest()]
    );
    let wrong = Push {
        repository: APP,
        digest: Some(Digest::of(b"other")),
        tags: &[],
        media_type: media_type::MANIFEST,
    };
    assert!(matches!(
        images.push_manifest(&wrong, manifest),
        Err(Error::WrongDigest { .. })
    ));
    assert!(matches!(
        put(images, APP, &["-"], media_type::MANIFEST, manifest),
        Err(Error::Reference(_))
    ));
    assert!(matches!(
        put(images, "app", &["1"], media_type::MANIFEST, manifest),
        Err(Error::Reference(_))
    ));
    assert!(matches!(
        put(images, APP, &["1"], media_type::INDEX, manifest),
        Err(Error::Manifest(_))
    ));
}

fn index(children: &[(&Remote, &str)]) -> Bytes {
    let child = |(remote, architecture): &(&Remote, &str)| {
        serde_json::json!({
            "mediaType": media_type::MANIFEST, "digest": remote.digest(), "size": remote.manifest.len(),
            "platform": {"os": "linux", "architecture": architecture},
        })
    };
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::INDEX,
        "manifests": children.iter().map(child).collect::<Vec<_>>(),
    });
    index.to_string().into()
}

/// What `docker buildx build --platform` pushes: children by digest, then the index by tag.
#[test]
fn an_index_stands_for_this_machines_image() {
    let node = Node::new();
    let layer = tar(&["a = 1"]);
    let text = String::from_utf8(config(&[&layer])).unwrap();
    let foreign = Remote::with_config(&[(GZIP, &layer)], text.replace("amd64", "s390x").into_bytes());
    let own = Remote::with_config(&[(GZIP, &layer)], text.into_bytes());
    let host = image::Platform::host().architecture;
    assert_eq!(host, "amd64", "the configurations of these tests say so");
    for remote in [&foreign, &own] {
        push_blobs(&node.images, APP, remote).unwrap();
        put(&node.images, APP, &[], media_type::MANIFEST, &remote.manifest).unwrap();
    }
    let list = index(&[(&foreign, "s390x"), (&own, &host)]);
    let pushed = put(&node.images, APP, &["1"], media_type::INDEX, &list).unwrap();
    assert_eq!(pushed.image, Some(Digest::of(&own.config)));
    let node = node.reopen();
    assert_eq!(
        node.images.list().len(),
        1,
        "an image for another machine is no image here"
    );
    let image = node.images.resolve(&format!("{APP}:1")).unwrap();
    assert_eq!(image.digests.len(), 2);
    for (tag, expected) in [("1", &list), (&*foreign.digest().to_string(), &foreign.manifest)] {
        let reference = if tag == "1" {
            format!("{APP}:1")
        } else {
            format!("{APP}@{tag}")
        };
        let served = node.images.manifest_in(&name(&reference)).unwrap().unwrap();
        assert_eq!((served.digest, &served.bytes), (Digest::of(expected), expected));
    }
    // The names of the children go, and the index still has them.
    for child in [&foreign, &own] {
        node.images
            .delete_manifest(APP, &child.digest())
            .unwrap()
            .unwrap();
        assert!(
            node.images
                .delete_manifest(APP, &child.digest())
                .unwrap()
                .is_none()
        );
        let reference = name(&format!("{APP}@{}", child.digest()));
        assert!(node.images.manifest_in(&reference).unwrap().is_some());
    }
    let unlinked = node.images.delete_manifest(APP, &pushed.digest).unwrap().unwrap();
    assert_eq!(
        (unlinked.tags, unlinked.images),
        (vec!["1".to_owned()], vec![image.id])
    );
    node.images.collect(Duration::ZERO).unwrap();
    node.assert_empty();
}

#[test]
fn names_are_listed_in_order_and_in_pages() {
    let node = Node::new();
    let images = &node.images;
    for repository in ["b", "a/x", "a-x", "c"] {
        let repository = format!("localhost:5000/{repository}");
        push_blobs(images, &repository, &example()).unwrap();
        put(
            images,
            &repository,
            &["2", "10", "1", "latest"],
            media_type::MANIFEST,
            &example().manifest,
        )
        .unwrap();
    }
    node.load_one(&archive(&["y:1"], &[]));
    let list = |after: &str, limit| images.repositories("localhost:5000", after, limit);
    assert_eq!(list("", 99), ["a-x", "a/x", "b", "c"]);
    assert_eq!(list("a-x", 2), ["a/x", "b"]);
    assert_eq!(list("a0", 1), ["b"]);
    assert_eq!(list("c", 9), [] as [&str; 0]);
    assert_eq!(images.repositories("docker.io", "", 9), ["library/y"]);
    let tags = |after: &str, limit| images.tags_in("localhost:5000/b", after, limit).unwrap();
    assert_eq!(tags("", 99), ["1", "10", "2", "latest"]);
    assert_eq!(tags("10", 1), ["2"]);
    assert_eq!(tags("latest", 1), [] as [&str; 0]);
    assert_eq!(images.tags_in("localhost:5000/none", "", 9), None);
}

#[test]
fn referrers_are_found_and_do_not_hold() {
    let node = Node::new();
    let images = &node.images;
    let image = push(images, APP, "1", &example()).unwrap();
    upload(images, APP, b"{}").unwrap();
    let about = |kind: &str, subject: Digest| {
        let artifact = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": kind,
            "config": Descriptor::new(media_type::EMPTY, Digest::of(b"{}"), 2), "layers": [],
            "subject": Descriptor::new(media_type::MANIFEST, subject, 1), "annotations": {"a": kind},
        });
        Bytes::from(artifact.to_string())
    };
    let signature = put(
        images,
        APP,
        &[],
        media_type::MANIFEST,
        &about("text/signature", image.digest),
    )
    .unwrap();
    assert_eq!((signature.subject, signature.image), (Some(image.digest), None));
    // What it is about may come later, or never.
    put(
        images,
        APP,
        &[],
        media_type::MANIFEST,
        &about("", Digest::of(b"later")),
    )
    .unwrap();
    let found = images.referrers(APP, &image.digest);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].digest, found[0].artifact_type.as_deref()),
        (signature.digest, Some("text/signature"))
    );
    assert!(found[0].annotations.is_empty(), "they are not kept in memory");
    assert_eq!(
        images.annotations(&signature.digest).unwrap()["a"],
        "text/signature"
    );
    assert!(images.annotations(&Digest::of(b"none")).unwrap().is_empty());
    let later = images.referrers(APP, &Digest::of(b"later"));
    assert_eq!(later[0].artifact_type.as_deref(), Some(media_type::EMPTY));
    assert_eq!(images.referrers("localhost:5000/other", &image.digest), []);
    images.delete_manifest(APP, &image.digest).unwrap();
    assert_eq!(images.referrers(APP, &image.digest).len(), 1);
}

#[test]
fn what_was_made_here_is_served_as_it_lies() {
    let node = Node::new();
    let layer = tar(&["a = 1"]);
    let id = node.load_one(&archive(&[&format!("{APP}:1"), "y:1"], &[&layer]));
    let images = &node.images;
    let tagged = name(&format!("{APP}:1"));
    let served = images.manifest_in(&tagged).unwrap().unwrap();
    let pinned = name(&format!("{APP}@{}", served.digest));
    assert_eq!(images.manifest_in(&pinned).unwrap().unwrap(), served);
    assert_eq!(Digest::of(&served.bytes), served.digest);
    let manifest: image::Manifest = serde_json::from_slice(&served.bytes).unwrap();
    assert_eq!(
        (&*served.media_type, manifest.config.digest),
        (media_type::MANIFEST, id)
    );
    assert_eq!(
        bytes(images.blob_in(APP, &manifest.layers[0].digest).unwrap()).unwrap(),
        layer
    );
    assert_eq!(
        bytes(images.blob_in(APP, &id).unwrap()).unwrap(),
        config(&[&layer])
    );
    assert!(images.blob_in("localhost:5000/other", &id).unwrap().is_none());
    assert!(images.blob_in("docker.io/library/y", &id).unwrap().is_some());
    // Its configuration is no blob until another repository wants it.
    assert!(images.mount_blob(APP, "localhost:5000/other", &id).unwrap());
    assert!(images.blob_in("localhost:5000/other", &id).unwrap().is_some());
    // A push of the very same image finds all that it needs.
    let again = put(images, APP, &["2"], media_type::MANIFEST, &served.bytes).unwrap();
    assert_eq!(again.image, Some(id));
    let node = node.reopen();
    assert!(node.images.get(&id).unwrap().made_here);
    let unlinked = node.images.delete_manifest(APP, &served.digest).unwrap().unwrap();
    assert_eq!(
        (unlinked.tags, unlinked.images),
        (vec!["1".to_owned(), "2".to_owned()], vec![])
    );
    assert!(node.images.resolve("y:1").is_ok());
}

/// A pulled image with another name is served by the manifest it came by.
#[test]
fn what_was_pulled_is_served_as_it_came() {
    let node = Node::new();
    let remote = example();
    let id = remote.pull(&node.images, "x:1").unwrap();
    node.images.tag(&id, &name(&format!("{APP}:1"))).unwrap();
    for reference in [
        "x:1".to_owned(),
        format!("{APP}:1"),
        format!("{APP}@{}", remote.digest()),
    ] {
        let served = node.images.manifest_in(&name(&reference)).unwrap().unwrap();
        assert_eq!(served.bytes, remote.manifest, "{reference}");
    }
    // Its layers came with another image: the manifest's own blobs are not here.
    let other = Node::new();
    let tars = [
        tar(&["a/", "a/one = 1"]),
        tar(&["b = 2"]),
        tar(&["a/.wh.one", "c = 3"]),
    ];
    other.load_one(&archive(&["y:1"], &[&tars[0], &tars[1], &tars[2]]));
    let lease = other.images.lease("pull").unwrap();
    let summary = other
        .images
        .put_manifest(
            &lease,
            DigestAlgorithm::default(),
            media_type::MANIFEST,
            &remote.manifest,
        )
        .unwrap();
    for layer in &other.images.get(&id).unwrap().layers {
        assert!(lease.hold_layer(layer.chain_id));
    }
    other
        .images
        .register_pulled(&lease, &summary.digest, remote.config.clone())
        .unwrap();
    let target = Target::manifest(summary.digest, Some(id));
    other.images.tag_under(&lease, &name("x:1"), target).unwrap();
    lease.keep().unwrap();
    let served = other.images.manifest_in(&name("x:1")).unwrap().unwrap();
    assert_ne!(served.digest, remote.digest(), "nobody could pull that");
    let manifest: image::Manifest = serde_json::from_slice(&served.bytes).unwrap();
    for layer in manifest.layers {
        assert!(
            other
                .images
                .blob_in("docker.io/library/x", &layer.digest)
                .unwrap()
                .is_some()
        );
    }
}

#[test]
fn untagging_takes_what_was_never_run_and_nothing_else() {
    let node = Node::new();
    let images = &node.images;
    let (one, two) = (example(), Remote::new(&[(GZIP, &tar(&["z = 1"]))]));
    let first = push(images, APP, "1", &one).unwrap();
    let second = push(images, APP, "2", &two).unwrap();
    images.wake(&second.image.unwrap()).unwrap();
    assert_eq!(images.untag(&name(&format!("{APP}:none"))).unwrap(), None);
    for (tag, pushed) in [("1", &first), ("2", &second)] {
        let target = images.untag(&name(&format!("{APP}:{tag}"))).unwrap().unwrap();
        assert_eq!(target, Target::manifest(pushed.digest, pushed.image));
        assert!(
            images.get(&pushed.image.unwrap()).is_some(),
            "its digest names it"
        );
        images.delete_manifest(APP, &pushed.digest).unwrap().unwrap();
    }
    let left: Vec<Digest> = images.list().iter().map(|image| image.id).collect();
    assert_eq!(
        left,
        [second.image.unwrap()],
        "a container may be running upon it"
    );
    let removed = images.remove(&left[0].hex(), Remove::default(), &none).unwrap();
    assert!(!removed.is_empty());
    images.collect(Duration::ZERO).unwrap();
    node.assert_empty();
}

#[test]
fn a_tag_that_is_pushed_again_moves() {
    let node = Node::new();
    let images = &node.images;
    let before = push(images, APP, "1", &example()).unwrap();
    let after = push(images, APP, "1", &Remote::new(&[(GZIP, &tar(&["z = 1"]))])).unwrap();
    assert_eq!(
        after.previous,
        [Some(Target::manifest(before.digest, before.image))]
    );
    let old = name(&format!("{APP}@{}", before.digest));
    assert_eq!(images.manifest_in(&old).unwrap().unwrap().digest, before.digest);
    assert_eq!(images.get(&before.image.unwrap()).unwrap().tags, []);
}

#[test]
fn garbage_is_what_no_manifest_names_for_a_while() {
    let node = Node::new();
    let images = &node.images;
    push(images, APP, "1", &example()).unwrap();
    upload(images, APP, b"junk").unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(
        images.collect(hour).unwrap().links,
        0,
        "somebody may be about to name it"
    );
    let collected = images.collect(Duration::ZERO).unwrap();
    assert_eq!((collected.links, collected.blobs, collected.bytes), (1, 1, 4));
    assert_eq!(images.collect(Duration::ZERO).unwrap().links, 0);
    let node = node.reopen();
    assert_eq!(node.on_disk().1.len(), 4);
    node.images.wake(&Digest::of(&example().config)).unwrap();
}

/// Uploads, pushes, deletions and collections at once: what was pushed is whole, and at the end there is no more
/// and no less than what is named.
#[test]
fn collecting_beside_everybody_takes_nothing_that_is_named() {
    let node = Node::new();
    let images = &node.images;
    let remotes: Vec<Remote> = (0..6)
        .map(|n| {
            let (shared, own) = (tar(&["shared = 1"]), tar(&[&format!("own = {}", n / 2)]));
            let mut text: serde_json::Value = serde_json::from_slice(&config(&[&shared, &own])).unwrap();
            text["author"] = n.to_string().into();
            Remote::with_config(&[(GZIP, &shared), (GZIP, &own)], text.to_string().into_bytes())
        })
        .collect();
    // One collection for each round, whenever it comes: a client that has to upload again gets through in the end.
    let (begun, rounds) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = remotes
            .iter()
            .enumerate()
            .map(|(n, remote)| {
                let begun = begun.clone();
                scope.spawn(move || {
                    let repository = format!("localhost:5000/r{}", n % 2);
                    for round in 0..12 {
                        begun.send(()).unwrap();
                        // A collection between upload and push means that the client uploads again.
                        let pushed = loop {
                            match push(images, &repository, &n.to_string(), remote) {
                                Err(Error::MissingContent(_)) => {}
                                other => break other.unwrap(),
                            }
                        };
                        for (blob, bytes, _) in &remote.layers {
                            let there = self::bytes(images.blob_in(&repository, &blob.digest).unwrap());
                            assert_eq!(there.as_ref(), Some(bytes));
                        }
                        if round % 3 == 0 {
                            images.wake(&pushed.image.unwrap()).unwrap();
                        }
                        if round % 2 == 0 {
                            images
                                .delete_manifest(&repository, &pushed.digest)
                                .unwrap()
                                .unwrap();
                        }
                    }
                })
            })
            .collect();
        drop(begun);
        scope.spawn(move || {
            for () in rounds {
                images.collect(Duration::ZERO).unwrap();
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
    });
    images.collect(Duration::ZERO).unwrap();
    let (_, blobs) = node.on_disk();
    // Six configurations, the shared layer, three others.
    assert_eq!(blobs.len(), 10);
    let node = node.reopen();
    assert_eq!(node.on_disk().1, blobs);
    for image in node.images.list() {
        assert_eq!(names(&node.images.view(&image.id).unwrap()), ["/own", "/shared"]);
    }
}

/// What is too long for a row is a blob, and goes as one.
#[test]
fn a_long_manifest_is_kept_as_well() {
    let node = Node::new();
    let long = serde_json::json!({"annotations": {"long": "x".repeat(1 << 20)}});
    let long = Bytes::from(long.to_string());
    let pushed = put(&node.images, APP, &["1"], "application/vnd.example+json", &long).unwrap();
    let node = node.reopen();
    let served = node
        .images
        .manifest_in(&name(&format!("{APP}:1")))
        .unwrap()
        .unwrap();
    assert_eq!(
        (served.bytes, &*served.media_type),
        (long, "application/vnd.example+json")
    );
    node.images.delete_manifest(APP, &pushed.digest).unwrap().unwrap();
    node.assert_empty();
}

#[test]
fn what_was_fetched_for_others_can_be_had_again_and_may_go() {
    let node = Node::new();
    let images = &node.images;
    let (cache, own) = (
        image::fetched_from("docker.io") + "/library/tool",
        "localhost:5000/tool",
    );
    let layer = b"a layer of another registry".as_slice();
    let shared = b"one that was pushed here as well".as_slice();
    for bytes in [layer, shared] {
        upload(images, &cache, bytes).unwrap();
    }
    upload(images, own, shared).unwrap();
    let survey = images.survey().unwrap();
    let [fetched] = &survey.fetched[..] else {
        panic!("{:?}", survey.fetched)
    };
    assert_eq!(fetched.repository, cache);
    let pinned = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        let part = survey.parts.iter().find(|part| part.digest == digest).unwrap();
        part.pinned
    };
    assert_eq!((pinned(layer), pinned(shared)), (false, true));
    assert_eq!(fetched.parts.len(), 2);
    // Somebody has asked since.
    assert!(!images.evict_fetched(&cache, fetched.last_used - 1).unwrap());
    assert!(images.evict_fetched(&cache, fetched.last_used).unwrap());
    assert!(!images.evict_fetched(&cache, i64::MAX).unwrap(), "it is gone");
    assert!(images.open_blob(&Digest::of(layer)).unwrap().is_none());
    assert!(images.blob_in(own, &Digest::of(shared)).unwrap().is_some());
    assert!(node.reopen().images.survey().unwrap().fetched.is_empty());
}

/// An image of layers as they lie here, that came by a manifest of compressed ones which only pushes elsewhere have.
#[test]
fn a_repository_has_all_that_the_manifests_it_serves_name() {
    let node = Node::new();
    let id = node.load_one(&archive(&["k:1"], &[&tar(&["a = 1"])]));
    let lease = node.images.lease("push").unwrap();
    let exported = node.images.export(&lease, &id, image::Export::default()).unwrap();
    lease.keep().unwrap();
    // Pulled again: its layer is here.
    let image = node.images.get(&id).unwrap();
    let lease = node.images.lease("pull").unwrap();
    let manifest = &exported.manifest;
    let algorithm = DigestAlgorithm::default();
    node.images
        .put_manifest(&lease, algorithm, &manifest.media_type, &manifest.bytes)
        .unwrap();
    assert!(lease.hold_layer(image.layers[0].chain_id));
    let pulled = node
        .images
        .register_pulled(&lease, &manifest.digest, image.config_bytes.clone())
        .unwrap();
    let target = Target::manifest(manifest.digest, Some(pulled.id));
    node.images
        .tag_under(&lease, &name("registry.example/k:1"), target)
        .unwrap();
    lease.keep().unwrap();
    assert_eq!(node.images.get(&id).unwrap().manifest, Some(manifest.digest));

    let tag = name(&format!("{APP}:1"));
    node.images.tag(&id, &tag).unwrap();
    let check = |served: &image::ServedManifest| {
        let summary = image::ManifestSummary::parse(&served.media_type, &served.bytes).unwrap();
        for blob in summary.config.iter().chain(&summary.layers) {
            let found = bytes(node.images.blob_in(APP, &blob.digest).unwrap());
            assert_eq!(found.map(|bytes| Digest::of(&bytes)), Some(blob.digest));
        }
        put(&node.images, APP, &["1"], &served.media_type, &served.bytes).unwrap();
    };
    check(&node.images.manifest_in(&tag).unwrap().unwrap());
    check(&node.images.manifest_in(&tag).unwrap().unwrap());
    let by_digest = name(&format!("{APP}@{}", manifest.digest));
    assert_eq!(node.images.manifest_in(&by_digest).unwrap(), None);
}

/// Two platforms under one name: one goes, the name stands for the other, which goes with the name.
#[test]
fn a_platform_is_removed_alone() {
    const NAME: &str = "docker.io/library/both:1";
    let node = Node::new();
    let layers = ["a = 1", "b = 22"].map(|entry| tar(&[entry]));
    let text = |layer: &[u8]| String::from_utf8(config(&[layer])).unwrap();
    let foreign = Remote::with_config(
        &[(GZIP, &layers[0])],
        text(&layers[0]).replace("amd64", "s390x").into_bytes(),
    );
    let own = Remote::with_config(&[(GZIP, &layers[1])], text(&layers[1]).into_bytes());
    for remote in [&foreign, &own] {
        push_blobs(&node.images, APP, remote).unwrap();
        put(&node.images, APP, &[], media_type::MANIFEST, &remote.manifest).unwrap();
    }
    let list = index(&[(&foreign, "s390x"), (&own, "amd64")]);
    let pushed = put(&node.images, APP, &["1"], media_type::INDEX, &list).unwrap();
    let pushed_name = format!("{APP}:1");
    node.images.tag_called(&pushed_name, &name(NAME)).unwrap();
    let platform = |architecture: &str| image::Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
    };
    let remove = |node: &Node, what: &str| node.images.remove_platforms(NAME, &[platform(what)], &none);
    let refused = remove(&node, "amd64").unwrap_err().to_string();
    assert!(refused.contains("the node's registry serves it"), "{refused}");
    for digest in [pushed.digest, foreign.digest(), own.digest()] {
        node.images.delete_manifest(APP, &digest).unwrap();
    }
    node.images.collect(Duration::ZERO).unwrap();
    assert!(matches!(remove(&node, "arm64"), Err(Error::NoSuchImage(_))));
    let id = Digest::of(&own.config);
    let used = |_: &Digest| {
        vec![image::Use {
            container: "c".repeat(64),
            running: true,
        }]
    };
    let busy = node.images.remove_platforms(NAME, &[platform("amd64")], &used);
    assert!(matches!(busy, Err(Error::Conflict(_))));
    assert_eq!(node.images.resolve(NAME).unwrap().id, id);
    let removed = remove(&node, "amd64").unwrap();
    assert_eq!(removed.last(), Some(&image::Removed::Deleted(own.digest())));
    let node = node.reopen();
    assert_eq!(node.images.resolve(NAME).unwrap().id, Digest::of(&foreign.config));
    assert!(node.images.get(&id).is_none());
    let listed = node.images.listed(&name(NAME)).unwrap();
    let whole: Vec<bool> = listed.iter().map(|entry| entry.is_whole).collect();
    assert_eq!(whole, [true, false]);
    assert!(matches!(remove(&node, "amd64"), Err(Error::NoSuchImage(_))));
    remove(&node, "s390x").unwrap();
    node.images.collect(Duration::ZERO).unwrap();
    node.images.settle();
    node.assert_empty();
}

/// Two platforms and an attestation under one name, in the store and not in the registry any more; the manifest of the second
/// one, which is this machine's, is what the attestation is about.
fn attested(called: &str) -> (Node, [Remote; 3]) {
    let node = Node::new();
    let layers = ["a = 1", "b = 22", "c = 333"].map(|entry| tar(&[entry]));
    let remotes = [("s390x", 0), ("amd64", 1), ("unknown", 2)].map(|(architecture, at)| {
        let text = String::from_utf8(config(&[&layers[at]])).unwrap();
        Remote::with_config(&[(GZIP, &layers[at])], text.replace("amd64", architecture).into())
    });
    for remote in &remotes {
        push_blobs(&node.images, APP, remote).unwrap();
        put(&node.images, APP, &[], media_type::MANIFEST, &remote.manifest).unwrap();
    }
    let [foreign, own, said] = &remotes;
    let list = index(&[(foreign, "s390x"), (own, "amd64"), (said, "unknown")]);
    let mut list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    list["manifests"][2]["annotations"] = serde_json::json!({
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": own.digest(),
    });
    let list = Bytes::from(list.to_string());
    let pushed = put(&node.images, APP, &["1"], media_type::INDEX, &list).unwrap();
    node.images
        .tag_called(&format!("{APP}:1"), &name(called))
        .unwrap();
    for digest in remotes
        .each_ref()
        .map(Remote::digest)
        .iter()
        .chain([&pushed.digest])
    {
        node.images.delete_manifest(APP, digest).unwrap();
    }
    node.images.collect(Duration::ZERO).unwrap();
    (node, remotes)
}

/// The other platform of what was not pulled is run: it is a part of it from then on, as if it had been pulled.
#[test]
fn a_platform_that_is_run_goes_with_its_index() {
    const NAME: &str = "docker.io/library/both:1";
    let (mut node, [foreign, own, _]) = attested(NAME);
    let wanted = image::Platform {
        os: "linux".to_owned(),
        architecture: "s390x".to_owned(),
        variant: None,
    };
    let id = Digest::of(&foreign.config);
    for _ in 0..2 {
        let taken = node.images.take_variant(NAME, &wanted).unwrap().unwrap();
        assert_eq!((taken.id, taken.is_dangling()), (id, true));
        node = node.reopen();
        assert!(node.images.get(&id).is_some_and(|image| image.is_dangling()));
        assert!(node.images.is_listed(&id) && node.images.stands_for("both:1", &id));
    }
    assert!(node.images.stands_for("both:1", &Digest::of(&own.config)));
    assert!(!node.images.stands_for("both:1", &own.digest()));
    let used = |used: &Digest| {
        let user = image::Use {
            container: "c".repeat(64),
            running: false,
        };
        (*used == id).then_some(user).into_iter().collect()
    };
    let busy = node.images.remove("both:1", Remove::default(), &used);
    assert!(matches!(busy, Err(Error::Conflict(_))));
    assert!(node.images.resolve("both:1").is_ok());
    let removed = node.images.remove("both:1", Remove::default(), &none).unwrap();
    assert!(removed.contains(&image::Removed::Deleted(id)), "{removed:?}");
    node.images.collect(Duration::ZERO).unwrap();
    node.images.settle();
    node.assert_empty();
}

/// An attestation is told from an image by its notes in the index, which are not kept in memory.
#[test]
fn what_an_index_lists_has_its_notes() {
    const NAME: &str = "docker.io/library/both:1";
    let (node, [foreign, own, said]) = attested(NAME);
    let node = node.reopen();
    let listed = node.images.listed(&name(NAME)).unwrap();
    let told = listed.iter().map(|entry| (entry.descriptor.digest, entry.about));
    let expected = [
        (foreign.digest(), None),
        (own.digest(), None),
        (said.digest(), Some(own.digest())),
    ];
    assert!(told.eq(expected), "{listed:?}");
    assert_eq!(listed[2].descriptor.annotations.len(), 2);
    assert!(listed.iter().all(|entry| entry.is_whole));
}

/// What was built for several platforms and got no name is known by its digest, until it is removed by that.
#[test]
fn an_index_without_a_name_is_what_its_digest_says() {
    let mut node = Node::new();
    let layer = tar(&["a = 1"]);
    let own = Remote::with_config(&[(GZIP, &layer)], config(&[&layer]));
    let list = index(&[(&own, "amd64")]);
    let (digest, id) = (Digest::of(&list), Digest::of(&own.config));
    push_blobs(&node.images, APP, &own).unwrap();
    put(&node.images, APP, &[], media_type::MANIFEST, &own.manifest).unwrap();
    put(&node.images, APP, &["1"], media_type::INDEX, &list).unwrap();
    let lease = node.images.lease("build").unwrap();
    node.images.keep_nameless(&lease, digest, id).unwrap();
    lease.keep().unwrap();
    for digest in [digest, own.digest()] {
        node.images.delete_manifest(APP, &digest).unwrap();
    }
    let tagged = format!("{APP}:1");
    if node.images.resolve(&tagged).is_ok() {
        node.images.remove(&tagged, Remove::default(), &none).unwrap();
    }
    node.images.note_result(&id).unwrap();
    node.images.collect(Duration::ZERO).unwrap();
    for _ in 0..2 {
        let image = node.images.resolve(&digest.to_string()).unwrap();
        assert_eq!((image.id, image.is_dangling(), image.kept), (id, true, 0));
        node = node.reopen();
    }
    let named = name("docker.io/library/x:1");
    node.images.tag_called(&digest.to_string(), &named).unwrap();
    assert_eq!(node.images.tagged_manifest(&named), Some(digest));
    node.images.remove("x:1", Remove::default(), &none).unwrap();
    node.images.settle();
    node.assert_empty();
}
