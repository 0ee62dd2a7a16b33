//! Caches of `RUN --mount=type=cache` that come from elsewhere and go there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::sync::{Arc, Mutex};

use builder::{Sent, Services, StepCache};
use image::{Algorithm, Digest};
use tokio::sync::oneshot;

use crate::fixture::*;

/// Caches of somebody else, and what a build has told of its own.
#[derive(Default)]
struct Others {
    archives: BTreeMap<Digest, Result<Vec<u8>, String>>,
    used: Mutex<BTreeMap<String, Digest>>,
    asked: Mutex<Vec<Digest>>,
    /// What the next that asks is given instead, when it is there.
    slow: Mutex<Option<oneshot::Receiver<File>>>,
}

impl StepCache for Others {
    fn step(&self, _: &Digest) -> Sent<Option<Digest>> {
        Box::pin(async { None })
    }

    fn made(&self, _: &Digest, _: &Digest) {}

    fn mounts(&self, key: &Digest, id: &str) {
        self.used.lock().unwrap().insert(id.to_owned(), *key);
    }

    fn mount(&self, key: &Digest) -> Sent<Result<Option<File>, String>> {
        self.asked.lock().unwrap().push(*key);
        assert!(self.used.lock().unwrap().values().any(|used| used == key));
        if let Some(slow) = self.slow.lock().unwrap().take() {
            return Box::pin(async { Ok(Some(slow.await.unwrap())) });
        }
        let found = self.archives.get(key).cloned().transpose();
        Box::pin(async move {
            Ok(found?.map(|bytes| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&bytes).unwrap();
                file.rewind().unwrap();
                file
            }))
        })
    }
}

/// A step upon a cache; `words` are the probe's.
fn step(id: &str, words: &str) -> String {
    format!("FROM probe\nRUN --mount=type=cache,id={id},target=/c,mode=0750,uid=7 [\"/probe\", {words}]\n")
}

async fn build(daemon: &Daemon, dockerfile: &str, others: &Arc<Others>) -> Told {
    let mut request = request(&[("Dockerfile", dockerfile)]);
    request.services = Services {
        steps: Some(others.clone()),
        ..Services::default()
    };
    daemon.build(request).await
}

/// What a cache is packed as; its digest is asserted to depend on nothing but the files.
async fn packed(daemon: &Daemon, key: &Digest) -> Vec<u8> {
    let lease = Arc::new(daemon.images.lease("test").unwrap());
    let mut blobs = Vec::new();
    for algorithm in [
        None,
        Some(Algorithm::Gzip),
        Some(Algorithm::Zstd),
        Some(Algorithm::Gzip),
    ] {
        let packed = daemon.builder.pack_mount(key, &lease, (algorithm, None)).await;
        blobs.push(packed.unwrap().unwrap());
    }
    assert_eq!(blobs[1], blobs[3]);
    assert!(blobs[1].media_type.ends_with("tar+gzip") && blobs[2].media_type.ends_with("tar+zstd"));
    let Some(image::Blob::File(mut file, size)) = daemon.images.open_blob(&blobs[1].digest).unwrap() else {
        panic!("no blob");
    };
    assert_eq!(size, blobs[1].size);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_goes_to_another_node_and_is_asked_for_only_where_it_is_needed() {
    let (node, other) = (Node::start(), Node::start());
    let daemon = Daemon::open(&node).await;
    let own = Arc::new(Others::default());
    let words = "\"write\", \"/c/f\", \"of the first\", \"--\", \"mkdir\", \"/c/d\"";
    build(&daemon, &step("c", words), &own).await.id();
    // What is new was asked for, though nobody has it, and a step that is cached tells of its mounts too.
    assert_eq!(own.asked.lock().unwrap().len(), 1);
    let key = own.used.lock().unwrap().remove("c").unwrap();
    build(&daemon, &step("c", words), &own).await.id();
    assert_eq!(own.used.lock().unwrap().get("c"), Some(&key));
    let archive = packed(&daemon, &key).await;
    assert_eq!(own.asked.lock().unwrap().len(), 1);

    let daemon = Daemon::open(&other).await;
    let lease = Arc::new(daemon.images.lease("other").unwrap());
    assert_eq!(
        daemon
            .builder
            .pack_mount(&key, &lease, (None, None))
            .await
            .unwrap(),
        None
    );
    let others = Arc::new(Others {
        archives: [(key, Ok(archive.clone()))].into(),
        ..Others::default()
    });
    let look = step("c", "\"cat\", \"/c/f\", \"--\", \"stat\", \"/c\"");
    let told = build(&daemon, &look, &others).await;
    told.id();
    for line in [
        "cache mount c begins as it was exported\n",
        "of the first",
        "/c dir 0750 7:0",
    ] {
        assert!(told.text.contains(line), "{line}: {}", told.text);
    }
    assert_eq!(packed(&daemon, &key).await, archive);
    // A step that is cached does not fetch it, nor does one whose cache is here, and that is not replaced.
    build(&daemon, &look, &others).await.id();
    build(
        &daemon,
        &step("c", "\"write\", \"/c/f\", \"of the second\""),
        &others,
    )
    .await
    .id();
    let told = build(
        &daemon,
        &step("c", "\"cat\", \"/c/f\", \"--\", \"true\""),
        &others,
    )
    .await;
    assert!(told.text.contains("of the second"), "{}", told.text);
    assert_eq!(*others.asked.lock().unwrap(), [key]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_is_refused_leaves_nothing() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let keys = Arc::new(Others::default());
    let hostile = |name: &[u8], kind: tar::EntryType, link: &str| {
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "before", b"1", 0o644);
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        if !link.is_empty() {
            header.set_link_name_literal(link).unwrap();
        }
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, io::empty()).unwrap();
        archive.into_inner().unwrap()
    };
    let cases = [
        ("up", Ok(hostile(b"../up", tar::EntryType::Regular, ""))),
        (
            "hard",
            Ok(hostile(b"hard", tar::EntryType::Link, "../../../../etc/passwd")),
        ),
        (
            "noise",
            Ok(b"no archive at all, and longer than nothing".repeat(40)),
        ),
        ("gone", Err("it is gone".to_owned())),
    ];
    for (id, archive) in cases {
        // Which key it has is known once a step has asked for it.
        build(&daemon, &step(id, "\"true\""), &keys).await.id();
        let key = keys.used.lock().unwrap()[id];
        daemon.builder.prune(true, |_| true).await.unwrap();
        let others = Arc::new(Others {
            archives: [(key, archive)].into(),
            ..Others::default()
        });
        let told = build(
            &daemon,
            &step(id, "\"ls\", \"/c\", \"--\", \"echo\", \"empty\""),
            &others,
        )
        .await;
        told.id();
        let line = format!("cache mount {id} begins empty: ");
        assert!(told.text.contains(&line), "{id}: {}", told.text);
        assert!(told.text.contains("\n\nempty\n"), "{id}: {}", told.text);
        assert_eq!(*others.asked.lock().unwrap(), [key], "{id}");
    }
    daemon.builder.prune(true, |_| true).await.unwrap();
    assert_eq!(
        std::fs::read_dir(node.path("data/build/cache")).unwrap().count(),
        0
    );
}

