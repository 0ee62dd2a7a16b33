//! Contexts of every kind, and those that are refused.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use builder::{
    Asker, Authorization, BuildContext, BuildRequest, Fetch, Fetched, GitSource, Repository, Secrets, Sent,
};

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
    // A file with holes, as GNU's tar writes them.
    let mut sparse = tar::Builder::new(archive(&FILES[..1]));
    sparse.get_mut().truncate(1024);
    let map = [
        ("GNU.sparse.map", &b"0,1"[..]),
        ("GNU.sparse.size", b"3"),
        ("GNU.sparse.name", b"a"),
    ];
    sparse.append_pax_extensions(map).unwrap();
    append(&mut sparse, "GNUSparseFile.0/a", b"1", 0o644);
    let told = daemon.build(request_of(&sparse.into_inner().unwrap())).await;
    assert_eq!(daemon.at(told.id(), "a"), daemon.at(plain, "a") + "\0\0");
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

/// Has one repository, and what addresses end with as bodies; keeps who has asked.
struct Elsewhere(PathBuf, Mutex<Vec<String>>);

/// A client that knows one secret.
struct Knows(&'static str);

impl Secrets for Knows {
    fn secret(&self, id: &str) -> Sent<Result<Option<Vec<u8>>, String>> {
        let found = (id == self.0).then(|| b"t".to_vec());
        Box::pin(async move { Ok(found) })
    }
}

impl Fetch for Elsewhere {
    fn http(&self, url: &str, who: &Authorization) -> Sent<Result<Fetched, String>> {
        self.1.lock().unwrap().push(who.0.clone());
        let body = match url.rsplit('/').next() {
            Some("Dockerfile") => b"FROM scratch\nLABEL a=b\n".to_vec(),
            Some("context.tar") => archive(FILES),
            _ => Vec::new(),
        };
        Box::pin(async move {
            if body.is_empty() {
                return Err("invalid response status 404".to_owned());
            }
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &body).unwrap();
            Ok(Fetched {
                file,
                modified: 0,
                name: None,
                media_type: String::new(),
            })
        })
    }

    fn git(&self, source: &GitSource, _: Option<PathBuf>) -> Sent<Result<Repository, String>> {
        assert_eq!(source.keep_git_dir, Some(true));
        self.1.lock().unwrap().push(source.authorization.0.clone());
        let directory = self.0.join(&source.directory);
        Box::pin(async move {
            Ok(Repository {
                directory,
                commit: "c".into(),
                time: 1,
                reference: None,
                keeps: Arc::new(()),
            })
        })
    }

    fn prune(&self) -> Sent<u64> {
        Box::pin(async { 0 })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_that_lie_elsewhere() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let repository = tempfile::tempdir().unwrap();
    std::fs::create_dir(repository.path().join("d")).unwrap();
    for (name, content) in [FILES, &[(".dockerignore", "b\n"), ("b", "2")]].concat() {
        std::fs::write(repository.path().join("d").join(name), content).unwrap();
    }
    let fetch = Arc::new(Elsewhere(repository.path().into(), Mutex::default()));
    let elsewhere = daemon.builder.clone().with_fetch(fetch.clone());
    let context = |address: &'static str| {
        let builder = elsewhere.clone();
        async move { builder.remote(address, true, Asker::default()).await }
    };
    for address in [
        "http://h/context.tar",
        "https://h/r.git#main:d",
        "github.com/a/b#:d",
        "http://h/Dockerfile",
    ] {
        let told = daemon
            .build(BuildRequest::new(context(address).await.unwrap()))
            .await;
        let id = told.id();
        match address {
            "http://h/Dockerfile" => {
                assert_eq!(daemon.images.get(&id).unwrap().config.config.labels["a"], "b");
            }
            _ => assert_eq!(daemon.at(id, "a"), "644 0:0 1"),
        }
    }
    fetch.1.lock().unwrap().clear();
    // Servers are told who asks, for contexts and for files that are one.
    for (address, secret, told) in [
        (
            "https://h/r.git#main:d",
            "GIT_AUTH_TOKEN",
            "basic eC1hY2Nlc3MtdG9rZW46dA==",
        ),
        ("https://h/r.git#main:d", "GIT_AUTH_HEADER.h", "t"),
        ("https://h/r.git#main:d", "GIT_AUTH_HEADER.other", ""),
        ("http://h:80/context.tar", "HTTP_AUTH_TOKEN_h", "Bearer t"),
        ("http://h:80/context.tar", "HTTP_AUTH_HEADER_h", "t"),
        ("http://h:80/context.tar", "GIT_AUTH_TOKEN", ""),
    ] {
        let asker = || Asker {
            secrets: Some(Arc::new(Knows(secret))),
            ..Asker::default()
        };
        elsewhere.remote(address, true, asker()).await.unwrap();
        elsewhere.remote_file(address, asker()).await.unwrap();
        let asked = std::mem::take(&mut *fetch.1.lock().unwrap());
        assert_eq!(asked, [told, told], "{address} {secret}");
    }
    for (address, sentence) in [
        (
            "http://h/x",
            "failed to download remote context http://h/x: invalid response status 404",
        ),
        (
            "ftp://h/x",
            "remoteURL (ftp://h/x) could not be recognized as URL",
        ),
        ("https://h/r.git?x=1", "unexpected query \"x\""),
    ] {
        assert_eq!(context(address).await.unwrap_err().to_string(), sentence);
    }
}
