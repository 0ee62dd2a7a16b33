//! `COPY`, `ADD` and `WORKDIR`, as dockerd 20.10 carries them out.

use crate::fixture::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_directories_go_where_upstream_puts_them() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile =
        "FROM scratch\nCOPY d /x\nCOPY d/ /y/\nCOPY d/f d/g/h /z/\nCOPY d/f /q\nCOPY d/f /q2/\nCOPY d /z\n";
    let told = daemon.file(dockerfile, &[("d/f", "1"), ("d/g/h", "2")]).await;
    let tree = daemon.tree(told.id());
    insta::assert_debug_snapshot!(tree);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_and_modes() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nCOPY --chown=web:us d /o\nCOPY --chown=web f /n/f\nCOPY --chown=7 f /seven\n\
                      COPY --chown=1:2 --chmod=4711 f /set\nCOPY f /plain\n";
    let told = daemon.file(dockerfile, &[("d/e", "1"), ("f", "2")]).await;
    let id = told.id();
    let cases = [
        ("o", "755 33:55 /"),
        ("o/e", "644 33:55 1"),
        ("n", "755 33:44 /"),
        ("n/f", "644 33:44 2"),
        ("seven", "644 7:7 2"),
        ("set", "4711 1:2 2"),
        ("plain", "644 0:0 2"),
    ];
    for (path, expected) in cases {
        assert_eq!(daemon.at(id, path), expected, "{path}");
    }
    let unknown = [
        ("nope", "can't find uid for user nope: no such user: nope"),
        ("web:nope", "can't find gid for group nope: no such group: nope"),
        ("a:b:c", "invalid chown string format: a:b:c"),
    ];
    for (owner, expected) in unknown {
        let told = daemon
            .file(&format!("FROM probe\nCOPY --chown={owner} f /f\n"), &[("f", "")])
            .await;
        assert_eq!(
            told.error(),
            format!("unable to convert uid/gid chown string to host mapping: {expected}")
        );
    }
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_the_context_and_in_the_image() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut context = tar::Builder::new(Vec::new());
    let links = [
        ("l", "d/f"),
        ("out", "/etc/passwd"),
        ("tree/dang", "/newdir"),
        ("tree/lnk", "usr"),
        ("up", "../../d/f"),
    ];
    for (name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        context.append_link(&mut header, name, target).unwrap();
    }
    append(&mut context, "tree/usr/keep", b"k", 0o644);
    append(&mut context, "d/f", b"1", 0o600);
    let dockerfile = "FROM scratch\nCOPY tree /\nCOPY l /l\nCOPY l /l2/\nCOPY up /up\nCOPY d/f /lnk/\nCOPY d/f /lnk/sub/\n\
                      COPY d/f /dang/\nCOPY d /lnk\n";
    append(&mut context, "Dockerfile", dockerfile.as_bytes(), 0o644);
    append(&mut context, "Outside", b"FROM scratch\nCOPY out /x\n", 0o644);
    let bytes = context.into_inner().unwrap();
    let told = daemon.build(request_of(&bytes)).await;
    insta::assert_debug_snapshot!(daemon.tree(told.id()));
    // A link leads nowhere but into the context.
    let mut outside = request_of(&bytes);
    outside.dockerfile = "Outside".into();
    let told = daemon.build(outside).await;
    assert_eq!(
        told.error(),
        "COPY failed: file not found in build context or excluded by .dockerignore: stat out: file does not exist"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn add_unpacks_archives() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let inner = archive(&[("q/w", "1")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &inner).unwrap();
    let mut context = tar::Builder::new(Vec::new());
    append(&mut context, "a.tar", &inner, 0o644);
    append(&mut context, "a.tgz", &gzip.finish().unwrap(), 0o644);
    append(&mut context, "plain.tar", b"no archive", 0o644);
    append(&mut context, "a.tar.xz", XZ, 0o644);
    append(&mut context, "a.tar.bz2", BZIP2, 0o644);
    append(
        &mut context,
        "Dockerfile",
        b"FROM scratch\nADD a.tar /t/\nADD a.tgz /u\nADD plain.tar /p/\nCOPY a.tar /c\n",
        0o644,
    );
    append(
        &mut context,
        "Xz",
        b"FROM scratch\nADD a.tar.xz /x/\nADD --chown=7:8 a.tar.bz2 /b\nADD --unpack=false a.tar.bz2 /\n",
        0o644,
    );
    let bytes = context.into_inner().unwrap();
    let told = daemon.build(request_of(&bytes)).await;
    let tree = daemon.tree(told.id());
    let shown: Vec<_> = tree.iter().filter(|(path, _)| *path != "c").collect();
    insta::assert_debug_snapshot!(shown);
    assert!(tree.contains_key("c"));
    let mut xz = request_of(&bytes);
    xz.dockerfile = "Xz".into();
    xz.dialect = builder::Dialect::BuildKit;
    let id = daemon.build(xz).await.id();
    for (path, expected) in [("x/q/w", "644 5:6 1"), ("b", "755 7:8 /"), ("b/q/w", "644 7:8 1")] {
        assert_eq!(daemon.at(id, path), expected, "{path}");
    }
    assert!(daemon.times(id).contains_key("a.tar.bz2"));
}

/// An archive whose files lie behind an absolute link of the image, and a hard link to one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_go_through_links_of_the_image() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let link = |archive: &mut tar::Builder<Vec<u8>>, kind, name: &str, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o777);
        archive.append_link(&mut header, name, target).unwrap();
    };
    let mut base = tar::Builder::new(Vec::new());
    link(&mut base, tar::EntryType::Symlink, "var/run", "/run");
    append(&mut base, "run/here", b"0", 0o644);
    let mut more = tar::Builder::new(Vec::new());
    append(&mut more, "var/run/act/deep/HEAD", b"1", 0o644);
    let head = "var/run/act/deep/HEAD";
    link(
        &mut more,
        tar::EntryType::Link,
        "var/run/act/deep/HEAD.link",
        head,
    );
    let mut context = tar::Builder::new(Vec::new());
    append(&mut context, "base.tar", &base.into_inner().unwrap(), 0o644);
    append(&mut context, "more.tar", &more.into_inner().unwrap(), 0o644);
    append(
        &mut context,
        "Dockerfile",
        b"FROM scratch\nADD base.tar /\nADD more.tar /\n",
        0o644,
    );
    let bytes = context.into_inner().unwrap();
    for dialect in [builder::Dialect::BuildKit, builder::Dialect::Classic] {
        let mut request = request_of(&bytes);
        request.dialect = dialect;
        let id = daemon.build(request).await.id();
        let tree = daemon.tree(id);
        for path in ["run/here", "run/act/deep/HEAD", "run/act/deep/HEAD.link"] {
            assert!(tree.contains_key(path), "{path}: {tree:?}");
        }
    }
    daemon.assert_nothing_left(&node);
}