/// Which key a cache has: known once a step has asked for it.
async fn key_of(daemon: &Daemon, id: &str) -> Digest {
    let keys = Arc::new(Others::default());
    build(daemon, &step(id, "\"true\""), &keys).await.id();
    daemon.builder.prune(true, |_| true).await.unwrap();
    keys.used.lock().unwrap()[id]
}

/// Others, the next of whom is given what is sent here.
fn slow() -> (Arc<Others>, oneshot::Sender<File>) {
    let (give, slow) = oneshot::channel();
    let others = Others {
        slow: Mutex::new(Some(slow)),
        ..Others::default()
    };
    (Arc::new(others), give)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_registry_holds_up_only_the_build_that_asked() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let (others, give) = slow();
    let look = step("c", "\"cat\", \"/c/f\", \"--\", \"true\"");
    let slow = build(&daemon, &look, &others);
    let meanwhile = async {
        while others.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let write = step("c", "\"write\", \"/c/f\", \"of another\"");
        build(&daemon, &write, &Arc::default()).await.id();
        let mut file = tempfile::tempfile().unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "f", b"too late", 0o644);
        file.write_all(&archive.into_inner().unwrap()).unwrap();
        file.rewind().unwrap();
        give.send(file).unwrap();
    };
    let (told, ()) = tokio::join!(slow, meanwhile);
    told.id();
    assert!(told.text.contains("of another"), "{}", told.text);
    assert!(!told.text.contains("begins as it was exported"), "{}", told.text);
}

/// What is read has no end but that of the build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_cancelled_does_not_go_on_filling_its_cache() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let key = key_of(&daemon, "c").await;
    let (others, give) = slow();
    let (read, mut write) = io::pipe().unwrap();
    give.send(File::from(std::os::fd::OwnedFd::from(read))).unwrap();
    let (begun, has_begun) = oneshot::channel();
    let feeding = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "f", b"1", 0o644);
        write.write_all(&archive.into_inner().unwrap()).unwrap();
        let zeros = vec![0; 1 << 20];
        write.write_all(&zeros).unwrap();
        begun.send(()).unwrap();
        while write.write_all(&zeros).is_ok() {}
    });
    let text = step("c", "\"true\"");
    tokio::select! {
        told = build(&daemon, &text, &others) => panic!("{}", told.text),
        begun = has_begun => begun.unwrap(),
    }
    feeding.await.unwrap();
    let lease = Arc::new(daemon.images.lease("test").unwrap());
    let packed = daemon.builder.pack_mount(&key, &lease, (None, None)).await;
    assert_eq!(packed.unwrap(), None);
}
