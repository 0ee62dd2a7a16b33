//! Graphs of LLB: each kind of vertex, carried out.

use std::collections::BTreeMap;

use builder::{Entitlements, Given, Services, SolveRequest};
use image::Digest;
use llb::pb::{self, file_action::Action, op::Op};
use llb::{Graph, Refused};
use prost::Message as _;
use tokio::sync::mpsc;

use crate::fixture::*;

/// Writes a definition.
#[derive(Clone, Default)]
pub(crate) struct Writer {
    pub(crate) ops: Vec<Vec<u8>>,
    metadata: BTreeMap<String, pb::OpMetadata>,
}

impl Writer {
    pub(crate) fn push(&mut self, op: Option<Op>, inputs: &[(usize, i64)]) -> usize {
        let inputs = inputs.iter().map(|(place, index)| pb::Input {
            digest: Digest::of(&self.ops[*place]).to_string(),
            index: *index,
        });
        let message = pb::Op {
            inputs: inputs.collect(),
            op,
            ..pb::Op::default()
        };
        self.ops.push(message.encode_to_vec());
        self.ops.len() - 1
    }

    fn source(&mut self, identifier: &str) -> usize {
        let source = pb::SourceOp {
            identifier: identifier.to_owned(),
            ..pb::SourceOp::default()
        };
        self.push(Some(Op::Source(source)), &[])
    }

    pub(crate) fn probe(&mut self) -> usize {
        self.source("docker-image://probe")
    }

    pub(crate) fn file(&mut self, inputs: &[usize], actions: Vec<pb::FileAction>) -> usize {
        let inputs: Vec<(usize, i64)> = inputs.iter().map(|place| (*place, 0)).collect();
        self.push(Some(Op::File(pb::FileOp { actions })), &inputs)
    }

    /// A command of the probe on no network.
    pub(crate) fn run(&mut self, args: &[&str], inputs: &[usize], mounts: Vec<pb::Mount>) -> usize {
        self.run_with(args, inputs, mounts, |_| {})
    }

    fn run_with(
        &mut self,
        args: &[&str],
        inputs: &[usize],
        mounts: Vec<pb::Mount>,
        change: impl FnOnce(&mut pb::ExecOp),
    ) -> usize {
        let words = std::iter::once("/probe").chain(args.iter().copied());
        let mut exec = pb::ExecOp {
            meta: Some(pb::Meta {
                args: words.map(String::from).collect(),
                ..pb::Meta::default()
            }),
            mounts,
            network: pb::NetMode::None.into(),
            ..pb::ExecOp::default()
        };
        change(&mut exec);
        let inputs: Vec<(usize, i64)> = inputs.iter().map(|place| (*place, 0)).collect();
        self.push(Some(Op::Exec(exec)), &inputs)
    }

    fn merge(&mut self, inputs: &[usize]) -> usize {
        let numbers = (0..).take(inputs.len());
        let merge = pb::MergeOp {
            inputs: numbers.map(|input| pb::MergeInput { input }).collect(),
        };
        let inputs: Vec<(usize, i64)> = inputs.iter().map(|place| (*place, 0)).collect();
        self.push(Some(Op::Merge(merge)), &inputs)
    }

    fn diff(&mut self, lower: usize, upper: usize) -> usize {
        let diff = pb::DiffOp {
            lower: Some(pb::LowerDiffInput { input: 0 }),
            upper: Some(pb::UpperDiffInput { input: 1 }),
        };
        self.push(Some(Op::Diff(diff)), &[(lower, 0), (upper, 0)])
    }

    /// The definition of a result.
    pub(crate) fn definition(&self, wanted: (usize, i64)) -> pb::Definition {
        let mut all = self.clone();
        all.push(None, &[wanted]);
        pb::Definition {
            def: all.ops.into_iter().map(Into::into).collect(),
            metadata: all.metadata,
            ..pb::Definition::default()
        }
    }

    fn graph(&self, wanted: (usize, i64)) -> Result<Graph, Refused> {
        Graph::read(&self.definition(wanted))
    }
}

pub(crate) fn mount(input: i64, dest: &str, output: i64) -> pb::Mount {
    pb::Mount {
        input,
        dest: dest.to_owned(),
        output,
        ..pb::Mount::default()
    }
}

