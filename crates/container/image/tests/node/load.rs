//! Loading and saving, both forms, all compressions.

use std::io::Write;

use image::{
    Descriptor, Digest, DigestAlgorithm, LoadEvent, Manifest, Platform, Reference, Target, media_type,
};

use super::remote::{GZIP, Remote};
use super::support::{Node, archive, config, docker_archive, files, list, mounted, names, tar};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn whiteouts_hide_what_lies_below() {
    let bottom = tar(&[
        "a/",
        "a/one = 1",
        "a/two = 2",
        "b/",
        "b/three = 3",
        "c/",
        "c/four = 4",
        "gone = x",
    ]);
    let top = tar(&[
        "a/",
        "a/.wh.one",
        ".wh.gone",
        "b/",
        "b/.wh..wh..opq",
        "b/new = 5",
        ".wh.c",
        "c/",
        "c/six = 6",
    ]);
    let top_bytes = [&*top].concat();
    let node = Node::new();
    let id = node.load_one(&archive(&["x:1"], &[&bottom, &top_bytes]));
    let view = node.images.view(&id).unwrap();
    assert_eq!(names(&view), ["/a", "/a/two", "/b", "/b/new", "/c", "/c/six"]);
}

#[test]
fn a_whiteout_in_any_order_hides_only_what_lies_below() {
    let bottom = tar(&["d/", "d/old = 1"]);
    let top = tar(&["d/", "d/new = 2", ".wh.d", "e = 3", ".wh.e"]);
    let node = Node::new();
    let id = node.load_one(&archive(&[], &[&bottom, &top]));
    assert_eq!(names(&node.images.view(&id).unwrap()), ["/d", "/d/new", "/e"]);
}

#[test]
fn everything_an_entry_says_is_kept() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = super::support::header(tar::EntryType::Regular);
    header.set_mode(0o4755);
    header.set_uid(1000);
    header.set_gid(2000);
    builder
        .append_pax_extensions([
            ("SCHILY.xattr.user.note", &b"kept"[..]),
            (
                "SCHILY.xattr.security.capability",
                &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            ),
        ])
        .unwrap();
    super::support::raw(&mut builder, header, "bin", "", b"#!");
    let mut device = super::support::header(tar::EntryType::Char);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    super::support::raw(&mut builder, device, "null", "", b"");
    super::support::raw(
        &mut builder,
        super::support::header(tar::EntryType::Fifo),
        "pipe",
        "",
        b"",
    );
    super::support::raw(
        &mut builder,
        super::support::header(tar::EntryType::Link),
        "other",
        "bin",
        b"",
    );
    let long = "deep/".repeat(30) + "file";
    let mut header = super::support::header(tar::EntryType::Regular);
    header.set_size(1);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    let layer = builder.into_inner().unwrap();
    let node = Node::new();
    let id = node.load_one(&archive(&[], &[&layer]));
    let rootfs = node.images.view(&id).unwrap();
    let tree = mounted(&rootfs);
    assert_eq!(tree["/bin"], "file \"#!\" like /bin 4755 1000:2000 @1000000000");
    assert_eq!(tree["/other"], "file \"#!\" like /bin 4755 1000:2000 @1000000000");
    assert_eq!(tree["/null"], "CharacterDevice 259 644 0:0 @1000000000");
    assert!(tree["/pipe"].starts_with("Fifo 0 644"));
    assert!(tree.contains_key(&format!("/{long}")));
    let file = std::fs::File::open(rootfs.lower[0].join("bin")).unwrap();
    let mut value = [0; 64];
    assert_eq!(
        rustix::fs::fgetxattr(&file, "user.note", &mut value[..]).unwrap(),
        4
    );
    assert_eq!(
        rustix::fs::fgetxattr(&file, "security.capability", &mut value[..]).unwrap(),
        20
    );
}