/// An archive of `q/w`, as `xz` and `bzip2` compress it.
const XZ: &[u8] = b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x27\xff\x00\x59\x5d\x00\x38\x8b\xca\xe0\x0e\x50\x27\x08\xfc\xe7\x05\xbe\x6f\x72\xb7\x2f\xd8\xc7\x9b\xbb\xbe\xdd\xa4\x1c\x63\xb0\xc4\x64\x55\xb3\x9c\x64\xae\x16\x5e\x7c\x03\x90\xe2\x15\x76\x00\x3c\x77\x81\xb3\x2d\xf2\xfd\x91\x4c\x05\xd2\xf3\x19\x6c\xb2\xf6\xa5\xb0\xc0\x0f\xca\x4b\xbd\x0a\x6e\x38\xa6\xcc\xa8\xd7\x88\x98\x01\x57\xe3\xc9\x64\x87\x09\x92\xf6\x00\x87\x60\x7b\x3e\x00\x00\x00\x00\x00\x4c\xd0\xdc\x00\xf1\x9f\xd8\x5c\x00\x01\x75\x80\x50\x00\x00\x00\x9f\xf7\x51\xe2\xb1\xc4\x67\xfb\x02\x00\x00\x00\x00\x04\x59\x5a";
const BZIP2: &[u8] = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x56\x76\xdf\x44\x00\x00\x6f\x5b\x80\xd1\x80\x60\x00\xe7\x00\x00\x02\x60\x00\x3e\x80\x08\x08\x20\x00\x54\x32\x84\xf5\x31\x34\x3d\x26\x27\xea\x09\x24\xd4\xd3\x26\x99\x0c\x99\x1f\x6b\x82\x08\x41\x4d\x81\x08\x76\xc5\x6d\xd6\xfc\xca\x48\x10\xc0\xc6\x2c\xe9\x3c\xe0\x23\xc9\x11\x14\xed\xd0\x70\xdc\x9f\xfe\xd2\x49\x4c\x92\x06\xc5\xdc\x91\x4e\x14\x24\x15\x9d\xb7\xd1\x00";

