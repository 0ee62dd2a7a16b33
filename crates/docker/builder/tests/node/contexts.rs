//! Contexts of every kind, and those that are refused.

use builder::{BuildContext, BuildRequest};

use crate::fixture::*;

const FILES: &[(&str, &str)] = &[("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "1")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_compressed_and_directory_contexts_build_alike() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let plain = daemon.build(request(FILES)).await.id();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &archive(FILES)).unwrap();
    let told = daemon.build(request_of(&gzip.finish().unwrap())).await;
    assert_eq!(daemon.at(told.id(), "a"), daemon.at(plain, "a"));
    assert_eq!(told.id(), plain, "{}", told.text);
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in FILES {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    let told = daemon
        .build(BuildRequest::new(BuildContext::Directory(
            directory.path().into(),
        )))
        .await;
    assert_eq!(told.id(), plain, "{}", told.text);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_and_broken_contexts_are_refused() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let entry = |name: &[u8], kind: tar::EntryType, link: &[u8]| {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o644);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        archive.append(&header, &b""[..]).unwrap();
        archive.into_inner().unwrap()
    };
    let whole = archive(FILES);
    let cases = [
        (
            entry(b"../evil", tar::EntryType::Regular, b""),
            "Error processing tar file: \"../evil\" is outside of \"/\"",
        ),
        (
            entry(b"a/../../evil", tar::EntryType::Directory, b""),
            "Error processing tar file: \"a/../../evil\" is outside of \"/\"",
        ),
        (
            entry(b"l", tar::EntryType::Link, b"../../etc/passwd"),
            "Error processing tar file: \"../../etc/passwd\" is outside of \"/\"",
        ),
        (
            entry(b"l", tar::EntryType::Link, b"nothing"),
            "Error processing tar file: invalid hardlink \"l\" -> \"nothing\"",
        ),
        (
            entry(b"dev", tar::EntryType::Char, b""),
            "Error processing tar file: \"dev\" is a device",
        ),
        (b"garbage".repeat(200), "archive/tar: invalid tar header"),
        (whole[..515].to_vec(), "unexpected EOF"),
        (Vec::new(), "Cannot locate specified Dockerfile: Dockerfile"),
    ];
    for (context, expected) in cases {
        let told = daemon.build(request_of(&context)).await;
        assert_eq!((told.error().as_str(), told.text.as_str()), (expected, ""));
    }
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_links_stay_links() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut context = tar::Builder::new(Vec::new());
    append(&mut context, "Dockerfile", b"FROM scratch\nCOPY d /d\n", 0o644);
    append(&mut context, "d/a", b"1", 0o644);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    header.set_mode(0o644);
    context.append_link(&mut header, "d/b", "d/a").unwrap();
    let told = daemon.build(request_of(&context.into_inner().unwrap())).await;
    let tree = daemon.tree(told.id());
    assert_eq!(
        (tree["d/a"].as_str(), tree["d/b"].as_str()),
        ("644 0:0 1", "644 0:0 -> d/a")
    );
}