#[test]
fn the_outer_and_inner_archives_may_be_compressed() {
    let layer = tar(&["a = 1"]);
    let config = config(&[&layer]);
    for compress in [|bytes: &[u8]| bytes.to_vec(), gzip, zstd, bzip2] {
        let node = Node::new();
        let saved = docker_archive(&["x:1"], &[&compress(&layer)], &config);
        let id = node.load_one(&compress(&saved));
        assert_eq!(id, Digest::of(&config));
        let image = node.images.get(&id).unwrap();
        let blob = image.layers[0].blob.as_ref().unwrap();
        // What no registry's media type says is kept as what it is plain.
        let bytes = compress(&layer);
        let kept = if bytes.starts_with(b"BZh") { &layer } else { &bytes };
        assert_eq!(blob.digest, Digest::of(kept));
        assert_eq!(image.size, 1);
    }
}

#[test]
fn old_archives_link_layers_to_each_other() {
    let layer = tar(&["a = 1"]);
    let config = config(&[&layer, &layer]);
    let mut builder = tar::Builder::new(Vec::new());
    let manifest = r#"[{"Config":"c.json","RepoTags":null,"Layers":["one/layer.tar","two/layer.tar"]}]"#;
    for (name, content) in [
        ("one/layer.tar", &*layer),
        ("c.json", &config),
        ("manifest.json", manifest.as_bytes()),
    ] {
        super::support::raw(
            &mut builder,
            super::support::header(tar::EntryType::Regular),
            name,
            "",
            content,
        );
    }
    super::support::raw(
        &mut builder,
        super::support::header(tar::EntryType::Symlink),
        "two/layer.tar",
        "../one/layer.tar",
        b"",
    );
    let node = Node::new();
    let loaded = node.load(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].reference, None);
    let (snapshots, blobs) = node.on_disk();
    assert_eq!(
        (snapshots.len(), blobs.len()),
        (2, 1),
        "two places in the chain, one blob"
    );
}

/// An OCI layout of one image.
fn layout(layer: &[u8], media: &str, diff_id: &[u8]) -> Vec<u8> {
    let config = config(&[diff_id]);
    let describe = |media: &str, bytes: &[u8]| Descriptor::new(media, Digest::of(bytes), bytes.len() as u64);
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: media_type::MANIFEST.to_owned(),
        config: describe(media_type::CONFIG, &config),
        layers: vec![describe(media, layer)],
    })
    .unwrap();
    let mut named = describe(media_type::MANIFEST, &manifest);
    named.annotations.insert(
        "org.opencontainers.image.ref.name".to_owned(),
        "example.com/a:b".to_owned(),
    );
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [named]}).to_string();
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    files([
        ("oci-layout".to_owned(), &br#"{"imageLayoutVersion":"1.0.0"}"#[..]),
        ("index.json".to_owned(), index.as_bytes()),
        (blob(&manifest), &manifest),
        (blob(&config), &config),
        (blob(layer), layer),
    ])
}

#[test]
fn an_oci_layout_is_loaded() {
    let layer = tar(&["a = 1"]);
    for (bytes, media) in [
        (layer.clone(), media_type::LAYER),
        (gzip(&layer), media_type::LAYER_GZIP),
        (zstd(&layer), media_type::LAYER_ZSTD),
    ] {
        let node = Node::new();
        let loaded = node.load(&layout(&bytes, media, &layer)).unwrap();
        assert_eq!(
            loaded[0].reference.as_ref().unwrap().familiar(),
            "example.com/a:b"
        );
        let image = node.images.resolve("example.com/a:b").unwrap();
        assert_eq!(image.layers[0].blob.as_ref().unwrap().media_type, media);
    }
}

#[test]
fn what_is_saved_is_loaded_and_saved_again_to_the_same_bytes() {
    let (one, two) = (tar(&["a = 1"]), tar(&["b = 2"]));
    let first = Node::new();
    first.load_one(&archive(&["x:1", "x:2"], &[&one, &two]));
    first.load_one(&archive(&["y:1"], &[&one]));
    let save = |node: &Node, names: &[&str]| {
        let mut saved = Vec::new();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        node.images.save(&names, None, &mut saved).unwrap();
        saved
    };
    let saved = save(&first, &["x", "y:1"]);
    let second = Node::new();
    let loaded = second.load(&saved).unwrap();
    assert_eq!(loaded.len(), 3);
    assert_eq!(save(&second, &["x", "y:1"]), saved);
    let ids = |node: &Node| {
        let mut ids: Vec<Digest> = node.images.list().iter().map(|image| image.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&first), ids(&second));
    assert_eq!(first.on_disk().1, second.on_disk().1);
}

