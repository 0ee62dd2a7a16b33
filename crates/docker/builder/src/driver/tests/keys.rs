//! What takes part in the keys of steps, flag by flag.

use std::path::PathBuf;

use super::*;
use crate::services::Services;
use crate::source::{Fetch, Fetched, GitSource, Repository, Sent};
use crate::{Secrets, Ssh};

fn files() -> Files {
    Files::of(&[
        ("a", "1"),
        ("d/b", "2"),
        ("d/c.tmp", "3"),
        ("d/deep/e", "4"),
        ("other", "5"),
    ])
}

fn hits(bench: &Bench, dockerfile: &str, files: &Files, options: Options) -> String {
    let files = files.clone().with("Dockerfile", dockerfile);
    bench.build(&files, options).hits()
}

/// A here-document has the time of its build, and its step's key has not.
#[test]
fn a_here_document_hits_whenever_it_is_made() {
    for dialect in [Dialect::Classic, Dialect::BuildKit] {
        let bench = Bench::new();
        let file = "FROM busybox\nCOPY <<E /x\n1\nE\nADD --link <<E /y\n2\nE\n";
        let build = || {
            let options = Options {
                dialect,
                ..entitled()
            };
            bench.build(&Files::of(&[("Dockerfile", file)]), options)
        };
        let first = build();
        bench.clock.advance(std::time::Duration::from_secs(100));
        let again = build();
        assert_eq!((again.hits().as_str(), again.id()), ("..", first.id()));
    }
}

/// Builds one Dockerfile, then the other, each upon the same images and files. `.` is a hit.
fn second(one: &str, other: &str) -> String {
    let bench = Bench::new();
    let head = "FROM busybox AS s\nRUN write x 1\nFROM busybox\n";
    // `.dockerignore` hides the Dockerfile, which differs.
    let files = files().with(".dockerignore", "Dockerfile\n.dockerignore\n");
    let tail = "COPY --from=s x /used\n";
    let build = |step: &str| hits(&bench, &format!("{head}{step}\n{tail}"), &files, entitled());
    let step = |hits: String| hits.chars().rev().nth(1).unwrap().to_string();
    assert_eq!(step(build(one)), "x", "{one}");
    assert_eq!(step(build(one)), ".", "{one}");
    step(build(other))
}

fn entitled() -> Options {
    Options {
        entitlements: Entitlements {
            network_host: true,
            security_insecure: true,
        },
        ..plain()
    }
}

#[test]
fn every_flag_takes_part() {
    let cases = [
        ("COPY d /x", "COPY --link d /x"),
        ("COPY d /x", "COPY --chmod=700 d /x"),
        ("COPY --chmod=u+x d /x", "COPY --chmod=u-x d /x"),
        ("COPY d /x", "COPY --chown=1 d /x"),
        ("COPY d /x/", "COPY --parents d /x/"),
        ("COPY d /x", "COPY --exclude=*.tmp d /x"),
        ("COPY --exclude=*.tmp d /x", "COPY --exclude=b d /x"),
        ("ADD d /x", "ADD --unpack=false d /x"),
        ("COPY --from=s x /x", "COPY --from=s --link x /x"),
        ("COPY <<E /x\n1\nE", "COPY <<E /x\n2\nE"),
        ("RUN y", "RUN --network=none y"),
        ("RUN --network=none y", "RUN --network=host y"),
        ("RUN y", "RUN --security=insecure y"),
        ("RUN y", "RUN --mount=type=tmpfs,target=/t y"),
        (
            "RUN --mount=type=tmpfs,target=/t y",
            "RUN --mount=type=tmpfs,target=/t,size=1m y",
        ),
        ("RUN --mount=target=/t y", "RUN --mount=target=/u y"),
        ("RUN --mount=target=/t y", "RUN --mount=target=/t,rw y"),
        (
            "RUN --mount=target=/t,source=a y",
            "RUN --mount=target=/t,source=d y",
        ),
        ("RUN --mount=target=/t,from=s y", "RUN --mount=target=/t y"),
        (
            "RUN --mount=type=cache,target=/t y",
            "RUN --mount=type=cache,target=/t,id=other y",
        ),
        (
            "RUN --mount=type=cache,target=/t,id=a y",
            "RUN --mount=type=cache,target=/t,id=b y",
        ),
        (
            "RUN --mount=type=cache,target=/t y",
            "RUN --mount=type=cache,target=/t,sharing=locked y",
        ),
        (
            "RUN --mount=type=cache,target=/t y",
            "RUN --mount=type=cache,target=/t,from=s y",
        ),
        (
            "RUN --mount=type=cache,target=/t y",
            "RUN --mount=type=cache,target=/t,uid=1 y",
        ),
        ("RUN --mount=type=secret,id=a y", "RUN --mount=type=secret,id=b y"),
        (
            "RUN --mount=type=secret,id=a y",
            "RUN --mount=type=secret,id=a,env=A y",
        ),
        ("RUN --mount=type=ssh y", "RUN --mount=type=ssh,id=b y"),
    ];
    for (one, other) in cases {
        assert_eq!(second(one, other), "x", "{one} then {other}");
        assert_eq!(second(other, one), "x", "{other} then {one}");
    }
    assert_eq!(second("RUN --network=default y", "RUN --security=sandbox y"), ".");
    assert_eq!(second("RUN y", "RUN --network=default y"), ".");
}