pub(crate) fn act(input: i64, secondary_input: i64, output: i64, action: Action) -> pb::FileAction {
    pb::FileAction {
        input,
        secondary_input,
        output,
        action: Some(action),
    }
}

pub(crate) fn mkfile(path: &str, text: &str) -> Action {
    Action::Mkfile(pb::FileActionMkFile {
        path: path.to_owned(),
        mode: 0o640,
        data: text.to_owned().into(),
        timestamp: -1,
        owner: None,
    })
}

pub(crate) fn mkdir(path: &str, make_parents: bool) -> Action {
    Action::Mkdir(pb::FileActionMkDir {
        path: path.to_owned(),
        mode: 0o711,
        make_parents,
        timestamp: -1,
        owner: None,
    })
}

fn rm(path: &str, allow_wildcard: bool) -> Action {
    Action::Rm(pb::FileActionRm {
        path: path.to_owned(),
        allow_wildcard,
        ..pb::FileActionRm::default()
    })
}

pub(crate) fn copy(src: &str, dest: &str) -> pb::FileActionCopy {
    pb::FileActionCopy {
        src: src.to_owned(),
        dest: dest.to_owned(),
        mode: -1,
        timestamp: -1,
        ..pb::FileActionCopy::default()
    }
}

impl Daemon {
    pub(crate) async fn solve(&self, writer: &Writer, wanted: (usize, i64)) -> Result<Digest, String> {
        self.solve_with(writer, wanted, BTreeMap::new()).await
    }

    async fn solve_with(
        &self,
        writer: &Writer,
        wanted: (usize, i64),
        given: BTreeMap<Digest, Given>,
    ) -> Result<Digest, String> {
        self.solve_for(writer, wanted, given, Services::default()).await
    }

    pub(crate) async fn solve_for(
        &self,
        writer: &Writer,
        wanted: (usize, i64),
        given: BTreeMap<Digest, Given>,
        services: Services,
    ) -> Result<Digest, String> {
        let request = SolveRequest {
            graph: writer.graph(wanted).map_err(|refused| refused.to_string())?,
            given,
            no_cache: false,
            services,
            entitlements: Entitlements::default(),
        };
        let (sender, mut receiver) = mpsc::channel(64);
        let solving = self.builder.solve_held(request, sender);
        let listening = async { while receiver.recv().await.is_some() {} };
        let both = async { tokio::join!(solving, listening) };
        let (solved, ()) = tokio::time::timeout(PATIENCE, both)
            .await
            .expect("the build ends");
        solved.map(|(id, _)| id).map_err(|error| error.to_string())
    }
}

