//! What is pushed elsewhere: the same bytes each time, compressed once.

use std::io::Read;

use image::{
    Algorithm, Blob, Commit, CommitLayer, Descriptor, Digest, DigestAlgorithm, Export, Exported, HistoryRow,
    ImageConfig, Recast, Reference, Remove, media_type,
};

use super::remote::{GZIP, PLAIN, Remote, ZSTD};
use super::snapshots::inside;
use super::support::{Node, archive, mounted, tar};

fn export(node: &Node, id: &Digest, how: Export) -> Exported {
    let lease = node.images.lease("export").unwrap();
    let exported = node.images.export(&lease, id, how).unwrap();
    assert_eq!(exported.manifest.digest, Digest::of(&exported.manifest.bytes));
    for layer in &exported.layers {
        let Some(Blob::File(mut file, size)) = node.images.open_blob(&layer.digest).unwrap() else {
            panic!("{} is missing", layer.digest)
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((Digest::of(&bytes), size), (layer.digest, layer.size));
    }
    lease.keep().unwrap();
    exported
}

fn types(exported: &Exported) -> Vec<&str> {
    exported.layers.iter().map(|layer| &*layer.media_type).collect()
}

#[test]
fn an_image_that_was_made_here_is_compressed_once() {
    let node = Node::new();
    let layer = tar(&[&format!("a = {}", "same ".repeat(2000))]);
    let id = node.load_one(&archive(&["y:1"], &[&layer]));
    let exported = export(&node, &id, Export::default());
    assert_eq!(exported.manifest.media_type, media_type::DOCKER_MANIFEST);
    assert_eq!(
        (&*exported.config.media_type, exported.config.digest),
        (media_type::DOCKER_CONFIG, id)
    );
    assert_eq!(types(&exported), [media_type::DOCKER_LAYER_GZIP]);
    assert!(exported.layers[0].size < layer.len() as u64 / 10);
    let blob = node
        .directory
        .path()
        .join("content/blobs/sha256")
        .join(exported.layers[0].digest.hex());
    let inode =
        |path: &std::path::Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let first = inode(&blob);
    let node = node.reopen();
    assert_eq!(export(&node, &id, Export::default()), exported);
    assert_eq!(inode(&blob), first, "the blob is the first one");
    let oci = export(
        &node,
        &id,
        Export {
            oci: true,
            ..Export::default()
        },
    );
    assert_eq!(
        (&*oci.manifest.media_type, types(&oci)),
        (media_type::MANIFEST, vec![media_type::LAYER_GZIP])
    );
    assert_eq!(oci.layers[0].digest, exported.layers[0].digest);
    let zstd = export(
        &node,
        &id,
        Export {
            algorithm: Algorithm::Zstd,
            oci: false,
        },
    );
    assert_eq!(
        (&*zstd.manifest.media_type, types(&zstd)),
        (media_type::MANIFEST, vec![media_type::LAYER_ZSTD])
    );
    assert_eq!(node.on_disk().1.len(), 3);
    node.images
        .remove("y:1", Remove::default(), &|_| Vec::new())
        .unwrap();
    node.assert_empty();
}

#[test]
fn what_came_compressed_goes_as_it_came() {
    let node = Node::new();
    let remote = Remote::new(&[(GZIP, &tar(&["a = 1"])), (ZSTD, &tar(&["b = 1"]))]);
    let id = remote.pull(&node.images, "x:1").unwrap();
    let exported = export(&node, &id, Export::default());
    assert_eq!(
        (exported.manifest.digest, &exported.manifest.bytes),
        (remote.digest(), &remote.manifest)
    );
    // A build upon it: its layers go as they came, the new one is compressed.
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    inside(&rootfs, |root| std::fs::write(root.join("c"), "x").unwrap());
    let child = node
        .images
        .commit(Commit {
            hidden: false,
            parent: Some(&id),
            layer: CommitLayer::Move("c"),
            config: ImageConfig::for_host(),
            history: HistoryRow::default(),
            reference: None,
            lease: None,
        })
        .unwrap();
    let exported = export(&node, &child.id, Export::default());
    assert_eq!(
        exported.manifest.media_type,
        media_type::MANIFEST,
        "Docker's form has no zstd"
    );
    assert_eq!(
        types(&exported),
        [
            media_type::LAYER_GZIP,
            media_type::LAYER_ZSTD,
            media_type::LAYER_GZIP
        ]
    );
    assert_eq!(exported.layers[0].digest, remote.layers[0].0.digest);
}

/// A digest in our own registry is one of uncompressed layers. Others are sent compressed ones, whatever was pushed first.
#[test]
fn what_lies_here_uncompressed_goes_elsewhere_compressed() {
    let node = Node::new();
    let layer = tar(&[&format!("a = {}", "same ".repeat(2000))]);
    let id = node.load_one(&archive(&["localhost:5000/y:1"], &[&layer]));
    let built = export(&node, &id, Export::default());
    let reference: Reference = "localhost:5000/y:1".parse().unwrap();
    let served = node.images.manifest_in(&reference).unwrap().unwrap();
    let push = image::Push {
        repository: "localhost:5000/y",
        digest: Some(served.digest),
        tags: &["1".to_owned()],
        media_type: &served.media_type,
    };
    node.images.push_manifest(&push, &served.bytes).unwrap();
    assert_eq!(node.images.get(&id).unwrap().manifest, Some(served.digest));
    assert_eq!(export(&node, &id, Export::default()), built);
    assert_eq!(types(&built), [media_type::DOCKER_LAYER_GZIP]);
    let still = node.images.manifest_in(&reference).unwrap().unwrap();
    assert_eq!((still.digest, still.bytes), (served.digest, served.bytes));
    // One that another registry had so, and one of which a layer is so.
    let remote = Remote::new(&[(GZIP, &tar(&["b = 1"])), (PLAIN, &tar(&["c = 1"]))]);
    let id = remote.pull(&node.images, "x:1").unwrap();
    let exported = export(&node, &id, Export::default());
    assert_eq!(types(&exported), [media_type::DOCKER_LAYER_GZIP; 2]);
    assert_eq!(exported.layers[0].digest, remote.layers[0].0.digest);
}

#[test]
fn what_was_pushed_exists_elsewhere() {
    let node = Node::new();
    let id = node.load_one(&archive(&["y:1"], &[&tar(&["a = 1"])]));
    let exported = export(&node, &id, Export::default());
    let reference: Reference = "registry.example/y:1".parse().unwrap();
    node.images.note_pushed(&reference, &exported).unwrap();
    let node = node.reopen();
    let image = node.images.get(&id).unwrap();
    assert!(!image.made_here);
    assert_eq!(
        image.digests,
        [format!("registry.example/y@{}", exported.manifest.digest)]
    );
    let stored = node
        .images
        .stored_manifest(&exported.manifest.digest)
        .unwrap()
        .unwrap();
    assert_eq!(stored.bytes, exported.manifest.bytes);
    assert_eq!(export(&node, &id, Export::default()).manifest, exported.manifest);
    node.images
        .remove(
            &id.hex(),
            Remove {
                force: true,
                ..Remove::default()
            },
            &|_| Vec::new(),
        )
        .unwrap();
    node.assert_empty();
}

#[test]
fn what_sleeps_is_pushed_and_saved_without_being_woken() {
    let node = Node::new();
    let remote = Remote::new(&[(GZIP, &tar(&["a = 1"]))]);
    let repository = "localhost:5000/app";
    for bytes in [&remote.layers[0].1[..], &remote.config] {
        let mut upload = node.images.begin_blob(DigestAlgorithm::default());
        upload.append(bytes).unwrap();
        node.images
            .finish_blob(upload, &Digest::of(bytes), repository)
            .unwrap();
    }
    let push = image::Push {
        repository,
        digest: Some(remote.digest()),
        tags: &["1".to_owned()],
        media_type: media_type::MANIFEST,
    };
    let id = node
        .images
        .push_manifest(&push, &remote.manifest)
        .unwrap()
        .image
        .unwrap();
    assert_eq!(
        export(&node, &id, Export::default()).manifest.bytes,
        remote.manifest
    );
    let mut saved = Vec::new();
    node.images
        .save(&[format!("{repository}:1")], None, &mut saved)
        .unwrap();
    assert!(node.images.get(&id).unwrap().asleep);
    let other = Node::new();
    assert_eq!(other.load_one(&saved), id);
    // The very same image, loaded where it slept, is awake.
    assert_eq!(node.load_one(&saved), id);
    let node = node.reopen();
    assert!(!node.images.get(&id).unwrap().asleep);
}

fn recast(node: &Node, id: &Digest, wish: Recast) -> Vec<Descriptor> {
    let lease = node.images.lease("recast").unwrap();
    let layers = node.images.recast(&lease, id, wish).unwrap();
    for layer in &layers {
        let Some(Blob::File(mut file, size)) = node.images.open_blob(&layer.digest).unwrap() else {
            panic!("{} is missing", layer.digest)
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((Digest::of(&bytes), size), (layer.digest, layer.size));
    }
    layers
}

/// What came compressed otherwise is made anew where that is asked for, and only then; nothing of it stays.
#[test]
fn layers_are_made_anew() {
    let node = Node::new();
    let text = format!("a = {}", "same ".repeat(20_000));
    let remote = Remote::new(&[
        (GZIP, &tar(&[&text])),
        (ZSTD, &tar(&["b = 1"])),
        (PLAIN, &tar(&["c = 1"])),
    ]);
    let id = remote.pull(&node.images, "x:1").unwrap();
    let before = node.on_disk().1;
    let types = |wish| -> Vec<String> {
        let layers = recast(&node, &id, wish).into_iter();
        layers.map(|layer| layer.media_type).collect()
    };
    let (gzip, zstd, plain) = (media_type::LAYER_GZIP, media_type::LAYER_ZSTD, media_type::LAYER);
    let forced = |algorithm| Recast {
        algorithm,
        level: None,
        force: true,
    };
    assert_eq!(types(Recast::default()), [gzip, zstd, plain]);
    assert_eq!(types(forced(Some(Algorithm::Zstd))), [zstd; 3]);
    assert_eq!(types(forced(Some(Algorithm::Gzip))), [gzip; 3]);
    let digests: Vec<Digest> = recast(&node, &id, forced(None))
        .iter()
        .map(|layer| layer.digest)
        .collect();
    let diff_ids: Vec<Digest> = remote.layers.iter().map(|(_, _, diff_id)| *diff_id).collect();
    assert_eq!(digests, diff_ids);
    let size = |level| {
        let wish = Recast {
            level: Some(level),
            ..forced(Some(Algorithm::Zstd))
        };
        recast(&node, &id, wish)[0].size
    };
    assert!(size(19) < size(1), "{} {}", size(19), size(1));
    // What was made at no level of its own is remembered with the image, the rest is gone.
    let kept = node.on_disk().1.len() - before.len();
    assert_eq!(kept, 4, "two as zstd, two as gzip");
    node.images
        .remove("x:1", Remove::default(), &|_| Vec::new())
        .unwrap();
    node.assert_empty();
}

#[test]
fn younger_times_are_taken_back() {
    let node = Node::new();
    let young = tar(&["d/", "a = 1", "l -> a"]);
    let remote = Remote::new(&[(GZIP, &young), (ZSTD, &tar(&[]))]);
    let id = remote.pull(&node.images, "x:1").unwrap();
    let (times, count) = {
        let lease = node.images.lease("clamp").unwrap();
        // The archives' times are 1000000000.
        let same = node.images.clamped(&lease, &id, 1_000_000_000).unwrap();
        assert_eq!(same.id, id);
        let old = node.images.clamped(&lease, &id, 99).unwrap();
        let diff_ids = &old.config.rootfs.diff_ids;
        assert!(old.id != id && diff_ids[0] != remote.layers[0].2 && diff_ids[1] == remote.layers[1].2);
        assert_eq!(old.layers.len(), 2);
        let rootfs = node.images.view(&old.id).unwrap();
        (mounted(&rootfs), node.images.all().len())
    };
    assert!(
        times["/a"].ends_with("@99") && times["/l"].ends_with("@99"),
        "{times:?}"
    );
    assert_eq!((count, node.images.all().len()), (2, 1), "it goes with the lease");
    node.images
        .remove("x:1", Remove::default(), &|_| Vec::new())
        .unwrap();
    node.assert_empty();
}
