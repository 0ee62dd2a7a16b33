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
    append(&mut context, "a.tar.xz", b"\xfd7zXZ\0...", 0o644);
    append(
        &mut context,
        "Dockerfile",
        b"FROM scratch\nADD a.tar /t/\nADD a.tgz /u\nADD plain.tar /p/\nCOPY a.tar /c\n",
        0o644,
    );
    append(&mut context, "Xz", b"FROM scratch\nADD a.tar.xz /\n", 0o644);
    let bytes = context.into_inner().unwrap();
    let told = daemon.build(request_of(&bytes)).await;
    let tree = daemon.tree(told.id());
    let shown: Vec<_> = tree.iter().filter(|(path, _)| *path != "c").collect();
    insta::assert_debug_snapshot!(shown);
    assert!(tree.contains_key("c"));
    let mut xz = request_of(&bytes);
    xz.dockerfile = "Xz".into();
    let expected = "ADD of a.tar.xz: archives compressed with bzip2 or xz are not supported yet";
    assert_eq!(daemon.build(xz).await.error(), expected);
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