/// Each change of the context, with what each step makes of it.
#[test]
fn what_a_mount_or_a_filter_does_not_see_changes_nothing() {
    let mut chmod = files();
    chmod.0.get_mut("d/b").unwrap().1 = 0o755;
    let changes = [
        ("nothing", files(), "......"),
        ("another file", files().with("other", "6"), ".....x"),
        ("a file that is left out", files().with("d/c.tmp", "6"), ".x..xx"),
        ("a byte", files().with("d/b", "6"), "xxxxxx"),
        ("a mode", chmod, "xxxxxx"),
        ("a file below", files().with("d/deep/e", "6"), "xxx.xx"),
    ];
    let steps = [
        "COPY --exclude=*.tmp d /x",
        "RUN --mount=target=/t,source=d y",
        "COPY --link --exclude=*.tmp d /x",
        "COPY --parents d/b /x/",
        "RUN --mount=target=/t,source=d,rw y",
        "RUN --mount=target=/t y",
    ];
    for (name, changed, expected) in changes {
        let seen: String = steps
            .iter()
            .map(|step| {
                let bench = Bench::new();
                let all = |files: &Files| files.clone().with(".dockerignore", "Dockerfile\n.dockerignore\n");
                let dockerfile = format!("FROM busybox\n{step}\n");
                assert_eq!(hits(&bench, &dockerfile, &all(&files()), plain()), "x");
                hits(&bench, &dockerfile, &all(&changed), plain())
            })
            .collect();
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn a_mount_from_a_stage_counts_by_its_content() {
    let bench = Bench::new();
    let mount = "RUN --mount=from=s,source=f,target=/f y";
    let file = |stage: &str| format!("FROM busybox AS s\n{stage}\nFROM busybox\n{mount}\n");
    assert_eq!(bench.file(&file("RUN write f 1")).hits(), "xx");
    assert_eq!(bench.file(&file("ENV A=1\nRUN write f 1")).hits(), "xx.");
    assert_eq!(bench.file(&file("RUN write f 2")).hits(), "xx");
}

#[test]
fn a_link_survives_another_base() {
    let bench = Bench::new();
    let dockerfile = "FROM busybox\nCOPY --link d /x\nRUN y\n";
    assert_eq!(hits(&bench, dockerfile, &files(), plain()), "xx");
    bench
        .memory
        .add("busybox", RunConfig::default(), &Files::of(&[("new", "1")]));
    let made = || bench.memory.0.lock().unwrap().made;
    let before = made();
    let told = bench.build(&files().with("Dockerfile", dockerfile), plain());
    assert_eq!(told.hits(), ".x");
    // The stack and the command, and no copy.
    assert_eq!(made() - before, 2);
    assert_eq!(hits(&bench, dockerfile, &files(), plain()), "..");
    let no_cache = Options {
        no_cache: true,
        ..plain()
    };
    assert_eq!(hits(&bench, dockerfile, &files(), no_cache), "xx");
}

#[test]
fn lists_of_what_is_ignored_take_part_by_what_they_hide() {
    let bench = Bench::new();
    let dockerfile = "FROM busybox\nCOPY . /x\n";
    let with = |ignore: &str| files().with("Dockerfile.dockerignore", ignore);
    let build = |files: &Files| hits(&bench, dockerfile, files, plain());
    assert_eq!(build(&with("*\n!d\n")), "x");
    assert_eq!(build(&with("*\n\n!d\n")), ".");
    let less = with("*\n!d\nd/*.tmp\n");
    assert_eq!(build(&less), "x");
    assert_eq!(build(&less.clone().with("d/c.tmp", "9")), ".");
    // The Dockerfile's own list is in force, and not the other.
    assert_eq!(build(&less.with(".dockerignore", "d\n")), ".");
}

#[test]
fn the_time_of_everything_takes_part() {
    let bench = Bench::new();
    let epoch = |epoch: &str| with_args(&[("SOURCE_DATE_EPOCH", epoch)]);
    let build = |options| hits(&bench, "FROM busybox\nENV A=1\n", &files(), options);
    let seen = [
        build(plain()),
        build(epoch("5")),
        build(epoch("5")),
        build(epoch("6")),
    ];
    assert_eq!(seen, ["x", "x", ".", "x"]);
    let told = bench.build(&files().with("Dockerfile", "FROM busybox\nENV A=1\n"), epoch("5"));
    let config = bench.config(told.id());
    let created = Timestamp::from_second(5).unwrap();
    assert_eq!(config.created, Some(created));
    assert_eq!(config.history.last().unwrap().created, Some(created));
    assert!(!told.text.contains("not consumed"), "{}", told.text);
}

#[test]
fn arguments_are_inherited_by_stages_upon_a_stage() {
    let bench = Bench::new();
    let told = bench.file(
        "FROM busybox AS a\nARG V=1\nRUN write f 1\nFROM a\nRUN env V\nFROM busybox\nCOPY --from=1 f /\nRUN env V\n",
    );
    assert!(
        told.text.contains("V=1\n") && told.text.contains("unset\n"),
        "{}",
        told.text
    );
}

/// Everything that a door may offer.
struct Client;

impl Secrets for Client {
    fn secret(&self, id: &str) -> Sent<Result<Option<Vec<u8>>, String>> {
        let content = (id == "known").then(|| b"hidden".to_vec());
        Box::pin(async { Ok(content) })
    }
}

impl Ssh for Client {
    fn agent(&self, _: &str) -> Sent<Result<Option<PathBuf>, String>> {
        Box::pin(async { Ok(Some("/run/agent".into())) })
    }
}

impl Fetch for Client {
    fn http(&self, url: &str, _: &crate::Authorization) -> Sent<Result<Fetched, String>> {
        let body = url.to_owned();
        Box::pin(async move {
            if body.contains("never") {
                std::future::pending::<()>().await;
            }
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, body.as_bytes()).unwrap();
            Ok(Fetched {
                file,
                modified: 3,
                name: None,
                media_type: String::new(),
            })
        })
    }

    fn git(&self, _: &GitSource, _: Option<PathBuf>) -> Sent<Result<Repository, String>> {
        Box::pin(async { Err("no repository here".to_owned()) })
    }

    fn prune(&self) -> Sent<u64> {
        Box::pin(async { 0 })
    }
}

pub(super) fn offered() -> Options {
    let client = Arc::new(Client);
    Options {
        services: Services {
            pull: None,
            secrets: Some(client.clone()),
            ssh: Some(client.clone()),
            fetch: Some(client),
            watch: None,
            steps: None,
            policy: None,
            nested: None,
        },
        ..plain()
    }
}

#[test]
fn what_the_client_has_reaches_a_command_and_no_key() {
    let bench = Bench::new();
    let dockerfile = "FROM busybox\nRUN --mount=type=secret,id=known,env=S env S\nRUN --mount=type=ssh env SSH_AUTH_SOCK\n\
                      RUN --mount=type=secret,id=strange env S\n";
    let files = Files::of(&[("Dockerfile", dockerfile)]);
    let told = bench.build(&files, offered());
    for line in [
        "S=hidden\n",
        "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0\n",
        "unset\n",
    ] {
        assert!(told.text.contains(line), "{line} {}", told.text);
    }
    let config = serde_json::to_string(&bench.config(told.id())).unwrap();
    assert!(!config.contains("hidden"), "{config}");
    assert_eq!(bench.build(&files, plain()).hits(), "...");
}

#[test]
fn what_is_fetched_is_checked_and_counts_by_its_content() {
    let bench = Bench::new();
    let body = "http://h/f";
    let digest = Digest::of(body.as_bytes());
    let add = |step: &str| {
        let dockerfile = format!("FROM busybox\n{step}\n");
        bench.build(&Files::of(&[("Dockerfile", &dockerfile)]), offered())
    };
    assert_eq!(add(&format!("ADD {body} /x")).hits(), "x");
    assert_eq!(add(&format!("ADD --checksum={digest} {body} /x")).hits(), ".");
    assert_eq!(add("ADD http://h/g /x").hits(), "x");
    assert_eq!(add(&format!("ADD --unpack {body} /x")).hits(), "x");
    let wrong = Digest::of(b"other");
    assert_eq!(
        add(&format!("ADD --checksum={wrong} {body} /x")).error(),
        format!("digest mismatch for {body}: {digest} (expected: {wrong})")
    );
    assert_eq!(
        add("ADD https://h/r.git /x").error(),
        "failed to load https://h/r.git: no repository here"
    );
}

#[test]
fn named_contexts_stand_for_stages_and_images() {
    let bench = Bench::new();
    bench
        .memory
        .add("replaced", RunConfig::default(), &Files::of(&[("f", "1")]));
    let mut options = plain();
    let tree = MemoryTree {
        files: Files::of(&[("g", "2")]),
        modified: 0,
    };
    options
        .contexts
        .insert("files".into(), Named::Files(Arc::new(tree)));
    options
        .contexts
        .insert("golang".into(), Named::Image("replaced".into()));
    let dockerfile = "FROM golang AS a\nCOPY --from=files g /g\nRUN --mount=from=FILES,source=g,target=/t y\nCOPY --from=golang f /f\n";
    let told = bench.build(&Files::of(&[("Dockerfile", dockerfile)]), options);
    assert_eq!(told.hits(), "xxx", "{:?}", told.result);
}

/// What issue 3 expects of the cache, change by change: `.` is a hit.
#[test]
fn the_cache_as_it_is_expected() {
    struct Case {
        what: &'static str,
        dockerfile: &'static str,
        /// What changes between the two builds.
        change: fn(&Bench, &mut Files, &mut Options, &mut i64),
        hits: &'static str,
    }
    const COPIES: &str = "FROM busybox\nCOPY a /a\nRUN x\nCOPY d /d\nRUN y\n";
    const FIRST: &str = "FROM busybox AS a\nRUN write f 1\nFROM busybox AS b\nRUN write g 2\n\
                         FROM busybox\nCOPY --from=a /f /f\nCOPY --from=b /g /g\n";
    const SECOND: &str = "FROM busybox AS b\nRUN write g 2\nFROM busybox AS a\nRUN write f 1\n\
                          FROM busybox\nCOPY --from=a /f /f\nCOPY --from=b /g /g\n";
    let cases = [
        Case {
            what: "nothing",
            dockerfile: COPIES,
            change: |_, _, _, _| {},
            hits: "....",
        },
        Case {
            what: "the same bytes again, later",
            dockerfile: COPIES,
            change: |_, files, _, time| {
                *files = files.clone().with("a", "1");
                *time += 60;
            },
            hits: "....",
        },
        Case {
            what: "times alone",
            dockerfile: COPIES,
            change: |_, _, _, time| *time = 1,
            hits: "....",
        },
        Case {
            what: "chmod",
            dockerfile: COPIES,
            change: |_, files, _, _| files.0.get_mut("d/b").unwrap().1 = 0o755,
            hits: "..xx",
        },
        Case {
            what: "one byte",
            dockerfile: COPIES,
            change: |_, files, _, _| *files = files.clone().with("a", "2"),
            hits: "xxxx",
        },
        Case {
            what: "one byte of the last",
            dockerfile: COPIES,
            change: |_, files, _, _| *files = files.clone().with("d/b", "3"),
            hits: "..xx",
        },
        Case {
            what: "another name",
            dockerfile: COPIES,
            change: |_, files, _, _| {
                let b = files.0.remove("d/b").unwrap();
                files.0.insert("d/z".into(), b);
            },
            hits: "..xx",
        },
        Case {
            what: "a file that nobody copies",
            dockerfile: COPIES,
            change: |_, files, _, _| *files = files.clone().with("other", "9"),
            hits: "....",
        },
        Case {
            what: "an argument, before and after its ARG",
            dockerfile: "FROM busybox\nRUN x\nARG V\nRUN y\nCOPY a /a\n",
            change: |_, _, options, _| drop(options.args.insert("V".into(), Some("2".into()))),
            hits: "..xx",
        },
        Case {
            what: "an argument that one stage uses",
            dockerfile: "FROM busybox AS s\nARG V\nRUN write x 1\nFROM busybox\nRUN y\nCOPY --from=s /x /x\n",
            change: |_, _, options, _| drop(options.args.insert("V".into(), Some("2".into()))),
            hits: ".x..",
        },
        Case {
            what: "an argument that nobody uses",
            dockerfile: COPIES,
            change: |_, _, options, _| drop(options.args.insert("V".into(), Some("2".into()))),
            hits: "....",
        },
        Case {
            what: "the base by another name",
            dockerfile: COPIES,
            change: |bench, _, _, _| {
                let id = bench.memory.find("busybox").unwrap().unwrap().id;
                bench.memory.0.lock().unwrap().names.insert("other".into(), id);
            },
            hits: "....",
        },
        Case {
            what: "another base of the name",
            dockerfile: COPIES,
            change: |bench, _, _, _| {
                bench
                    .memory
                    .add("busybox", RunConfig::default(), &Files::default());
            },
            hits: "xxxx",
        },
        Case {
            what: "what is ignored, that was not copied",
            dockerfile: "FROM busybox\nCOPY d /d\n",
            change: |_, files, _, _| *files = files.clone().with("Dockerfile.dockerignore", "other\n"),
            hits: ".",
        },
        Case {
            what: "what is ignored, that was copied",
            dockerfile: "FROM busybox\nCOPY d /d\n",
            change: |_, files, _, _| *files = files.clone().with("Dockerfile.dockerignore", "d/c.tmp\n"),
            hits: "x",
        },
        Case {
            what: "stages in another order",
            dockerfile: FIRST,
            change: |_, files, _, _| *files = files.clone().with("Dockerfile", SECOND),
            hits: "....",
        },
        Case {
            what: "an address with the same content",
            dockerfile: "FROM busybox\nADD http://h/f /f\nRUN x\n",
            change: |_, _, _, _| {},
            hits: "..",
        },
        Case {
            what: "another address with another content",
            dockerfile: "FROM busybox\nADD http://h/f /f\nRUN x\n",
            change: |_, files, _, _| {
                *files = files
                    .clone()
                    .with("Dockerfile", "FROM busybox\nADD http://h/g /f\nRUN x\n");
            },
            hits: "xx",
        },
    ];
    for Case {
        what,
        dockerfile,
        change,
        hits,
    } in cases
    {
        for dialect in [Dialect::Classic, Dialect::BuildKit] {
            let bench = Bench::new();
            let mut files = files().with("Dockerfile", dockerfile);
            let mut options = Options { dialect, ..offered() };
            let mut modified = 7;
            let built = |files: &Files, options: &Options, modified| {
                let files = files.clone();
                bench.build_tree(Arc::new(MemoryTree { files, modified }), options.clone())
            };
            built(&files, &options, modified).id();
            change(&bench, &mut files, &mut options, &mut modified);
            let told = built(&files, &options, modified);
            assert_eq!(told.hits(), hits, "{what} {dialect:?}\n{}", told.text);
        }
    }
}
