//! Pulling: layers at once and in one pass, one durable moment, nothing of a failure stays.

use std::fs;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use image::{Descriptor, Digest, DigestAlgorithm, Error, Inline, Reference, Remove, Target, media_type};

use super::failures::Failing;
use super::remote::{GZIP, PLAIN, Remote, ZSTD, gzip};
use super::support::{Node, archive, mounted, tar};

fn bottom() -> Vec<u8> {
    tar(&["a/", "a/one = 1", "b = 2"])
}

fn example() -> Remote {
    let top = tar(&["a/", "a/.wh.one", "c -> a"]);
    Remote::new(&[
        (GZIP, &bottom()),
        (ZSTD, &tar(&["a/", "a/two = 2"])),
        (PLAIN, &top),
    ])
}

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

#[test]
fn a_pulled_image_is_what_a_loaded_one_is() {
    let node = Node::new();
    let remote = example();
    let id = remote.pull(&node.images, "x:1").unwrap();
    let loaded = Node::new();
    let same = loaded.load_one(&archive(
        &["x:1"],
        &[
            &bottom(),
            &tar(&["a/", "a/two = 2"]),
            &tar(&["a/", "a/.wh.one", "c -> a"]),
        ],
    ));
    assert_eq!(id, same);
    let show = |node: &Node| mounted(&node.images.view(&id).unwrap());
    assert_eq!(show(&node), show(&loaded));
    for node in [node, Node::new()] {
        remote.pull(&node.images, "x:1").unwrap();
        let node = node.reopen();
        let image = node.images.resolve("x:1").unwrap();
        assert!(!image.made_here && !image.asleep);
        assert_eq!(image.manifest, Some(remote.digest()));
        assert_eq!(image.digests, [format!("x@{}", remote.digest())]);
        assert_eq!(node.images.tagged_manifest(&name("x:1")), Some(remote.digest()));
        let pinned = format!("x:other@{}", remote.digest());
        assert_eq!(node.images.resolve(&pinned).unwrap().id, id);
        let stored = node.images.stored_manifest(&remote.digest()).unwrap().unwrap();
        assert_eq!(stored.bytes, remote.manifest);
        assert_eq!(
            node.on_disk().1.len(),
            3,
            "three layers; manifest and configuration are rows"
        );
    }
}

/// The layer below is not there when the one above is received.
#[test]
fn a_layer_that_says_nothing_of_its_root_has_the_one_below() {
    let mut root = tar::Builder::new(Vec::new());
    let mut header = super::support::header(tar::EntryType::Directory);
    header.set_mode(0o1770);
    header.set_uid(5);
    super::support::raw(&mut root, header, "./", "", b"");
    let root = root.into_inner().unwrap();
    let remote = Remote::new(&[(GZIP, &root), (GZIP, &tar(&["a = 1"]))]);
    let node = Node::new();
    let id = remote.pull(&node.images, "x:1").unwrap();
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    let looks = |path: &std::path::Path| {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path).unwrap();
        (metadata.mode() & 0o7777, metadata.uid())
    };
    for layer in rootfs.lower.iter().chain(&rootfs.upper) {
        assert_eq!(looks(layer), (0o1770, 5), "{}", layer.display());
    }
}