/// Names with a digest, which a pull gives, are no tags.
#[test]
fn what_was_pulled_is_saved_by_its_repository_s_name() {
    let first = Node::new();
    let remote = Remote::new(&[(GZIP, &tar(&["a = 1"]))]);
    let id = remote.pull(&first.images, "r.example/x:1").unwrap();
    let pinned = format!("r.example/x@{}", remote.digest());
    for (name, tags) in [("r.example/x", 1), (&*pinned, 0)] {
        let mut saved = Vec::new();
        first.images.save(&[name.to_owned()], None, &mut saved).unwrap();
        let second = Node::new();
        assert_eq!(second.load_one(&saved), id, "{name}");
        assert_eq!(second.images.get(&id).unwrap().tags.len(), tags, "{name}");
    }
}

/// The archive is an OCI layout as well: without `manifest.json` it says the same.
#[test]
fn both_forms_in_one_archive_say_the_same() {
    let layer = tar(&["a = 1"]);
    let first = Node::new();
    let id = first.load_one(&archive(&["x:1"], &[&layer]));
    let mut saved = Vec::new();
    first.images.save(&["x:1".to_owned()], None, &mut saved).unwrap();
    let mut only_oci = tar::Builder::new(Vec::new());
    let mut source = tar::Archive::new(&*saved);
    for entry in source.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().to_str() != Some("manifest.json") {
            let (header, path) = (entry.header().clone(), entry.path().unwrap().into_owned());
            only_oci
                .append_data(&mut header.clone(), path, &mut entry)
                .unwrap();
        }
    }
    let second = Node::new();
    let loaded = second.load(&only_oci.into_inner().unwrap()).unwrap();
    assert_eq!(
        (loaded[0].id, loaded[0].reference.as_ref().unwrap().familiar()),
        (id, "x:1".to_owned())
    );
}

#[test]
fn progress_tells_layers_and_names_that_move() {
    let (one, two) = (tar(&["a = 1"]), tar(&["b = 2"]));
    let node = Node::new();
    let previous = node.load_one(&archive(&["x:1"], &[&one]));
    let mut events = Vec::new();
    node.images
        .load(&mut &*archive(&["x:1"], &[&one, &two]), None, &mut |event| {
            events.push(event);
        })
        .unwrap();
    let (diff_id, total) = (Digest::of(&two), two.len() as u64);
    let layer = |current| LoadEvent::Layer {
        diff_id,
        current,
        total,
    };
    let reference = "x:1".parse().unwrap();
    assert_eq!(
        events,
        [
            layer(0),
            layer(total),
            LoadEvent::Replaced { reference, previous }
        ]
    );
    assert!(node.images.get(&previous).unwrap().is_dangling());
}

#[test]
fn the_same_archive_loaded_by_many_at_once_is_there_once() {
    let layers: Vec<Vec<u8>> = (0..4).map(|n| tar(&[&format!("f{n} = {n}")])).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let archive = archive(&["x:1"], &layers);
    let node = Node::new();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| node.load_one(&archive));
        }
    });
    let node = node.reopen();
    let (snapshots, blobs) = node.on_disk();
    assert_eq!((snapshots.len(), blobs.len()), (4, 4));
    assert_eq!(node.images.resolve("x:1").unwrap().layers.len(), 4);
    assert_eq!(list(&node.directory.path().join("content/ingest")).len(), 0);
}

#[test]
fn an_image_without_layers_is_one() {
    let node = Node::new();
    let id = node.load_one(&archive(&["x:1"], &[]));
    assert_eq!(names(&node.images.view(&id).unwrap()), [] as [&str; 0]);
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    assert_eq!(names(&rootfs), [] as [&str; 0]);
}

fn platform(architecture: &str) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        variant: None,
    }
}

