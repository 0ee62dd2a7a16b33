//! Builds over time: the cache after a restart, callers who leave, names, pruning.

use builder::Progress;
use image::{Digest, Lease, Reference};
use tokio::sync::mpsc;

use crate::fixture::*;

#[test]
fn the_cache_outlives_the_daemon() {
    let node = Node::start();
    let dockerfile =
        "FROM probe\nCOPY a /a\nRUN [\"/probe\", \"write\", \"/made\", \"1\"]\nCMD [\"/probe\"]\n";
    // A runtime each: the first daemon's tasks end with it.
    let build = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { Daemon::open(&node).await.file(dockerfile, &[("a", "1")]).await })
    };
    let first = build().id();
    let told = build();
    assert_eq!(told.id(), first, "{}", told.text);
    assert_eq!(told.text.matches("Using cache").count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_named() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut named = request(&[("Dockerfile", "FROM probe\nCMD [\"x\"]\n")]);
    named.tags = vec![
        Reference::parse("t1:latest").unwrap(),
        Reference::parse("t2:x").unwrap(),
    ];
    let told = daemon.build(named).await;
    let id = told.id();
    let end = format!(
        "Successfully built {}\nSuccessfully tagged t1:latest\nSuccessfully tagged t2:x\n",
        id.short()
    );
    assert!(told.text.ends_with(&end), "{}", told.text);
    assert_eq!(daemon.images.resolve("t2:x").unwrap().id, id);
    let mut quiet = request(&[("Dockerfile", "FROM t1\n")]);
    quiet.quiet = true;
    assert_eq!(daemon.build(quiet).await.text, format!("{id}\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_build_that_fails_tells_everything() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut quiet = request(&[("Dockerfile", "FROM probe\nCOPY nope /\n")]);
    quiet.quiet = true;
    let told = daemon.build(quiet).await;
    assert!(told.text.starts_with("Step 1/2 : FROM probe\n"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_takes_the_container_along() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let (sender, mut receiver) = mpsc::channel(64);
    // Nobody ever opens the other end of the pipe.
    let mut context = tar::Builder::new(Vec::new());
    let dockerfile =
        "FROM probe\nCOPY pipe /\nRUN [\"/probe\", \"echo\", \"running\", \"--\", \"cat\", \"/pipe\"]\n";
    append(&mut context, "Dockerfile", dockerfile.as_bytes(), 0o644);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Fifo);
    header.set_size(0);
    header.set_mode(0o644);
    context
        .append_data(&mut header, "pipe", std::io::empty())
        .unwrap();
    let waiting = request_of(&context.into_inner().unwrap());
    let builder = daemon.builder.clone();
    let build = tokio::spawn(async move { builder.build(waiting, sender).await });
    let running =
        async { while receiver.recv().await.expect("it runs") != Progress::Stream("running\n".into()) {} };
    tokio::time::timeout(PATIENCE, running).await.unwrap();
    let mut events = daemon
        .engine
        .events()
        .subscribe(engine::events::EventQuery::default());
    drop(receiver);
    let built = tokio::time::timeout(PATIENCE, build).await.unwrap().unwrap();
    assert_eq!(built.unwrap_err().to_string(), "build cancelled");
    let gone = async {
        while !daemon.engine.list().is_empty() {
            events.next().await.expect("events go on");
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    daemon.assert_nothing_left(&node);
}

/// Builds a Dockerfile beside a file `f`; no prune takes the image while the lease lasts.
async fn held(daemon: &Daemon, dockerfile: &str) -> (Digest, Lease) {
    let (sender, mut receiver) = mpsc::channel(64);
    let request = request(&[("Dockerfile", dockerfile), ("f", "1")]);
    let building = daemon.builder.build_held(request, sender);
    let listening = async { while receiver.recv().await.is_some() {} };
    let both = async { tokio::join!(building, listening).0.unwrap() };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("the build ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_and_prunes_at_once_leave_a_clean_store() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = |name: &str| {
        format!(
            "FROM probe AS a\nRUN [\"/probe\", \"write\", \"/{name}\", \"1\"]\nFROM probe AS b\nCOPY f /f-{name}\n\
             FROM probe\nCOPY --from=a /{name} /a\nCOPY --from=b /f-{name} /b\nENV E={name}\n"
        )
    };
    for round in 0..3 {
        let files =
            [format!("x{round}"), format!("y{round}"), "same".to_owned()].map(|name| dockerfile(&name));
        let built = std::cell::Cell::new(false);
        let builds = async {
            let held = tokio::join!(
                held(&daemon, &files[0]),
                held(&daemon, &files[1]),
                held(&daemon, &files[2])
            );
            built.set(true);
            <[(Digest, Lease); 3]>::from(held)
        };
        let prunes = async {
            while !built.get() {
                // Another prune may be under way.
                let _ = daemon.builder.prune(true, |_| true).await;
                tokio::task::yield_now().await;
            }
        };
        let (held, ()) = tokio::join!(builds, prunes);
        for (id, _lease) in held {
            assert_eq!(daemon.at(id, "a"), "644 0:0 1");
            assert_eq!(daemon.at(id, "b"), "644 0:0 1");
        }
    }
    daemon.builder.prune(true, |_| true).await.unwrap();
    assert!(daemon.builder.usage().is_empty());
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_eats_all_memory_ends_alone() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nRUN [\"/probe\", \"eat\", \"268435456\"]\n";
    let mut eating = request(&[("Dockerfile", dockerfile)]);
    eating.resources.memory = 32 << 20;
    let told = daemon.build(eating).await;
    assert!(
        told.error().ends_with("returned a non-zero code: 137"),
        "{}",
        told.error()
    );
    let killed = matches!(
        told.result,
        Err(builder::BuildError::Command {
            out_of_memory: true,
            ..
        })
    );
    assert!(killed);
    daemon
        .file("FROM probe\nRUN [\"/probe\", \"true\"]\n", &[])
        .await
        .id();
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stages_share_a_cache_as_they_are_told_side_by_side() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    // The caches lie in each other, and are asked for in both orders.
    for sharing in ["shared", "private", "locked"] {
        let stage = |name: &str, number: usize| {
            format!(
                "FROM probe AS {name}\nRUN --mount=type=cache,target=/foo/bar,sharing={sharing} \
                 --mount=type=cache,target=/foo/bar/baz,sharing={sharing} \
                 [\"/probe\", \"write\", \"/foo/bar/{name}\", \"{number}\", \"--\", \"write\", \"/out\", \"{sharing}{number}\"]\n"
            )
        };
        let other = "FROM probe AS b3\nRUN --mount=type=cache,target=/foo/bar/baz --mount=type=cache,target=/foo/bar \
                     [\"/probe\", \"write\", \"/out\", \"3\"]\n"
            .replace("baz ", &format!("baz,sharing={sharing} "))
            .replace("bar [", &format!("bar,sharing={sharing} ["));
        let file = format!(
            "{}{}{other}FROM scratch\nCOPY --from=b1 /out p1\nCOPY --from=b2 /out p2\nCOPY --from=b3 /out p3\n",
            stage("b1", 1),
            stage("b2", 2)
        );
        let id = daemon.file(&file, &[]).await.id();
        assert_eq!(daemon.at(id, "p2"), format!("644 0:0 {sharing}2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_forgets_what_nobody_uses() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut named = request(&[("Dockerfile", "FROM probe\nENV A=1\nCOPY f /kept\n"), ("f", "1")]);
    named.tags = vec![Reference::parse("kept").unwrap()];
    daemon.build(named).await.id();
    let loose = daemon
        .file("FROM probe\nCOPY f /loose\n", &[("f", "22")])
        .await
        .id();
    assert_eq!(daemon.builder.usage().len(), 3);
    let pruned = daemon.builder.prune(false, |_| true).await.unwrap();
    assert_eq!((pruned.steps.len(), pruned.reclaimed), (1, 2));
    assert!(daemon.images.get(&loose).is_none());
    assert!(daemon.images.resolve("kept").is_ok());
    let pruned = daemon.builder.prune(true, |_| true).await.unwrap();
    assert_eq!(pruned.steps.len(), 2);
    assert!(daemon.images.resolve("kept").is_ok());
    assert!(daemon.builder.usage().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_the_cache_leaves_a_result_without_a_name() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let told = daemon.file("FROM probe\nCOPY f /told\n", &[("f", "1")]).await;
    let id = told.id();
    daemon.images.note_result(&id).unwrap();
    drop(told);
    let shared: Vec<bool> = daemon
        .builder
        .usage()
        .iter()
        .map(|record| record.shared)
        .collect();
    assert_eq!(shared, [true]);
    let pruned = daemon.builder.prune(true, |_| true).await.unwrap();
    assert_eq!((pruned.steps.len(), pruned.reclaimed), (1, 0));
    assert_eq!(daemon.at(id, "told"), "644 0:0 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_buildkit_does_on_the_way_is_no_image_but_cache() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let before = daemon.images.list().len();
    let dockerfile = "FROM probe AS a\nRUN [\"/probe\", \"write\", \"/1\", \"1\"]\nFROM probe\nCOPY --from=a /1 /2\nENV A=1\n";
    let build = async |tag: &str| {
        let mut request = request(&[("Dockerfile", dockerfile)]);
        request.dialect = builder::Dialect::BuildKit;
        request.tags = vec![Reference::parse(tag).unwrap()];
        daemon.build(request).await
    };
    let id = build("one").await.id();
    assert_eq!(daemon.images.list().len(), before + 1);
    assert_eq!(daemon.images.resolve("one").unwrap().shown_parent(), None);
    // Nothing of it is lost with the name.
    let gentle = image::Remove {
        force: false,
        prune_parents: true,
    };
    let gone = daemon.images.remove("one", gentle, &|_| Vec::new()).unwrap();
    assert!(gone.contains(&image::Removed::Deleted(id)), "{gone:?}");
    let told = build("two").await;
    assert_eq!(told.text.matches("Using cache").count(), 3, "{}", told.text);
    // Without -a the steps of what has a name stay.
    assert_eq!(
        daemon.builder.prune(false, |_| true).await.unwrap().steps.len(),
        1
    );
    daemon.images.remove("two", gentle, &|_| Vec::new()).unwrap();
    assert_eq!(
        daemon.builder.prune(false, |_| true).await.unwrap().steps.len(),
        2
    );
    assert_eq!(daemon.images.all().len(), before);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_again_is_pruned_as_well() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let before = daemon.images.all().len();
    for _ in 0..2 {
        let mut again = request(&[
            ("Dockerfile", "FROM probe\nCOPY f /one\nCOPY f /two\n"),
            ("f", "1234"),
        ]);
        again.dialect = builder::Dialect::BuildKit;
        again.no_cache = true;
        daemon.build(again).await.id();
    }
    assert!(daemon.images.all().len() > before + daemon.builder.usage().len());
    let pruned = daemon.builder.prune(true, |_| true).await.unwrap();
    // Both have the same layers.
    assert_eq!(pruned.reclaimed, 8);
    assert_eq!(daemon.images.all().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_takes_no_more_than_what_was_chosen() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nCOPY f /one\nCOPY f /two\nCOPY f /three\n";
    daemon.file(dockerfile, &[("f", "1234")]).await.id();
    let left = |daemon: &Daemon| {
        let name = |record: builder::CacheRecord| {
            let last = record.description.split_whitespace().last();
            last.unwrap_or_default().to_owned()
        };
        let mut left: Vec<_> = daemon.builder.usage().into_iter().map(name).collect();
        left.sort();
        left
    };
    assert_eq!(left(&daemon), ["/one", "/three", "/two"]);
    // The one in the middle is needed; the last one goes alone.
    let pruned = daemon
        .builder
        .prune(false, |record| record.description.trim().ends_with("/two"))
        .await
        .unwrap();
    assert_eq!(pruned, builder::Pruned::default());
    let pruned = daemon
        .builder
        .prune(false, |record| !record.description.trim().ends_with("/two"))
        .await
        .unwrap();
    assert_eq!((pruned.steps.len(), pruned.reclaimed), (1, 4));
    assert_eq!(left(&daemon), ["/one", "/two"]);
    // Less than eight bytes are to be left of eight.
    let pruned = daemon.builder.prune_to(false, 8, |_| true).await.unwrap();
    assert_eq!((pruned.steps.len(), pruned.reclaimed), (1, 4));
    assert_eq!(left(&daemon), ["/one"]);
    // With all, the record of what has a name goes, and the image stays.
    let mut named = request(&[("Dockerfile", "FROM probe\nCOPY f /named\n"), ("f", "22")]);
    named.tags = vec![Reference::parse("named").unwrap()];
    daemon.build(named).await.id();
    let pruned = daemon.builder.prune(true, |record| record.shared).await.unwrap();
    assert_eq!((pruned.steps.len(), pruned.reclaimed), (1, 0));
    assert!(daemon.images.resolve("named").is_ok());
}