/// Whatever the manifest calls it: clients have always looked at the bytes.
#[test]
fn a_layer_may_be_compressed_as_no_media_type_says() {
    let layer = tar(&["a = 1"]);
    let bzip2 = |bytes: &[u8]| {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let remote = Remote::new(&[((media_type::LAYER_GZIP, bzip2), &layer)]);
    let node = Node::new();
    let id = remote.pull(&node.images, "r.example/x:1").unwrap();
    let image = node.images.get(&id).unwrap();
    assert_eq!(
        image.layers[0].blob.as_ref().unwrap().digest,
        Digest::of(&bzip2(&layer))
    );
    assert_eq!(super::support::names(&node.images.view(&id).unwrap()), ["/a"]);
}

#[test]
fn what_a_registry_gets_wrong_is_told_apart() {
    let node = Node::new();
    let layer = tar(&["a = 1"]);
    let bytes = gzip(&layer);
    let good = Descriptor::new(media_type::LAYER_GZIP, Digest::of(&bytes), bytes.len() as u64);
    let diff_id = Digest::of(&layer);
    let receive = |descriptor: &Descriptor, diff_id: Digest, source: &mut dyn Read| {
        let received = node
            .images
            .receive_layer(descriptor, diff_id, source, &mut |_| {});
        received.map(drop).unwrap_err()
    };
    let other = Digest::of(b"other");
    let wrong = Descriptor {
        digest: other,
        ..good.clone()
    };
    assert!(matches!(
        receive(&wrong, diff_id, &mut &*bytes),
        Error::WrongDigest { expected, actual } if expected == other && actual == good.digest
    ));
    let short = Descriptor {
        size: good.size + 1,
        ..good.clone()
    };
    assert!(matches!(
        receive(&short, diff_id, &mut &*bytes),
        Error::WrongSize { expected, actual } if (expected, actual) == (good.size + 1, good.size)
    ));
    let long = Descriptor {
        size: good.size - 1,
        ..good.clone()
    };
    assert!(matches!(
        receive(&long, diff_id, &mut &*bytes),
        Error::WrongSize { .. }
    ));
    let endless = &mut (&*bytes).chain(io::repeat(0));
    assert!(matches!(
        receive(&good, diff_id, endless),
        Error::WrongSize { .. }
    ));
    assert!(matches!(
        receive(&good, other, &mut &*bytes),
        Error::WrongDiffId { blob, expected, actual }
            if (blob, expected, actual) == (good.digest, other, diff_id)
    ));
    // Bytes that are damaged on the way are the sender's fault, not the archive's.
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 0x55;
    assert!(matches!(
        receive(&good, diff_id, &mut &*damaged),
        Error::WrongDigest { .. }
    ));
    let evil = gzip(&tar(&["../x = 1"]));
    let descriptor = Descriptor::new(media_type::LAYER_GZIP, Digest::of(&evil), evil.len() as u64);
    assert!(matches!(
        receive(&descriptor, diff_id, &mut &*evil),
        Error::Archive(_)
    ));
    struct Breaking;
    impl Read for Breaking {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let breaking = &mut (&bytes[..40]).chain(Breaking);
    assert!(matches!(receive(&good, diff_id, breaking), Error::Source(_)));
    node.assert_empty();
}

#[test]
fn progress_counts_the_bytes_that_came() {
    let node = Node::new();
    let (descriptor, bytes, diff_id) = &example().layers[0];
    let mut seen = Vec::new();
    let received = node
        .images
        .receive_layer(descriptor, *diff_id, &mut &**bytes, &mut |count| seen.push(count));
    drop(received.unwrap());
    assert_eq!(seen.last(), Some(&descriptor.size));
    assert!(seen.is_sorted());
    node.assert_empty();
}

#[test]
fn what_is_here_is_not_fetched_again() {
    let node = Node::new();
    let remote = example();
    remote.pull(&node.images, "x:1").unwrap();
    let lease = node.images.lease("again").unwrap();
    let chains: Vec<Digest> = node
        .images
        .resolve("x:1")
        .unwrap()
        .layers
        .iter()
        .map(|layer| layer.chain_id)
        .collect();
    assert!(chains.iter().all(|chain| lease.hold_layer(*chain)));
    assert!(!lease.hold_layer(Digest::of(b"strange")));
    let (descriptor, _, diff_id) = &remote.layers[0];
    assert!(lease.hold_blob(&descriptor.digest) && !lease.hold_blob(&Digest::of(b"strange")));
    let received = node
        .images
        .receive_layer_here(&lease, descriptor, *diff_id)
        .unwrap();
    assert_eq!(
        node.images.attach_layer(&lease, None, received).unwrap(),
        chains[0]
    );
    assert_eq!(node.on_disk().0.len(), 3, "the one that was there is taken");
}

#[test]
fn a_pull_that_is_dropped_leaves_nothing() {
    let node = Node::new();
    let lease = node.images.lease("pull").unwrap();
    let image = example().pull_under(&node.images, &lease).unwrap();
    let target = Target::manifest(example().digest(), Some(image.id));
    node.images.tag_under(&lease, &name("x:1"), target).unwrap();
    let blob = Descriptor::new("text/plain", Digest::of(b"abc"), 3);
    node.images.receive_blob(&lease, &blob, &mut &b"abc"[..]).unwrap();
    drop(lease);
    node.assert_empty();
    node.reopen().assert_empty();
}

/// The process dies after each of its writes in turn; the next start clears up.
#[test]
fn a_pull_that_is_cut_off_leaves_nothing() {
    for writes in 0.. {
        let store = Failing::after(writes);
        let node = Node::with(store.clone(), Arc::new(Inline));
        let pulled = example().pull(&node.images, "x:1");
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        if pulled.is_ok() {
            assert!(
                writes >= 8,
                "a lease, a manifest, three layers, an image, two names"
            );
            assert_eq!(node.images.list().len(), 1);
            break;
        }
        node.assert_empty();
    }
}

/// A name that was about to move keeps its manifest, too.
#[test]
fn a_pull_that_is_cut_off_leaves_what_was_pulled_before() {
    let newer = Remote::new(&[(GZIP, &tar(&["new = 1"]))]);
    for writes in 0.. {
        let store = Failing::after(usize::MAX);
        let node = Node::with(store.clone(), Arc::new(Inline));
        example().pull(&node.images, "x:1").unwrap();
        store.left.store(writes, Ordering::SeqCst);
        let pulled = newer.pull(&node.images, "x:1");
        store.left.store(usize::MAX, Ordering::SeqCst);
        let before = example().digest();
        if pulled.is_ok() {
            assert_eq!(node.images.tagged_manifest(&name("x:1")), Some(newer.digest()));
            assert!(node.images.manifest(&before).is_some(), "x@DIGEST still names it");
            break;
        }
        let node = node.reopen();
        assert_eq!(
            node.images.tagged_manifest(&name("x:1")),
            Some(before),
            "after {writes} writes"
        );
        assert!(node.images.manifest(&newer.digest()).is_none());
        assert_eq!(
            node.images.stored_manifest(&before).unwrap().unwrap().bytes,
            example().manifest
        );
        assert_eq!((node.on_disk().0.len(), node.on_disk().1.len()), (3, 3));
    }
}

#[test]
fn removing_a_pulled_image_leaves_nothing() {
    let node = Node::new();
    let id = example().pull(&node.images, "x:1").unwrap();
    node.images.tag(&id, &name("y:1")).unwrap();
    let remove = |reference: &str| {
        node.images
            .remove(reference, Remove::default(), &|_| Vec::new())
            .unwrap()
    };
    remove("x:1");
    assert!(
        node.images.manifest(&example().digest()).is_some(),
        "the image came by it"
    );
    remove("y:1");
    node.assert_empty();
}

#[test]
fn what_was_made_here_stays_so() {
    let node = Node::new();
    let layer = bottom();
    let id = node.load_one(&archive(&["y:1"], &[&layer]));
    let remote = Remote::new(&[(GZIP, &layer)]);
    assert_eq!(remote.pull(&node.images, "x:1").unwrap(), id);
    let node = node.reopen();
    let image = node.images.get(&id).unwrap();
    assert!(image.made_here);
    assert_eq!((image.manifest, image.tags.len()), (Some(remote.digest()), 2));
}

/// The index is what the name stands for; one of its children is the image.
#[test]
fn an_index_is_kept_with_what_is_here_of_it() {
    let node = Node::new();
    let remote = example();
    let child = Descriptor::new(
        media_type::MANIFEST,
        remote.digest(),
        remote.manifest.len() as u64,
    );
    let other = Descriptor::new(media_type::MANIFEST, Digest::of(b"elsewhere"), 100);
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [child, other],
    });
    let index = bytes::Bytes::from(index.to_string());
    let lease = node.images.lease("pull").unwrap();
    let digest = node
        .images
        .put_manifest(&lease, DigestAlgorithm::default(), media_type::INDEX, &index)
        .unwrap()
        .digest;
    let image = remote.pull_under(&node.images, &lease).unwrap();
    node.images
        .tag_under(&lease, &name("x:1"), Target::manifest(digest, Some(image.id)))
        .unwrap();
    lease.keep().unwrap();
    let node = node.reopen();
    assert!(node.images.manifest(&digest).unwrap().is_index());
    assert!(node.images.manifest(&remote.digest()).is_some());
    node.images
        .remove("x:1", Remove::default(), &|_| Vec::new())
        .unwrap();
    node.assert_empty();
}