/// Paths of an image besides the probe's own.
pub(crate) fn shown(daemon: &Daemon, id: Digest) -> Vec<String> {
    let tree = daemon.tree(id);
    tree.into_iter()
        .filter(|(path, _)| path != "etc")
        .map(|(path, what)| format!("{path} {what}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_made_copied_and_removed() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let probe = writer.probe();
    let made = writer.file(
        &[],
        vec![
            act(-1, -1, -1, mkdir("/a/b", true)),
            act(0, -1, -1, mkfile("/a/b/one", "1")),
            act(1, -1, -1, mkfile("a/two", "2")),
            act(
                2,
                -1,
                -1,
                Action::Symlink(pb::FileActionSymlink {
                    oldpath: "two".to_owned(),
                    newpath: "/a/link".to_owned(),
                    timestamp: -1,
                    owner: None,
                }),
            ),
            act(3, -1, 0, mkdir("/empty", false)),
        ],
    );
    let one = daemon.solve(&writer, (made, 0)).await.unwrap();
    let lines = [
        "a 711 0:0 /",
        "a/b 711 0:0 /",
        "a/b/one 640 0:0 1",
        "a/link 777 0:0 -> two",
        "a/two 640 0:0 2",
        "empty 711 0:0 /",
    ];
    assert_eq!(shown(&daemon, one), lines);
    // All of a chain is one layer.
    assert_eq!(daemon.images.get(&one).unwrap().layers.len(), 1);
    // It is in the cache.
    assert_eq!(daemon.solve(&writer, (made, 0)).await.unwrap(), one);

    let named = |name: &str, input| pb::UserOpt {
        user: Some(pb::user_opt::User::ByName(pb::NamedUserOpt {
            name: name.to_owned(),
            input,
        })),
    };
    let cases = [
        // Of a directory what is in it.
        (
            pb::FileActionCopy {
                dir_copy_contents: true,
                create_dest_path: true,
                ..copy("/a", "/x/y")
            },
            vec![
                "x 755 0:0 /",
                "x/y 711 0:0 /",
                "x/y/b 711 0:0 /",
                "x/y/b/one 640 0:0 1",
                "x/y/link 777 0:0 -> two",
                "x/y/two 640 0:0 2",
            ],
        ),
        // The directory itself, into one that is there.
        (
            pb::FileActionCopy {
                create_dest_path: true,
                include_patterns: vec!["b".to_owned(), "two".to_owned()],
                exclude_patterns: vec!["b/one".to_owned()],
                ..copy("/a", "/x/")
            },
            vec![
                "x 755 0:0 /",
                "x/a 711 0:0 /",
                "x/a/b 711 0:0 /",
                "x/a/two 640 0:0 2",
            ],
        ),
        // A link itself, and what it points to.
        (copy("/a/link", "/l"), vec!["l 777 0:0 -> two"]),
        (
            pb::FileActionCopy {
                follow_symlink: true,
                mode: 0o4755,
                owner: Some(pb::ChownOpt {
                    user: Some(named("web", 1)),
                    group: Some(pb::UserOpt {
                        user: Some(pb::user_opt::User::ById(7)),
                    }),
                }),
                ..copy("/a/link", "/l")
            },
            vec!["l 4755 33:7 2"],
        ),
        // Patterns.
        (
            pb::FileActionCopy {
                allow_wildcard: true,
                create_dest_path: true,
                ..copy("/a/t*", "/w/")
            },
            vec!["w 755 0:0 /", "w/two 640 0:0 2"],
        ),
        (
            pb::FileActionCopy {
                allow_wildcard: true,
                allow_empty_wildcard: true,
                ..copy("/a/z*", "/w/")
            },
            vec![],
        ),
    ];
    for (case, expected) in cases {
        let told = format!("{case:?}");
        let mut writer = writer.clone();
        let copied = writer.file(&[made, probe], vec![act(-1, 0, 0, Action::Copy(case))]);
        let id = daemon.solve(&writer, (copied, 0)).await.unwrap();
        assert_eq!(shown(&daemon, id), expected, "{told}");
    }
    let failures = [
        (
            act(0, -1, 0, mkdir("/no/d", false)),
            "mkdir /no/d: no such file or directory",
        ),
        (
            act(0, -1, 0, mkfile("/no/f", "")),
            "open /no/f: no such file or directory",
        ),
        (
            act(0, -1, 0, rm("/no", false)),
            "stat /no: no such file or directory",
        ),
        (
            act(0, 0, 0, Action::Copy(copy("/no", "/x"))),
            "failed to calculate checksum of ref: \"/no\": not found",
        ),
        (
            act(0, 0, 0, Action::Copy(copy("/a/two", "/no/x"))),
            "failed to stat /no/x: no such file or directory",
        ),
    ];
    for (action, sentence) in failures {
        let mut writer = writer.clone();
        let failing = writer.file(&[made], vec![action]);
        assert_eq!(daemon.solve(&writer, (failing, 0)).await.unwrap_err(), sentence);
    }
    let removed = writer.file(
        &[made],
        vec![act(0, -1, -1, rm("/a/b", false)), act(1, -1, 0, rm("/a/*", true))],
    );
    let id = daemon.solve(&writer, (removed, 0)).await.unwrap();
    assert_eq!(shown(&daemon, id), ["a 711 0:0 /", "empty 711 0:0 /"]);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_way_of_a_copy_goes_only_if_that_is_said() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let old = writer.file(
        &[],
        vec![
            act(-1, -1, -1, mkdir("/d", false)),
            act(0, -1, -1, mkfile("/d/kept", "k")),
            act(1, -1, 0, mkfile("/f", "old")),
        ],
    );
    let new = writer.file(
        &[],
        vec![
            act(-1, -1, -1, mkdir("/file/", true)),
            act(0, -1, -1, mkfile("/file/d", "file")),
            act(1, -1, -1, mkdir("/tree/f", true)),
            act(2, -1, -1, mkfile("/tree/f/in", "new")),
            act(3, -1, 0, mkdir("/tree/d", true)),
        ],
    );
    let cases = [
        // A file where a directory is, and a directory where a file is.
        (
            "/file",
            "/",
            true,
            Err("cannot replace to directory /d with file"),
            vec!["d 640 0:0 file", "f 640 0:0 old"],
        ),
        (
            "/tree",
            "/",
            true,
            Err("cannot copy to non-directory: /f"),
            vec![
                "d 711 0:0 /",
                "d/kept 640 0:0 k",
                "f 711 0:0 /",
                "f/in 640 0:0 new",
            ],
        ),
        (
            "/tree/f",
            "/f",
            true,
            Err("cannot copy to non-directory: /f"),
            vec![
                "d 711 0:0 /",
                "d/kept 640 0:0 k",
                "f 711 0:0 /",
                "f/in 640 0:0 new",
            ],
        ),
        // Of files and of directories nothing is in the way, and a directory goes into no file.
        (
            "/file/d",
            "/f",
            false,
            Ok(()),
            vec!["d 711 0:0 /", "d/kept 640 0:0 k", "f 640 0:0 file"],
        ),
        (
            "/tree/d",
            "/",
            false,
            Ok(()),
            vec!["d 711 0:0 /", "d/kept 640 0:0 k", "f 640 0:0 old"],
        ),
    ];
    for (src, dest, contents, said, expected) in cases {
        for replace in [false, true] {
            let mut writer = writer.clone();
            let action = pb::FileActionCopy {
                dir_copy_contents: contents,
                always_replace_existing_dest_paths: replace,
                ..copy(src, dest)
            };
            let copied = writer.file(&[old, new], vec![act(0, 1, 0, Action::Copy(action))]);
            match (daemon.solve(&writer, (copied, 0)).await, said) {
                (Err(sentence), Err(said)) if !replace => assert_eq!(sentence, said),
                (made, _) if replace || said.is_ok() => {
                    assert_eq!(shown(&daemon, made.unwrap()), expected, "{src}");
                }
                (made, _) => panic!("{src}: {made:?}"),
            }
        }
    }
    let into_file = writer.file(&[old, new], vec![act(0, 1, 0, Action::Copy(copy("/tree", "/f")))]);
    let refused = daemon.solve(&writer, (into_file, 0)).await.unwrap_err();
    assert_eq!(refused, "mkdir /f: not a directory");
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_may_need_what_another_has_made() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let both = writer.file(
        &[],
        vec![
            act(-1, -1, 1, mkfile("/one", "1")),
            act(-1, 0, 0, Action::Copy(copy("/one", "/two"))),
            act(0, -1, 2, mkfile("/more", "3")),
        ],
    );
    for (output, expected) in [
        (0, vec!["two 640 0:0 1"]),
        (1, vec!["one 640 0:0 1"]),
        (2, vec!["more 640 0:0 3", "one 640 0:0 1"]),
    ] {
        let id = daemon.solve(&writer, (both, output)).await.unwrap();
        assert_eq!(shown(&daemon, id), expected);
    }
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_pass_through_and_copies_may_require_paths() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let file = |writer: &mut Writer, path: &str| writer.file(&[], vec![act(-1, -1, 0, mkfile(path, "1"))]);
    let (one, two) = (file(&mut writer, "/one"), file(&mut writer, "/two"));
    let passed = pb::PassthroughOp {
        id: "x".to_owned(),
        outputs: vec![1, 0],
    };
    let passed = writer.push(Some(Op::Passthrough(passed)), &[(one, 0), (two, 0)]);
    for (output, expected) in [(0, "two 640 0:0 1"), (1, "one 640 0:0 1")] {
        let id = daemon.solve(&writer, (passed, output)).await.unwrap();
        assert_eq!(shown(&daemon, id), [expected]);
    }
    let mut copied = |include: &[&str], required: &str| {
        let copy = pb::FileActionCopy {
            include_patterns: include.iter().map(|pattern| (*pattern).to_owned()).collect(),
            required_paths: vec![required.to_owned()],
            dir_copy_contents: true,
            ..copy("/", "/")
        };
        writer.file(&[one], vec![act(-1, 0, 0, Action::Copy(copy))])
    };
    let (there, missing, whole) = (
        copied(&["o*"], "/one"),
        copied(&["o*"], "/two"),
        copied(&[], "/two"),
    );
    for vertex in [there, whole] {
        let id = daemon.solve(&writer, (vertex, 0)).await.unwrap();
        assert_eq!(shown(&daemon, id), ["one 640 0:0 1"]);
    }
    let refused = daemon.solve(&writer, (missing, 0)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "failed to calculate checksum of ref: \"/two\": not found"
    );
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_directory_is_copied_and_mounted() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let (probe, local) = (writer.probe(), writer.source("local://context"));
    let copied = writer.file(
        &[probe, local],
        vec![act(0, 1, 0, Action::Copy(copy("/f", "/copied")))],
    );
    let mut seen = mount(1, "/in", -1);
    seen.readonly = true;
    let run = writer.run(
        &["cat", "/in/f", "--", "write", "/made", "x"],
        &[copied, local],
        vec![mount(0, "/", 0), seen],
    );
    let solve = async |text: &str, wanted| {
        let files = spooled(&archive(&[("f", text), ("g", "2")]));
        let given = BTreeMap::from([(Digest::of(&writer.ops[local]), Given::Files(files))]);
        daemon.solve_with(&writer, (wanted, 0), given).await.unwrap()
    };
    let first = solve("1", run).await;
    assert_eq!(shown(&daemon, first), ["copied 644 0:0 1", "made 644 0:0 x"]);
    assert_eq!(solve("1", run).await, first, "the content counts");
    assert_ne!(solve("2", run).await, first);
    let whole = solve("1", local).await;
    assert_eq!(shown(&daemon, whole), ["f 644 0:0 1", "g 644 0:0 2"]);
    daemon.assert_nothing_left(&node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_their_mounts() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let probe = writer.probe();
    let files = writer.file(
        &[],
        vec![
            act(-1, -1, -1, mkdir("/d", false)),
            act(0, -1, 0, mkfile("/d/f", "below")),
        ],
    );
    let cache = pb::Mount {
        mount_type: pb::MountType::Cache.into(),
        cache_opt: Some(pb::CacheOpt::default()),
        ..mount(-1, "/cache", -1)
    };
    let tmpfs = pb::Mount {
        mount_type: pb::MountType::Tmpfs.into(),
        ..mount(-1, "/memory", -1)
    };
    let selected = pb::Mount {
        selector: "/d".to_owned(),
        ..mount(1, "/kept", 1)
    };
    let run = writer.run_with(
        &[
            "write",
            "/root",
            "r",
            "--",
            "write",
            "/kept/new",
            "n",
            "--",
            "write",
            "/cache/c",
            "c",
            "--",
            "write",
            "/memory/m",
            "m",
            "--",
            "write",
            "/thrown/t",
            "t",
            "--",
            "exit",
            "3",
        ],
        &[probe, files],
        vec![
            mount(0, "/", 0),
            selected,
            mount(-1, "/scratch", 2),
            cache.clone(),
            tmpfs,
            mount(1, "/thrown", -1),
        ],
        |exec| exec.meta.as_mut().unwrap().valid_exit_codes = vec![3],
    );
    let root = daemon.solve(&writer, (run, 0)).await.unwrap();
    assert_eq!(shown(&daemon, root), ["root 644 0:0 r"]);
    let kept = daemon.solve(&writer, (run, 1)).await.unwrap();
    assert_eq!(
        shown(&daemon, kept),
        ["d 711 0:0 /", "d/f 640 0:0 below", "d/new 644 0:0 n"]
    );
    let nothing = daemon.solve(&writer, (run, 2)).await.unwrap();
    assert!(shown(&daemon, nothing).is_empty());
    // All results came of one run.
    assert_eq!(daemon.solve(&writer, (run, 0)).await.unwrap(), root);
    let again = writer.run(&["cat", "/cache/c"], &[probe], vec![mount(0, "/", 0), cache]);
    daemon.solve(&writer, (again, 0)).await.unwrap();
    // A root is its whole input, whatever is selected of it.
    let part = pb::Mount {
        selector: "/nowhere".to_owned(),
        ..mount(0, "/", 0)
    };
    let whole = writer.run(&["write", "/part", "p"], &[probe], vec![part]);
    let whole = daemon.solve(&writer, (whole, 0)).await.unwrap();
    assert_eq!(shown(&daemon, whole), ["part 644 0:0 p"]);

    let read_only = pb::Mount {
        readonly: true,
        ..mount(0, "/", 0)
    };
    let closed = writer.run(&["write", "/root", "r"], &[probe], vec![read_only]);
    let failed = writer.run(&["exit", "4"], &[probe], vec![mount(0, "/", 0)]);
    let host = writer.run_with(&["true"], &[probe], vec![mount(0, "/", 0)], |exec| {
        exec.network = pb::NetMode::Host.into();
    });
    let secret = pb::Mount {
        mount_type: pb::MountType::Secret.into(),
        secret_opt: Some(pb::SecretOpt {
            id: "s".to_owned(),
            ..pb::SecretOpt::default()
        }),
        ..mount(-1, "/s", -1)
    };
    let secretive = writer.run(&["true"], &[probe], vec![mount(0, "/", 0), secret]);
    for (wanted, sentence) in [
        (closed, "returned a non-zero code: 1"),
        (failed, "returned a non-zero code: 4"),
        (host, "network.host is not allowed"),
        (secretive, "secret s: not found"),
    ] {
        let said = daemon.solve(&writer, (wanted, 0)).await.unwrap_err();
        assert!(said.contains(sentence), "{said}");
    }
    assert!(daemon.engine.list().is_empty());
    assert!(
        daemon
            .images
            .owners()
            .iter()
            .all(|owner| !owner.starts_with("build-"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merges_and_differences() {
    let node = Node::start();
    let daemon = Daemon::open(&node).await;
    let mut writer = Writer::default();
    let base = writer.file(
        &[],
        vec![
            act(-1, -1, -1, mkfile("/base", "b")),
            act(0, -1, 0, mkfile("/gone", "g")),
        ],
    );
    let more = writer.file(
        &[base],
        vec![
            act(0, -1, -1, mkfile("/more", "m")),
            act(1, -1, 0, rm("/gone", false)),
        ],
    );
    let other = writer.file(&[], vec![act(-1, -1, 0, mkfile("/other", "o"))]);
    let changed = writer.file(
        &[other],
        vec![
            act(0, -1, -1, mkfile("/other", "O")),
            act(1, -1, 0, mkfile("/base", "b")),
        ],
    );

    let merged = writer.merge(&[other, base]);
    let id = daemon.solve(&writer, (merged, 0)).await.unwrap();
    assert_eq!(
        shown(&daemon, id),
        ["base 640 0:0 b", "gone 640 0:0 g", "other 640 0:0 o"]
    );
    assert_eq!(daemon.images.get(&id).unwrap().layers.len(), 2);

    // The upper one is made upon the lower: its own layers.
    let difference = writer.diff(base, more);
    let id = daemon.solve(&writer, (difference, 0)).await.unwrap();
    assert_eq!(shown(&daemon, id), ["more 640 0:0 m"]);
    // What was removed is removed where it is put.
    let onto = writer.merge(&[base, difference]);
    let id = daemon.solve(&writer, (onto, 0)).await.unwrap();
    assert_eq!(shown(&daemon, id), ["base 640 0:0 b", "more 640 0:0 m"]);

    // Two that have nothing to do with each other are compared.
    let compared = writer.diff(more, changed);
    let onto = writer.merge(&[more, compared]);
    let id = daemon.solve(&writer, (onto, 0)).await.unwrap();
    let mut expected = shown(&daemon, daemon.solve(&writer, (changed, 0)).await.unwrap());
    expected.sort();
    assert_eq!(shown(&daemon, id), expected);
    let same = writer.diff(base, base);
    assert!(shown(&daemon, daemon.solve(&writer, (same, 0)).await.unwrap()).is_empty());
    daemon.assert_nothing_left(&node);
}
