//! `RUN --mount`, `COPY --link` and their kin on a real kernel.

use std::path::PathBuf;
use std::sync::Arc;

use builder::{CacheKind, Entitlements, Secrets, Sent, Services};

use crate::fixture::*;

/// No mount of the node is left.
fn assert_no_mounts(node: &Node) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = node.path("data/build").display().to_string();
    assert!(!table.contains(&below), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_the_context_of_a_stage_and_of_an_image() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe AS s\nWORKDIR /in/side\nRUN [\"/probe\", \"write\", \"/in/side/f\", \"of the stage\"]\n\
        FROM probe\n\
        RUN --mount=target=/c [\"/probe\", \"cat\", \"/c/d/f\"]\n\
        RUN --mount=target=/one/file,source=d/f [\"/probe\", \"cat\", \"/one/file\"]\n\
        RUN --mount=from=s,source=in/side,target=/s [\"/probe\", \"cat\", \"/s/f\"]\n\
        RUN --mount=from=s,target=rel [\"/probe\", \"cat\", \"/rel/in/side/f\"]\n\
        RUN --mount=from=probe,target=/p [\"/p/probe\", \"echo\", \"from an image\"]\n\
        RUN --mount=target=/c [\"/probe\", \"try\", \"write\", \"/c/x\", \"1\"]\n";
    let told = daemon.file(dockerfile, &[("d/f", "of the context\n")]).await;
    let id = told.id();
    for line in ["of the context\n", "of the stage", "from an image\n"] {
        assert!(told.text.contains(line), "{line}: {}", told.text);
    }
    assert_eq!(told.text.matches("of the stage").count(), 3, "{}", told.text);
    // Neither what was mounted nor where it was is in the image.
    assert_eq!(daemon.tree(id).keys().collect::<Vec<_>>(), ["etc"]);
    assert_no_mounts(&node);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_a_mount_is_thrown_away() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe AS s\nRUN [\"/probe\", \"write\", \"/f\", \"old\"]\n\
        FROM probe\n\
        RUN --mount=target=/c,rw [\"/probe\", \"write\", \"/c/f\", \"new\", \"--\", \"cat\", \"/c/f\"]\n\
        RUN --mount=target=/c [\"/probe\", \"cat\", \"/c/f\"]\n\
        RUN --mount=from=s,target=/s,rw [\"/probe\", \"write\", \"/s/f\", \"changed\", \"--\", \"cat\", \"/s/f\"]\n\
        COPY --from=s /f /of\n";
    let told = daemon.file(dockerfile, &[("f", "context\n")]).await;
    for line in ["new", "context\n", "changed"] {
        assert!(told.text.contains(line), "{line}: {}", told.text);
    }
    assert_eq!(daemon.at(told.id(), "of"), "644 0:0 old");
    assert_no_mounts(&node);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_mount_cannot_be_written_to() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    for flags in ["", ",from=probe"] {
        let told = daemon
            .file(
                &format!(
                    "FROM probe\nRUN --mount=target=/c{flags} [\"/probe\", \"write\", \"/c/x\", \"1\"]\n"
                ),
                &[],
            )
            .await;
        assert!(told.error().contains("non-zero code"), "{}", told.error());
    }
    assert_no_mounts(&node);
}

/// A link of an image leads nowhere but in the image.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_do_not_lead_out_of_an_image() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut context = tar::Builder::new(Vec::new());
    for (name, target) in [("l/out", "/etc"), ("l/up", "../etc")] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        context.append_link(&mut header, name, target).unwrap();
    }
    let dockerfile = "FROM probe AS s\nCOPY l /l\nFROM probe\n\
        RUN --mount=from=s,source=l/out,target=/m [\"/probe\", \"ls\", \"/m\"]\n\
        RUN --mount=from=s,source=l/up,target=/m,rw [\"/probe\", \"ls\", \"/m\"]\n";
    append(&mut context, "Dockerfile", dockerfile.as_bytes(), 0o644);
    let told = daemon.build(request_of(&context.into_inner().unwrap())).await;
    told.id();
    assert_eq!(told.text.matches("passwd").count(), 2, "{}", told.text);
    assert!(!told.text.contains("hostname"), "{}", told.text);
    assert_no_mounts(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_with_links_that_lead_up_is_mounted() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut context = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    context.append_link(&mut header, "link", "../../etc").unwrap();
    append(&mut context, "f", b"1", 0o644);
    let dockerfile = "FROM probe\nRUN --mount=type=bind,target=/m [\"/probe\", \"ls\", \"/m\"]\n\
        RUN --mount=type=bind,target=/m [\"/probe\", \"ls\", \"/m/link/\"]\nCOPY . /\n";
    append(&mut context, "Dockerfile", dockerfile.as_bytes(), 0o644);
    let told = daemon.build(request_of(&context.into_inner().unwrap())).await;
    assert_eq!(daemon.at(told.id(), "link"), "777 0:0 -> ../../etc");
    // It leads into the container's own root, as any link.
    assert!(told.text.contains("passwd"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_last() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let run = |flags: &str, words: &str| {
        format!("FROM probe\nRUN --mount=type=cache,target=/c{flags} [\"/probe\", {words}]\n")
    };
    let write = |flags: &str| run(flags, "\"write\", \"/c/f\", \"kept\"");
    let cat = |flags: &str| run(flags, "\"cat\", \"/c/f\"");
    daemon.file(&write(""), &[]).await.id();
    let told = daemon.file(&cat(""), &[]).await;
    assert!(told.text.contains("kept"), "{}", told.text);
    assert!(!daemon.tree(told.id()).contains_key("c"));
    // Another name is another cache; the same name elsewhere is the same.
    assert!(daemon.file(&cat(",id=other"), &[]).await.result.is_err());
    let elsewhere = "FROM probe\nRUN --mount=type=cache,target=/e,id=/c,ro [\"/probe\", \"cat\", \"/e/f\"]\n";
    assert!(daemon.file(elsewhere, &[]).await.text.contains("kept"));
    let owned = run(",uid=7,gid=8,mode=0750,id=o", "\"write\", \"/c/f\", \"1\"");
    daemon.file(&owned, &[]).await.id();
    let listed: Vec<_> = daemon
        .builder
        .usage()
        .into_iter()
        .filter(|record| record.kind == CacheKind::Mount)
        .collect();
    assert_eq!(listed.len(), 3, "{listed:?}");
    let first = listed.iter().find(|record| record.size == 4).unwrap();
    assert!(
        first
            .description
            .starts_with("cached mount /c from exec /probe write"),
        "{first:?}"
    );
    assert!(!first.in_use && first.uses >= 2, "{first:?}");
    let pruned = daemon
        .builder
        .prune(false, |record| record.kind == CacheKind::Mount)
        .await
        .unwrap();
    assert_eq!((pruned.steps.len(), pruned.reclaimed), (3, 5));
    let again = daemon.file(&run(",id=/c,mode=0700", "\"ls\", \"/c\""), &[]).await;
    assert!(!again.text.contains("kept"), "{}", again.text);
    assert_no_mounts(&node);
}

#[test]
fn a_cache_begins_with_what_it_is_told_and_outlives_the_daemon() {
    let node = Node::start();
    // A runtime each: the first daemon's tasks end with it.
    let run = |words: &str| {
        let dockerfile = format!(
            "FROM probe AS s\nCOPY f /in/f\nFROM probe\nRUN --mount=type=cache,target=/c,from=s,source=in [\"/probe\", {words}]\n"
        );
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let daemon = Daemon::open(&node).await;
            daemon.file(&dockerfile, &[("f", "at first\n")]).await
        })
    };
    let told = run("\"cat\", \"/c/f\", \"--\", \"write\", \"/c/g\", \"later\"");
    assert!(told.text.contains("at first\n"), "{}", told.text);
    told.id();
    let told = run("\"cat\", \"/c/g\"");
    assert!(told.text.contains("later"), "{}", told.text);
    told.id();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_are_shared_as_they_are_told() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let run = |sharing: &str, tag: &str| {
        format!(
            "FROM probe\nENV T={tag}\nRUN --mount=type=cache,target=/c,sharing={sharing},id={sharing} [\"/probe\", \"write\", \"/c/{tag}\", \"1\", \"--\", \"ls\", \"/c\"]\n"
        )
    };
    for sharing in ["shared", "private", "locked"] {
        let (one, other) = (run(sharing, "one"), run(sharing, "other"));
        let (one, other) = tokio::join!(daemon.file(&one, &[]), daemon.file(&other, &[]));
        assert_ne!(one.id(), other.id());
        let last = daemon.file(&run(sharing, "last"), &[]).await;
        last.id();
        let line = last
            .text
            .lines()
            .find(|line| line.contains("last") && !line.starts_with("Step"));
        let line = line.unwrap_or_default().to_owned();
        let seen = ["one", "other"].map(|name| line.split(' ').any(|word| word == name));
        // A locked one, and one that is shared, is one and the same for all; private ones may be two.
        assert!(
            if sharing == "private" {
                seen.contains(&true)
            } else {
                seen == [true, true]
            },
            "{sharing}: {}",
            last.text
        );
    }
}

struct Known;

impl Secrets for Known {
    fn secret(&self, id: &str) -> Sent<Result<Option<Vec<u8>>, String>> {
        let content = (id == "s").then(|| b"hidden".to_vec());
        Box::pin(async { Ok(content) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_and_memory_leave_nothing() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\n\
        RUN --mount=type=secret,id=s [\"/probe\", \"cat\", \"/run/secrets/s\"]\n\
        USER 33:44\n\
        RUN --mount=type=secret,id=s,target=/x/y,uid=33,mode=0400 [\"/probe\", \"cat\", \"/x/y\"]\n\
        USER root\n\
        RUN --mount=type=secret,id=none [\"/probe\", \"true\"]\n\
        RUN --mount=type=tmpfs,target=/t,size=1m [\"/probe\", \"write\", \"/t/f\", \"1\"]\n";
    let mut request = request(&[("Dockerfile", dockerfile)]);
    request.services = Services {
        secrets: Some(Arc::new(Known)),
        ..Services::default()
    };
    let told = daemon.build(request).await;
    let id = told.id();
    assert_eq!(told.text.matches("hidden").count(), 2, "{}", told.text);
    assert_eq!(daemon.tree(id).keys().collect::<Vec<_>>(), ["etc"]);
    assert_no_mounts(&node);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_an_agent() {
    struct Agent(PathBuf);
    impl builder::Ssh for Agent {
        fn agent(&self, _: &str) -> Sent<Result<Option<PathBuf>, String>> {
            let path = self.0.clone();
            Box::pin(async { Ok(Some(path)) })
        }
    }
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let path = node.path("agent.sock");
    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut request = request(&[(
        "Dockerfile",
        "FROM probe\nRUN --mount=type=ssh [\"/probe\", \"env\", \"--\", \"ls\", \"/run/buildkit\"]\n",
    )]);
    request.services.ssh = Some(Arc::new(Agent(path)));
    let told = daemon.build(request).await;
    let id = told.id();
    assert!(
        told.text.contains("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0\n"),
        "{}",
        told.text
    );
    assert!(told.text.contains("ssh_agent.0\n"), "{}", told.text);
    assert_eq!(daemon.tree(id).keys().collect::<Vec<_>>(), ["etc"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_layers_of_their_own() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile =
        |base: &str| format!("FROM probe\n{base}\nCOPY --link d /x/\nRUN [\"/probe\", \"cat\", \"/x/f\"]\n");
    let files = [("d/f", "linked")];
    let one = daemon.file(&dockerfile("ENV A=1"), &files).await;
    let other = daemon
        .file(
            &dockerfile("RUN [\"/probe\", \"write\", \"/new\", \"1\"]"),
            &files,
        )
        .await;
    assert!(other.text.contains(" ---> Using cache\n"), "{}", other.text);
    let last = |told: &Told| {
        daemon
            .images
            .get(&told.id())
            .unwrap()
            .config
            .rootfs
            .diff_ids
            .last()
            .copied()
    };
    assert_eq!(last(&one), last(&other));
    assert_eq!(daemon.at(other.id(), "x/f"), "644 0:0 linked");
    assert_eq!(daemon.at(other.id(), "new"), "644 0:0 1");
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parents_excludes_and_modes() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let files = [
        ("a/b/c/d/foo", "1"),
        ("a/b/c/d/e/bay", "2"),
        ("a/b2/c/d/e/bar", "3"),
        ("a/x.tmp", "4"),
    ];
    let dockerfile = "FROM scratch\n\
        COPY --parents a/b/./c/d /one/\n\
        COPY --parents a/b/c/d/foo a/*.tmp /two/\n\
        COPY --parents ./a/./*/c/**/ba* /three/\n\
        COPY --exclude=**/e --exclude=*.tmp a /four\n\
        COPY --exclude=*.tmp a/* /five/\n\
        COPY --chmod=u=rwX,go=rX a/b/c /six\n";
    let told = daemon.file(dockerfile, &files).await;
    let tree = daemon.tree(told.id());
    insta::assert_debug_snapshot!(
        tree.into_iter()
            .filter(|(path, _)| path != "etc")
            .collect::<std::collections::BTreeMap<_, _>>()
    );
    let missing = daemon
        .file("FROM scratch\nCOPY --parents a/nope /x/\n", &files)
        .await;
    assert!(
        missing.error().contains("a/nope: file does not exist"),
        "{}",
        missing.error()
    );
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_builds_give_the_same_image() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nWORKDIR /w\nCOPY f d/\nCOPY --link f /l/\nRUN [\"/probe\", \"write\", \"/made\", \"1\"]\nENV A=1\n";
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut request = request(&[("Dockerfile", dockerfile), ("f", "1")]);
        request.no_cache = true;
        request
            .args
            .insert("SOURCE_DATE_EPOCH".into(), Some("1000000000".into()));
        ids.push(daemon.build(request).await.id());
    }
    assert_eq!(ids[0], ids[1]);
    let image = daemon.images.get(&ids[0]).unwrap();
    let created = image.config.created.unwrap();
    assert_eq!(created.as_second(), 1_000_000_000);
    // Not only because both were built within a second.
    let mut times = daemon.times(ids[0]);
    // That one is the base's.
    times.remove("etc");
    let young: Vec<_> = times.iter().filter(|(_, time)| **time > 1_000_000_000).collect();
    assert!(young.is_empty(), "{young:?}");
    assert_eq!((times["made"], times["w"]), (1_000_000_000, 1_000_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_and_privileges_of_a_step() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let dockerfile = "FROM probe\nRUN --network=none [\"/probe\", \"ls\", \"/sys/class/net\"]\n\
        RUN --security=insecure [\"/probe\", \"ls\", \"/dev\"]\n";
    let refused = daemon.file(dockerfile, &[]).await;
    assert_eq!(refused.error(), "entitlement security.insecure is not allowed");
    let mut request = request(&[("Dockerfile", dockerfile)]);
    request.entitlements = Entitlements {
        security_insecure: true,
        ..Entitlements::default()
    };
    let told = daemon.build(request).await;
    told.id();
    assert!(refused.text.contains("lo\n"), "{}", refused.text);
    // All devices of the machine are there.
    assert!(told.text.contains(" kmsg "), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_speak_to_the_builder() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let build = async |space: &str, words: &str| {
        let dockerfile = format!(
            "FROM probe\nRUN --mount=type=cache,target=/c [\"/probe\", \"hostname\", \"--\", {words}]\n"
        );
        let mut request = request(&[("Dockerfile", &dockerfile)]);
        let args = [
            ("BUILDKIT_CACHE_MOUNT_NS", space),
            ("BUILDKIT_SANDBOX_HOSTNAME", "builds"),
        ];
        let args = args.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        request.args.extend(args);
        daemon.build(request).await
    };
    let told = build("one", "\"write\", \"/c/f\", \"kept\"").await;
    told.id();
    assert!(told.text.contains("builds\n"), "{}", told.text);
    assert!(!told.text.contains("not consumed"), "{}", told.text);
    assert!(build("one", "\"cat\", \"/c/f\"").await.text.contains("kept"));
    assert!(build("other", "\"cat\", \"/c/f\"").await.result.is_err());
}

/// What an unclean end leaves mounted is taken away, and nothing below it with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_that_were_left_are_taken_away() {
    let node = Node::start();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("precious"), "1").unwrap();
    let place = node.path("data/build/build-1-1/mount");
    std::fs::create_dir_all(&place).unwrap();
    let flags = rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, outside.path(), flags).unwrap();
    let flags = rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&tree, "", rustix::fs::CWD, &place, flags).unwrap();
    let daemon = Daemon::open(&node).await;
    assert_no_mounts(&node);
    assert!(outside.path().join("precious").exists());
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_cache_is_no_way_out_of_it() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let head = "FROM probe\nRUN --mount=type=cache,id=c,target=/c [\"/probe\", \"mkdir\", \"/c/sel\", \"--\", \"write\", \"/c/sel/f\", \"in it\"]\n";
    let with = |source: &str, path: &str| {
        format!(
            "{head}RUN --mount=type=cache,id=c,source={source},target=/v [\"/probe\", \"cat\", \"{path}\"]\n"
        )
    };
    let told = daemon.file(&with("sel", "/v/f"), &[]).await;
    told.id();
    assert!(told.text.contains("in it"), "{}", told.text);
    let told = daemon.file(&with("sel/f", "/v"), &[]).await;
    told.id();
    assert!(told.text.contains("in it"), "{}", told.text);
    let told = daemon.file(&with("nope", "/v"), &[]).await;
    assert_eq!(told.error(), "failed to mount a cache: /nope: not found in it");
    // As a step that has the cache might do.
    let caches = node.path("data/build/cache");
    let cache = std::fs::read_dir(caches)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("fs");
    std::fs::remove_dir_all(cache.join("sel")).unwrap();
    for target in ["/etc", "../../../../../../../../etc"] {
        std::os::unix::fs::symlink(target, cache.join("sel")).unwrap();
        let told = daemon
            .file(
                &with("sel", "/v/hostname").replace("type=cache,id=c,source", "type=cache,id=c,ro,source"),
                &[],
            )
            .await;
        assert_eq!(
            told.error(),
            "failed to mount a cache: /sel: not found in it",
            "{}",
            told.text
        );
        std::fs::remove_file(cache.join("sel")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_cache_a_cache_with_a_mode_begins_anew() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let build = |name: &str, options: &str, no_cache: bool| {
        let run = |name: &str| {
            format!(
                "RUN --mount=type=cache,target=/c{options} [\"/probe\", \"write\", \"/c/{name}\", \"\", \"--\", \"ls\", \"/c\"]\n"
            )
        };
        // Two steps of one build share what the first has made.
        let file = format!("FROM probe\n{}{}", run(name), run(&format!("{name}2")));
        let mut request = request(&[("Dockerfile", &file)]);
        request.dialect = builder::Dialect::BuildKit;
        request.no_cache = no_cache;
        daemon.build(request)
    };
    let last = |text: &str| text.rsplit("Running in").next().unwrap().to_owned();
    for (options, anew) in [(",mode=0773", true), ("", false)] {
        build("one", options, false).await.id();
        let told = build("two", options, true).await;
        told.id();
        let seen = last(&told.text);
        assert!(seen.contains("two") && seen.contains("two2"), "{seen}");
        assert_eq!(!seen.contains("one"), anew, "{options}: {seen}");
        let told = build("three", options, false).await;
        told.id();
        assert!(last(&told.text).contains("two"), "{}", told.text);
    }
}