/// Two platforms of one index, one after the other: the first is a part of it from then on, and goes with it.
#[test]
fn what_was_pulled_in_turn_goes_with_its_index() {
    let node = Node::new();
    let remotes = ["a = 1", "b = 22"].map(|entry| Remote::new(&[(GZIP, &tar(&[entry]))]));
    let listed: Vec<Descriptor> = remotes
        .iter()
        .map(|remote| {
            Descriptor::new(
                media_type::MANIFEST,
                remote.digest(),
                remote.manifest.len() as u64,
            )
        })
        .collect();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": listed,
    });
    let index = bytes::Bytes::from(index.to_string());
    let pulled = remotes.each_ref().map(|remote| {
        let lease = node.images.lease("pull").unwrap();
        let digest = node
            .images
            .put_manifest(&lease, DigestAlgorithm::default(), media_type::INDEX, &index)
            .unwrap()
            .digest;
        let image = remote.pull_under(&node.images, &lease).unwrap();
        let target = Target::manifest(digest, Some(image.id));
        node.images.tag_under(&lease, &name("x:1"), target).unwrap();
        lease.keep().unwrap();
        image.id
    });
    let node = node.reopen();
    assert!(node.images.get(&pulled[0]).unwrap().is_dangling());
    assert!(node.images.is_listed(&pulled[0]));
    node.images
        .remove("x:1", Remove::default(), &|_| Vec::new())
        .unwrap();
    node.images.settle();
    node.assert_empty();
}