/// Where BuildKit's copies differ from dockerd's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buildkits_copies() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe AS source\nCOPY --chown=100:200 d /dir\nFROM probe\n\
                      COPY --chown=500:600 --chmod=700 d /there\nCOPY --from=source /dir /there\nCOPY --from=source /dir /new\n\
                      COPY --chmod=777 f /parent/f\nCOPY --chmod=770 f /parent/sub/f\nCOPY --chmod=u+x f /symbolic/f\n\
                      WORKDIR /var/www\nENV empty=\"\"\nCOPY --link f .\nCOPY --link g $empty\nCOPY f ./.\n\
                      COPY --chown=web f /web\nUSER web\nWORKDIR /mine/deep\nWORKDIR /there\nCOPY nomatch* /none/\n\
                      ADD *.tar /unpacked\nCOPY ../f /clamped\n";
    let inner = |name| archive(&[(name, "1")]);
    let mut context = tar::Builder::new(Vec::new());
    append(&mut context, "Dockerfile", dockerfile.as_bytes(), 0o644);
    append(&mut context, "f", b"2", 0o644);
    append(&mut context, "g", b"3", 0o644);
    append(&mut context, "d/sub/e", b"1", 0o644);
    append(&mut context, "a.tar", &inner("in-a"), 0o644);
    append(&mut context, "b.tar", &inner("in-b"), 0o644);
    let mut request = request_of(&context.into_inner().unwrap());
    request.dialect = builder::Dialect::BuildKit;
    let told = daemon.build(request).await;
    let id = told.id();
    let cases = [
        // What is copied to stays what it is; what comes keeps its owner, directories that were there among it.
        ("there", "700 500:600 /"),
        ("there/sub", "755 100:200 /"),
        ("there/sub/e", "644 100:200 1"),
        ("new", "755 0:0 /"),
        ("new/sub/e", "644 100:200 1"),
        // Directories that are made on the way have the mode in digits.
        ("parent", "777 0:0 /"),
        ("parent/sub", "770 0:0 /"),
        ("symbolic", "755 0:0 /"),
        ("symbolic/f", "744 0:0 2"),
        ("var/www/f", "644 0:0 2"),
        ("var/www/g", "644 0:0 3"),
        // A user alone means the group of its account.
        ("web", "644 33:44 2"),
        ("mine", "755 33:44 /"),
        ("mine/deep", "755 33:44 /"),
        ("unpacked/in-a", "644 0:0 1"),
        ("unpacked/in-b", "644 0:0 1"),
        ("clamped", "644 0:0 2"),
    ];
    for (path, expected) in cases {
        assert_eq!(daemon.at(id, path), expected, "{path}");
    }
    assert!(!daemon.tree(id).contains_key("none"));
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_escapes_is_refused_and_nothing_stays() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut inner = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    header.as_old_mut().name[..9].copy_from_slice(b"../escape");
    header.set_cksum();
    inner.append(&header, &b"x"[..]).unwrap();
    let mut context = tar::Builder::new(Vec::new());
    append(&mut context, "a.tar", &inner.into_inner().unwrap(), 0o644);
    append(
        &mut context,
        "Dockerfile",
        b"FROM scratch\nADD a.tar /t/\n",
        0o644,
    );
    let told = daemon.build(request_of(&context.into_inner().unwrap())).await;
    assert!(told.error().contains("escape"), "{}", told.error());
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_gives_files_with_their_owners() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe AS a\nCOPY --chown=5:6 --chmod=0750 d /d\nFROM scratch\nCOPY --from=a /d /e\n\
                      COPY --from=0 --chown=1 /d/f /g\nCOPY --from=probe /etc/pass* /etc/\n";
    let told = daemon.file(dockerfile, &[("d/f", "1")]).await;
    let id = told.id();
    assert_eq!(daemon.at(id, "e"), "755 0:0 /");
    assert_eq!(daemon.at(id, "e/f"), "750 5:6 1");
    assert_eq!(daemon.at(id, "g"), "750 1:1 1");
    assert_eq!(
        daemon.tree(id).keys().collect::<Vec<_>>(),
        ["e", "e/f", "etc", "g"]
    );
    // From the cache nothing is mounted or hashed again.
    assert_eq!(daemon.file(dockerfile, &[("d/f", "1")]).await.id(), id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn working_directories_are_made() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let told = daemon
        .file(
            "FROM probe\nWORKDIR /a/b\nCOPY f c/\nWORKDIR c\nWORKDIR /etc\n",
            &[("f", "1")],
        )
        .await;
    let id = told.id();
    assert_eq!(daemon.at(id, "a/b/c/f"), "644 0:0 1");
    let image = daemon.images.get(&id).unwrap();
    assert_eq!(image.config.config.working_dir, "/etc");
    let empty: Vec<bool> = image.config.history.iter().map(|row| row.empty_layer).collect();
    // The probe, /a/b, the copy; c and /etc were there.
    assert_eq!(empty, [false, false, false, true, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn here_documents_are_files() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let told = daemon
        .file(
            "FROM scratch\nENV V=1\nCOPY <<A <<-'B' /c/\n$V \"q\"\nA\n\t$V\nB\n",
            &[],
        )
        .await;
    assert_eq!(daemon.at(told.id(), "c/A"), "644 0:0 1 \"q\"\n");
    assert_eq!(daemon.at(told.id(), "c/B"), "644 0:0 $V\n");
}

/// `--parents`, as upstream's tests have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parents_with_pivots_and_patterns() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let files = [
        ("test/a/b/c/d/foo", ""),
        ("test/a/b/c/d/e/bay", ""),
        ("test/a/b2/c/d/e/bar", ""),
        ("test/a/b/c2/d/e/baz", ""),
        ("test/a/b/c2/d/e2/baz", ""),
        (".dockerignore", "Dockerfile\n.dockerignore\n"),
    ];
    type Paths = &'static [&'static str];
    let cases: &[(&str, Paths, Paths)] = &[
        ("/test/a/b/./c/d", &["c/d/e", "c/d/foo"], &["a", "e", "test"]),
        ("/test/a/b/c/d/.", &["test/a/b/c/d/e", "test/a/b/c/d/foo"], &[]),
        ("./test/a/b/c/d", &["test/a/b/c/d/e", "test/a/b/c/d/foo"], &[]),
        ("/test/a/./b/./c", &["b/c/d/e", "b/c/d/foo"], &[]),
        ("/test/a/./*/c", &["b/c/d/e", "b2/c/d/e/bar"], &["b/c2"]),
        (
            "/test/a/b*/./c/**/e",
            &["c/d/e", "c/d/e/bay", "c/d/e/bar"],
            &["c/d/foo"],
        ),
        (
            "/test/a/b/c*/./d/**/baz /test/a/b*/./c/**/bar",
            &["d/e/baz", "d/e2/baz", "c/d/e/bar"],
            &["d/e/bay"],
        ),
        ("/test/a/b2*/x", &[], &["a", "test"]),
        ("/test/a/b/./c9*", &[], &["a", "c", "c2"]),
    ];
    for (sources, there, absent) in cases {
        let file = format!(
            "FROM scratch AS base\nCOPY . /\nFROM scratch\nCOPY --from=base --parents {sources} /out/\n"
        );
        let mut request = request(&[&[("Dockerfile", file.as_str())], &files[..]].concat());
        request.dialect = builder::Dialect::BuildKit;
        let told = daemon.build(request).await;
        let tree = daemon.tree(told.id());
        assert!(tree.contains_key("out"), "{sources}: {tree:#?}");
        for path in *there {
            assert!(
                tree.contains_key(&format!("out/{path}")),
                "{sources} {path}: {tree:#?}"
            );
        }
        for path in *absent {
            assert!(
                !tree.contains_key(&format!("out/{path}")),
                "{sources} {path}: {tree:#?}"
            );
        }
    }
    let file = "FROM scratch AS base\nCOPY . /\nFROM scratch\nCOPY --from=base --parents /test/nonexistent-file /out/\n";
    let mut request = request(&[&[("Dockerfile", file)], &files[..]].concat());
    request.dialect = builder::Dialect::BuildKit;
    let error = daemon.build(request).await.error();
    assert!(
        error.contains("failed to calculate checksum of ref")
            && error.ends_with(": \"/test/nonexistent-file\": not found"),
        "{error}"
    );
}

