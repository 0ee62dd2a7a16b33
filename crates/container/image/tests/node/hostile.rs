//! Archives that must be refused, by name, with nothing left of them.

use super::support::{Node, archive, config, docker_archive, files, header, raw, tar};

/// A layer of one entry whose header is given.
fn entry(kind: tar::EntryType, name: &str, link: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    raw(&mut builder, header(kind), name, link, b"");
    builder.into_inner().unwrap()
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([(key, value.as_bytes())]).unwrap();
    raw(&mut builder, header(tar::EntryType::Regular), "x", "", b"");
    builder.into_inner().unwrap()
}

fn refused(name: &str, layer: &[u8], why: &str) {
    let node = Node::new();
    // A good layer comes first: nothing of it may stay either.
    let good = tar(&["good = 1"]);
    let error = node.load(&archive(&["x:1"], &[&good, layer])).unwrap_err();
    assert!(error.to_string().contains(why), "{name}: {error}");
    node.reopen().assert_empty();
}

#[test]
fn layers_that_reach_out_are_refused() {
    use tar::EntryType::{Char, Link, Regular, Symlink};
    for (name, layer, why) in [
        ("climbing name", entry(Regular, "../escape", ""), "leads out"),
        (
            "climbing name inside",
            entry(Regular, "a/../../escape", ""),
            "leads out",
        ),
        ("climbing pax name", pax("path", "../../escape"), "leads out"),
        (
            "climbing link",
            entry(Symlink, "link", "../../etc"),
            "invalid symlink",
        ),
        (
            "climbing link deeper",
            entry(Symlink, "a/b/link", "../../../etc"),
            "invalid symlink",
        ),
        (
            "hard link outside",
            entry(Link, "link", "../../etc/passwd"),
            "invalid hardlink",
        ),
        (
            "hard link to the host",
            entry(Link, "link", "/etc/passwd"),
            "invalid hardlink",
        ),
        (
            "hard link to nothing",
            entry(Link, "link", "missing"),
            "invalid hardlink",
        ),
        (
            "forged whiteout",
            entry(Char, "etc", ""),
            "reserved for whiteouts",
        ),
        ("empty whiteout", entry(Regular, ".wh.", ""), "invalid whiteout"),
        (
            "whiteout of the parent",
            entry(Regular, "a/.wh...", ""),
            "invalid whiteout",
        ),
        (
            "overlay's redirect",
            pax("SCHILY.xattr.trusted.overlay.redirect", "/etc"),
            "reserved for overlay",
        ),
        (
            "holes beyond the end",
            pax("GNU.sparse.map", "9,9"),
            "invalid tar header",
        ),
        (
            "unknown kind",
            entry(tar::EntryType::new(b'V'), "x", ""),
            "not supported",
        ),
        (
            "a root that is a link",
            entry(Symlink, "./", "x"),
            "is a directory",
        ),
    ] {
        refused(name, &layer, why);
    }
}

#[test]
fn links_inside_lead_nowhere_else() {
    let layer = tar(&["etc -> /etc", "up -> /../..", "etc/planted = 1"]);
    let node = Node::new();
    let result = node.load(&archive(&[], &[&layer]));
    // The link leads to the root's own /etc, which is not there.
    assert!(result.is_err());
    assert!(!std::path::Path::new("/etc/planted").exists());
    node.assert_empty();
    let layer = tar(&["etc -> /real", "real/", "etc/planted = 1"]);
    let id = node.load_one(&archive(&[], &[&layer]));
    assert_eq!(
        super::support::names(&node.images.view(&id).unwrap()),
        ["/etc", "/real", "/real/planted"]
    );
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 1 << 20];
    let mut builder = tar::Builder::new(Vec::new());
    for n in 0..80 {
        raw(
            &mut builder,
            header(tar::EntryType::Regular),
            &format!("f{n}"),
            "",
            &zeros,
        );
    }
    let big = zstd::encode_all(&*builder.into_inner().unwrap(), 1).unwrap();
    assert!(big.len() < 1 << 20);
    refused("many bytes", &big, "more than 67108864 bytes");
    let mut builder = tar::Builder::new(Vec::new());
    for n in 0..10_001 {
        raw(
            &mut builder,
            header(tar::EntryType::Regular),
            &format!("f{n}"),
            "",
            b"",
        );
    }
    let many = zstd::encode_all(&*builder.into_inner().unwrap(), 1).unwrap();
    refused("many entries", &many, "more than 10000 entries");
    let mut builder = tar::Builder::new(Vec::new());
    let mut long = header(tar::EntryType::Regular);
    builder
        .append_data(&mut long, "d/".repeat(600) + "x", &b""[..])
        .unwrap();
    refused("deep", &builder.into_inner().unwrap(), "too deep");
    let endless = [
        zstd::encode_all(&*tar(&["a = 1"]), 1).unwrap(),
        zstd::encode_all(&*vec![0; 80 << 20], 1).unwrap(),
    ];
    refused("an endless tail", &endless.concat(), "more than 67108864 bytes");
}