#[test]
fn an_artifact_has_a_name_and_no_image() {
    let node = Node::new();
    let config = Descriptor::new(media_type::EMPTY, Digest::of(b"{}"), 2);
    let layer = Descriptor::new("text/plain", Digest::of(b"abc"), 3);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": "text/x",
        "config": config, "layers": [layer],
    });
    let manifest = bytes::Bytes::from(manifest.to_string());
    let lease = node.images.lease("pull").unwrap();
    let stored = node
        .images
        .put_manifest(
            &lease,
            DigestAlgorithm::default(),
            media_type::MANIFEST,
            &manifest,
        )
        .unwrap();
    node.images
        .receive_blob(&lease, &config, &mut &b"{}"[..])
        .unwrap();
    node.images
        .receive_blob(&lease, &layer, &mut &b"abc"[..])
        .unwrap();
    node.images
        .tag_under(&lease, &name("x:1"), Target::manifest(stored.digest, None))
        .unwrap();
    lease.keep().unwrap();
    let node = node.reopen();
    assert_eq!(node.images.tagged_manifest(&name("x:1")), Some(stored.digest));
    assert_eq!((node.images.list().len(), node.on_disk().1.len()), (0, 2));
    assert!(node.images.resolve("x:1").is_err());
}

#[test]
fn names_must_stand_for_something() {
    let node = Node::new();
    let lease = node.images.lease("pull").unwrap();
    let tag = |text: &str, target| node.images.tag_under(&lease, &name(text), target);
    let unknown = Digest::of(b"unknown");
    assert!(matches!(tag("x:1", Target::default()), Err(Error::InvalidTag(_))));
    assert!(matches!(
        tag("x:1", Target::image(unknown)),
        Err(Error::NoSuchImage(_))
    ));
    assert!(matches!(
        tag("x:1", Target::manifest(unknown, None)),
        Err(Error::MissingContent(missing)) if missing == [unknown]
    ));
}