/// `--exclude`, as upstream's tests have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excludes_of_directories_and_patterns() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let files = [
        ("dir1/file-101.png", "2"),
        ("dir1/file-102.txt", "3"),
        ("dir2/file-201.pdf", "6"),
        ("dir2/file-202.jpeg", "7"),
        ("dir3/file-301.mp3", "9"),
        ("dir3/file-302.mpeg", "10"),
        ("dir4/file-401.txt", "11"),
    ];
    let cases: &[(&str, &[&str])] = &[
        (
            "COPY --exclude=*/*.png --exclude=*/*.jpeg . /o",
            &[
                "dir1/file-102.txt",
                "dir2/file-201.pdf",
                "dir3/file-301.mp3",
                "dir3/file-302.mpeg",
                "dir4/file-401.txt",
            ],
        ),
        (
            "COPY --exclude=*/*.pdf --exclude=*/*.txt . /o",
            &[
                "dir1/file-101.png",
                "dir2/file-202.jpeg",
                "dir3/file-301.mp3",
                "dir3/file-302.mpeg",
            ],
        ),
        ("ADD --exclude=*.mp3 dir3/ /o/", &["file-302.mpeg"]),
        (
            "COPY --exclude=*.mp3 --exclude=*.jpeg --exclude=*.png --exclude=*.pdf --exclude=*.txt dir* /o/",
            &["file-302.mpeg"],
        ),
        (
            "ADD --exclude=*.mp* --exclude=*.jpeg --exclude=*.png --exclude=*.pdf dir* /o/",
            &["file-102.txt", "file-401.txt"],
        ),
        ("COPY --exclude=* . /o/", &[]),
    ];
    for (step, expected) in cases {
        let file = format!("FROM scratch\n{step}\n");
        let hidden = [
            ("Dockerfile", file.as_str()),
            (".dockerignore", "Dockerfile\n.dockerignore\n"),
        ];
        let mut request = request(&[&hidden[..], &files[..]].concat());
        request.dialect = builder::Dialect::BuildKit;
        let told = daemon.build(request).await;
        let tree = daemon.tree(told.id());
        let copied: Vec<&str> = tree
            .iter()
            .filter(|(_, what)| !what.ends_with('/'))
            .filter_map(|(path, _)| path.strip_prefix("o/"))
            .collect();
        assert_eq!(copied, *expected, "{step}");
        assert!(tree.contains_key("o"), "{step}");
    }
}