/// A node on which a name stands for an index of two platforms and an attestation, all of it here; with what it is called.
fn with_index(name: &str) -> (Node, Digest) {
    let node = Node::new();
    let own = Remote::new(&[(GZIP, &tar(&["a = 1"]))]);
    let layer = tar(&["b = 1"]);
    let foreign = config(&[&layer]);
    let foreign = String::from_utf8(foreign).unwrap().replace("amd64", "arm64");
    let foreign = Remote::with_config(&[(GZIP, &layer)], foreign.into_bytes());
    let id = own.pull(&node.images, "own:1").unwrap();
    let lease = node.images.lease("index").unwrap();
    let mut entries = Vec::new();
    for (remote, architecture) in [(&own, "amd64"), (&foreign, "arm64")] {
        let keep = |media_type: &str, bytes: &[u8]| {
            let blob = Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64);
            node.images.receive_blob(&lease, &blob, &mut &*bytes).unwrap();
        };
        keep(media_type::LAYER_GZIP, &remote.layers[0].1);
        keep(media_type::CONFIG, &remote.config);
        node.images
            .put_manifest(
                &lease,
                DigestAlgorithm::Sha256,
                media_type::MANIFEST,
                &remote.manifest,
            )
            .unwrap();
        entries.push(serde_json::json!({
            "mediaType": media_type::MANIFEST, "digest": remote.digest(), "size": remote.manifest.len(),
            "platform": platform(architecture),
        }));
    }
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries,
    });
    let index = bytes::Bytes::from(index.to_string());
    node.images
        .put_manifest(&lease, DigestAlgorithm::Sha256, media_type::INDEX, &index)
        .unwrap();
    let digest = Digest::of(&index);
    let name: Reference = name.parse().unwrap();
    node.images
        .tag_under(&lease, &name, Target::manifest(digest, Some(id)))
        .unwrap();
    lease.keep().unwrap();
    (node, digest)
}

fn saved(node: &Node, name: &str, platform: Option<&Platform>) -> Vec<u8> {
    let mut saved = Vec::new();
    node.images
        .save(&[name.to_owned()], platform, &mut saved)
        .unwrap();
    saved
}

#[test]
fn an_index_is_saved_and_loaded_as_a_whole() {
    let (first, digest) = with_index("x:1");
    let name: Reference = "docker.io/library/x:1".parse().unwrap();
    let listed = first.images.listed(&name).unwrap();
    let whole: Vec<bool> = listed.iter().map(|entry| entry.is_whole).collect();
    assert_eq!(whole, [true, true]);
    let archive = saved(&first, "x:1", None);
    assert_eq!(archive, saved(&first, "x", None));
    let second = Node::new();
    let loaded = second.load(&archive).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(
        second.images.target(&name),
        Some(Target::manifest(digest, Some(loaded[0].id)))
    );
    assert_eq!(second.images.listed(&name).unwrap(), listed);
    assert_eq!(saved(&second, "x:1", None), archive);
    let second = second.reopen();
    assert_eq!(saved(&second, "x:1", None), archive);
    second
        .images
        .remove("x:1", image::Remove::default(), &|_| Vec::new())
        .unwrap();
    second.assert_empty();
}

#[test]
fn one_platform_of_an_index_is_saved_and_loaded() {
    let (first, _) = with_index("x:1");
    let arm = platform("arm64");
    let variant = first.images.variant("x:1", &arm).unwrap().unwrap();
    assert_eq!(variant.config.architecture, "arm64");
    assert_eq!(first.images.variant("x:1", &platform("s390x")).unwrap(), None);
    for archive in [saved(&first, "x:1", Some(&arm)), saved(&first, "x:1", None)] {
        let second = Node::new();
        let load = |platform: &Platform| {
            let loaded = second.images.load(&mut &*archive, Some(platform), &mut |_| {});
            loaded.map(|loaded| loaded[0].id)
        };
        let error = load(&platform("s390x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid archive: it has no image for linux/s390x"
        );
        assert_eq!(load(&arm).unwrap(), variant.id);
        assert_eq!(second.images.resolve("x:1").unwrap().id, variant.id);
    }
    // Whoever does not ask gets what there is.
    let second = Node::new();
    assert_eq!(second.load_one(&saved(&first, "x:1", Some(&arm))), variant.id);
}