#[test]
fn what_is_not_what_it_says_is_refused() {
    let layer = tar(&["a = 1"]);
    let other = tar(&["b = 1"]);
    let named = |name: &str, content: &[u8]| -> Vec<u8> {
        let config = config(&[&layer]);
        let manifest =
            serde_json::json!([{"Config": name, "RepoTags": ["x:1"], "Layers": ["l.tar"]}]).to_string();
        files([
            (name.to_owned(), &*config),
            ("l.tar".to_owned(), content),
            ("manifest.json".to_owned(), manifest.as_bytes()),
        ])
    };
    let zeros = "0".repeat(64);
    let blob = serde_json::json!([{"Config": "c", "Layers": [format!("blobs/sha256/{zeros}")]}]).to_string();
    let wrong_blob = files([
        ("c".to_owned(), &*config(&[&layer])),
        (format!("blobs/sha256/{zeros}"), &*layer),
        ("manifest.json".to_owned(), blob.as_bytes()),
    ]);
    let check = |name: &str, archive: &[u8], why: &str| {
        let node = Node::new();
        let error = node.load(archive).unwrap_err();
        assert!(error.to_string().contains(why), "{name}: {error}");
        node.reopen().assert_empty();
    };
    check(
        "another layer",
        &named("c.json", &other),
        "invalid diffID for layer 0: expected \"sha256:",
    );
    check(
        "another configuration",
        &named(&format!("{zeros}.json"), &layer),
        "does not match its digest",
    );
    check("another blob", &wrong_blob, "does not match its digest");
    check("a missing layer", &files([]), "does not contain a manifest.json");
    check("no archive", b"{}", "unexpected EOF");
    check("nothing", b"", "does not contain a manifest.json");
    check("noise", &[7; 2048], "invalid tar header");
    check("null", &manifest("null"), "manifest cannot be null");
    check("no json", &manifest("x"), "failed to decode manifest.json");
    check(
        "no file",
        &manifest(r#"[{"Config":"nothing"}]"#),
        "nothing is missing",
    );
    check(
        "outside",
        &manifest(r#"[{"Config":"../../etc/passwd"}]"#),
        "is missing",
    );
    check(
        "one layer too few",
        &docker_archive(&[], &[], &config(&[&layer])),
        "expected 0, got 1",
    );
    check("a bad tag", &archive(&["A:b"], &[&layer]), "must be lowercase");
    check("no tag", &archive(&["a"], &[&layer]), "invalid tag \"a\"");
    let windows = String::from_utf8(config(&[&layer]))
        .unwrap()
        .replace("linux", "windows");
    check(
        "windows",
        &docker_archive(&[], &[&layer], windows.as_bytes()),
        "cannot load windows image on linux",
    );
    let many: Vec<&[u8]> = vec![&layer; 126];
    check("many layers", &archive(&[], &many), "max depth exceeded");
}

fn manifest(text: &str) -> Vec<u8> {
    files([("manifest.json".to_owned(), text.as_bytes())])
}

#[test]
fn a_truncated_archive_is_refused_wherever_it_is_cut() {
    let layer = tar(&["a = 1", "b/", "b/c = 2"]);
    let whole = archive(&["x:1"], &[&layer]);
    let node = Node::new();
    // The last two blocks are the end mark; an archive without it is taken as upstream takes it.
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in (0..end).step_by(97) {
        assert!(node.load(&whole[..cut]).is_err(), "{cut}");
    }
    node.reopen().assert_empty();
}

#[test]
fn a_truncated_compressed_layer_is_refused() {
    let layer = tar(&["a = 1", "b/", "b/c = 2"]);
    let config = config(&[&layer]);
    let packed = zstd::encode_all(&*layer, 1).unwrap();
    let node = Node::new();
    for cut in 1..packed.len() {
        let error = node.load(&docker_archive(&["x:1"], &[&packed[..cut]], &config));
        assert!(error.is_err(), "{cut}");
    }
    node.reopen().assert_empty();
}