/// A file that nobody gives a time is as old as its build: archivers refuse files of 1970.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn here_documents_are_made_when_the_build_is() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let file = "FROM scratch\nCOPY <<A /a\n1\nA\nADD --link <<B <<C /d/\n2\nB\n3\nC\n";
    let made = |name: &str| {
        use std::os::unix::fs::MetadataExt as _;
        let file = std::fs::File::create(node.path(name)).unwrap();
        u64::try_from(file.metadata().unwrap().mtime()).unwrap()
    };
    let paths = ["a", "d/B", "d/C"];
    for (epoch, dialect) in [
        (None, builder::Dialect::Classic),
        (None, builder::Dialect::BuildKit),
        (Some("1000000000"), builder::Dialect::BuildKit),
    ] {
        // A file's time may be some milliseconds behind.
        let before = made("before") - 1;
        let mut request = request(&[("Dockerfile", file)]);
        request.dialect = dialect;
        request.no_cache = true;
        if let Some(epoch) = epoch {
            request
                .args
                .insert("SOURCE_DATE_EPOCH".into(), Some(epoch.into()));
        }
        let times = daemon.times(daemon.build(request).await.id());
        let expected = match epoch {
            Some(epoch) => epoch.parse().unwrap()..=epoch.parse().unwrap(),
            None => before..=made("after") + 1,
        };
        for path in paths {
            assert!(
                expected.contains(&times[path]),
                "{path} {:?} {expected:?}",
                times[path]
            );
        }
    }
}
