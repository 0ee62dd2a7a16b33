//! Definitions as clients write them, and as nobody should.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;

use super::*;

/// Writes a definition: messages, each with inputs by their places.
#[derive(Default)]
struct Writer {
    ops: Vec<Vec<u8>>,
    definition: pb::Definition,
}

impl Writer {
    fn add(&mut self, op: pb::op::Op, inputs: &[(usize, i64)]) -> usize {
        self.push(Some(op), inputs)
    }

    fn push(&mut self, op: Option<pb::op::Op>, inputs: &[(usize, i64)]) -> usize {
        let inputs = inputs.iter().map(|(place, index)| pb::Input {
            digest: image::Digest::of(&self.ops[*place]).to_string(),
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

    fn about(&mut self, place: usize, about: pb::OpMetadata) {
        let digest = image::Digest::of(&self.ops[place]).to_string();
        self.definition.metadata.insert(digest, about);
    }

    fn read(mut self, wanted: (usize, i64)) -> Result<Graph, String> {
        self.push(None, &[wanted]);
        self.definition.def = self.ops.into_iter().map(Into::into).collect();
        Graph::read(&self.definition).map_err(|refused| refused.to_string())
    }
}

fn source(identifier: &str, attributes: &[(&str, &str)]) -> pb::op::Op {
    pb::op::Op::Source(pb::SourceOp {
        identifier: identifier.to_owned(),
        attrs: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    })
}

fn mount(input: i64, dest: &str, output: i64) -> pb::Mount {
    pb::Mount {
        input,
        dest: dest.to_owned(),
        output,
        ..pb::Mount::default()
    }
}

fn exec(args: &[&str], mounts: Vec<pb::Mount>) -> pb::ExecOp {
    pb::ExecOp {
        meta: Some(pb::Meta {
            args: args.iter().map(|word| (*word).to_owned()).collect(),
            ..pb::Meta::default()
        }),
        mounts,
        ..pb::ExecOp::default()
    }
}

fn act(input: i64, output: i64, action: pb::file_action::Action) -> pb::FileAction {
    pb::FileAction {
        input,
        secondary_input: -1,
        output,
        action: Some(action),
    }
}

fn mkdir(path: &str) -> pb::file_action::Action {
    pb::file_action::Action::Mkdir(pb::FileActionMkDir {
        path: path.to_owned(),
        mode: 0o755,
        timestamp: -1,
        ..pb::FileActionMkDir::default()
    })
}

fn file(actions: Vec<pb::FileAction>) -> pb::op::Op {
    pb::op::Op::File(pb::FileOp { actions })
}

#[test]
fn a_graph_comes_in_order_and_with_names() {
    let mut writer = Writer::default();
    let base = writer.add(
        source("docker-image://docker.io/library/busybox:latest", &[]),
        &[],
    );
    let unused = writer.add(source("local://unused", &[]), &[]);
    let made = writer.add(
        pb::op::Op::Exec(exec(
            &["/bin/sh", "-c", "x"],
            vec![mount(0, "/", 0), mount(0, "/m", 7)],
        )),
        &[(base, 0)],
    );
    let changed = writer.add(file(vec![act(0, 0, mkdir("/d"))]), &[(made, 1)]);
    let merged = writer.add(
        pb::op::Op::Merge(pb::MergeOp {
            inputs: vec![pb::MergeInput { input: 0 }, pb::MergeInput { input: 1 }],
        }),
        &[(made, 0), (changed, 0)],
    );
    let diff = writer.add(
        pb::op::Op::Diff(pb::DiffOp {
            lower: Some(pb::LowerDiffInput { input: -1 }),
            upper: Some(pb::UpperDiffInput { input: 0 }),
        }),
        &[(merged, 0)],
    );
    writer.about(
        changed,
        pb::OpMetadata {
            ignore_cache: true,
            description: [("llb.customname".to_owned(), "[mine] make it".to_owned())].into(),
            progress_group: Some(pb::ProgressGroup::default()),
            ..pb::OpMetadata::default()
        },
    );
    let _ = unused;
    let graph = writer.read((diff, 0)).unwrap();
    let names: Vec<&str> = graph.vertices.iter().map(|vertex| &vertex.name[..]).collect();
    assert_eq!(
        names,
        [
            "docker-image://docker.io/library/busybox:latest",
            "/bin/sh -c x",
            "[mine] make it",
            "merge (/bin/sh -c x, [mine] make it)",
            "diff scratch -> (merge (/bin/sh -c x, [mine] make it))",
        ]
    );
    assert_eq!(graph.result, Edge { vertex: 4, output: 0 });
    assert_eq!(graph.vertices[2].inputs, [Edge { vertex: 1, output: 1 }]);
    assert!(graph.vertices[2].ignore_cache);
}

#[test]
fn what_makes_no_sense_is_refused_in_buildkits_words() {
    let refused = |build: &dyn Fn(&mut Writer) -> (usize, i64)| {
        let mut writer = Writer::default();
        let wanted = build(&mut writer);
        writer.read(wanted).unwrap_err()
    };
    let image = || source("docker-image://x", &[]);
    let of_exec = |op: pb::ExecOp| {
        refused(&move |writer: &mut Writer| {
            let base = writer.add(image(), &[]);
            (writer.add(pb::op::Op::Exec(op.clone()), &[(base, 0)]), 0)
        })
    };
    let of_file = |actions: Vec<pb::FileAction>| {
        refused(&move |writer: &mut Writer| {
            let base = writer.add(image(), &[]);
            (writer.add(file(actions.clone()), &[(base, 0)]), 0)
        })
    };
    let of_source = |identifier: &'static str, attributes: &'static [(&str, &str)]| {
        refused(&move |writer: &mut Writer| (writer.add(source(identifier, attributes), &[]), 0))
    };
    let passing = |id: &'static str, outputs: &'static [i64]| {
        refused(&move |writer: &mut Writer| {
            let base = writer.add(image(), &[]);
            let passed = pb::PassthroughOp {
                id: id.to_owned(),
                outputs: outputs.to_vec(),
            };
            (writer.add(pb::op::Op::Passthrough(passed), &[(base, 0)]), 0)
        })
    };
    let secret = pb::Mount {
        mount_type: pb::MountType::Secret.into(),
        ..mount(-1, "/", -1)
    };
    let table = [
        (of_exec(pb::ExecOp::default()), "invalid exec op with no meta"),
        (of_exec(exec(&[], vec![])), "invalid exec op with no args"),
        (of_exec(exec(&["x"], vec![])), "invalid exec op with no mounts"),
        (
            of_exec(exec(&["x"], vec![mount(0, "/m", 0)])),
            "invalid exec op with no rootfs",
        ),
        (
            of_exec(exec(&["x"], vec![mount(3, "/", 0)])),
            "invalid input index 3, 1 provided",
        ),
        (
            of_exec(exec(&["x"], vec![secret])),
            "invalid secret mount options",
        ),
        (of_file(vec![]), "invalid file op with no actions"),
        (of_file(vec![act(0, -1, mkdir("/d"))]), "no outputs specified"),
        (
            of_file(vec![act(0, 0, mkdir("/d")), act(1, 0, mkdir("/e"))]),
            "duplicate output 0",
        ),
        (
            of_file(vec![act(0, 1, mkdir("/d")), act(1, -1, mkdir("/e"))]),
            "missing output index 0",
        ),
        (of_file(vec![act(1, 0, mkdir("/d"))]), "loop from index 1"),
        (
            of_file(vec![act(9, 0, mkdir("/d"))]),
            "invalid input index 9, 2 provided",
        ),
        (of_source("nothing", &[]), "failed to parse nothing"),
        (of_source("ftp://x", &[]), "unsupported source scheme ftp"),
        (
            of_source("oci-layout://x", &[]),
            "OCI layout reference must have digest",
        ),
        (
            of_source("local://x", &[("local.new", "1")]),
            "the attribute local.new of local sources is not supported",
        ),
        (
            of_source("local://x", &[("local.includepattern", "a")]),
            "failed to parse local.includepattern: \"a\"",
        ),
        (
            of_source("https://x/y", &[("http.filename", "../z")]),
            "invalid file name \"../z\"",
        ),
        (
            refused(&|writer| (writer.add(pb::op::Op::Merge(pb::MergeOp::default()), &[]), 1)),
            "invalid output index 1 of",
        ),
        (
            refused(&|writer| {
                let base = writer.add(image(), &[]);
                (
                    writer.add(pb::op::Op::Merge(pb::MergeOp::default()), &[(base, 0)]),
                    0,
                )
            }),
            "invalid merge op with 0 inner inputs and 1 outer inputs",
        ),
        (
            refused(&|writer| (writer.add(pb::op::Op::Diff(pb::DiffOp::default()), &[]), 0)),
            "invalid diff op with nil lower or upper input",
        ),
        (
            refused(&|writer| (writer.add(pb::op::Op::Build(pb::BuildOp::default()), &[]), 0)),
            "only LLB builder is currently allowed",
        ),
        (
            nested(&[]),
            "no llb definition input buildkit.llb.definition found",
        ),
        (nested(&[("buildkit.llb.definition", 1)]), "invalid index 1"),
        (passing("", &[0]), "invalid passthrough op with no id"),
        (passing("x", &[]), "invalid passthrough op with no outputs"),
        (passing("x", &[0, 1]), "invalid passthrough output input index 1"),
        (passing("x", &[-1]), "invalid passthrough output input index -1"),
        (refused(&|writer| (writer.push(None, &[]), 0)), "invalid nil op"),
    ];
    for (said, expected) in table {
        assert!(said.starts_with(expected), "{said:?} is not {expected:?}");
    }
}

/// Why a nested build is none whose inputs are these.
fn nested(inputs: &[(&str, i64)]) -> String {
    let mut writer = Writer::default();
    let base = writer.add(source("docker-image://x", &[]), &[]);
    let inputs = inputs
        .iter()
        .map(|(name, input)| ((*name).to_owned(), pb::BuildInput { input: *input }));
    let build = pb::BuildOp {
        builder: -1,
        inputs: inputs.collect(),
        ..pb::BuildOp::default()
    };
    let build = writer.add(pb::op::Op::Build(build), &[(base, 0)]);
    writer.read((build, 0)).unwrap_err()
}

#[test]
fn what_is_said_of_a_vertex_beside_its_message() {
    let mut writer = Writer::default();
    let base = writer.add(source("docker-image://x", &[]), &[]);
    let build = pb::BuildOp {
        builder: -1,
        inputs: BTreeMap::from([("buildkit.llb.definition".to_owned(), pb::BuildInput { input: 0 })]),
        attrs: BTreeMap::from([("llbbuild.filename".to_owned(), "/f".to_owned())]),
        ..pb::BuildOp::default()
    };
    let build = writer.add(pb::op::Op::Build(build), &[(base, 0)]);
    let (group, limits) = (
        pb::ProgressGroup {
            id: "g".to_owned(),
            name: "together".to_owned(),
            weak: true,
        },
        pb::LinuxResources {
            memory: 1 << 20,
            ..pb::LinuxResources::default()
        },
    );
    writer.about(
        build,
        pb::OpMetadata {
            progress_group: Some(group.clone()),
            linux_resources: Some(limits.clone()),
            ..pb::OpMetadata::default()
        },
    );
    let graph = writer.read((build, 0)).unwrap();
    let vertex = &graph.vertices[1];
    assert_eq!((&vertex.group, &vertex.limits), (&Some(group), &Some(limits)));
    assert_eq!(vertex.name, "build");
    assert!(matches!(&vertex.op, Op::Build { definition: 0, file } if file == "/f"));
}

#[test]
fn definitions_that_are_none() {
    let read = |def: Vec<Vec<u8>>| {
        let definition = pb::Definition {
            def: def.into_iter().map(Into::into).collect(),
            ..pb::Definition::default()
        };
        Graph::read(&definition).unwrap_err().to_string()
    };
    let alone = pb::Op::default().encode_to_vec();
    let other = pb::Op {
        platform: Some(pb::Platform::default()),
        ..pb::Op::default()
    };
    let dangling = pb::Op {
        inputs: vec![pb::Input {
            digest: "sha256:no".to_owned(),
            index: 0,
        }],
        ..pb::Op::default()
    };
    assert_eq!(read(Vec::new()), "invalid empty definition");
    assert!(read(vec![vec![0xff; 4]]).starts_with("failed to parse llb proto op"));
    assert_eq!(read(vec![alone.clone()]), "invalid LLB with 1 vertexes");
    assert_eq!(
        read(vec![other.encode_to_vec(), alone.clone()]),
        "invalid LLB with no inputs on last vertex"
    );
    assert_eq!(
        read(vec![alone.clone(), dangling.encode_to_vec()]),
        "invalid missing input digest sha256:no"
    );
    assert!(read(vec![alone; 20_000]).starts_with("a definition of more than"));
}

#[test]
fn depth_costs_nothing_and_names_are_bounded() {
    let mut writer = Writer::default();
    let mut last = writer.add(source("docker-image://x", &[]), &[]);
    for _ in 0..5000 {
        let inputs = vec![pb::MergeInput { input: 0 }, pb::MergeInput { input: 1 }];
        last = writer.add(pb::op::Op::Merge(pb::MergeOp { inputs }), &[(last, 0), (last, 0)]);
    }
    let graph = writer.read((last, 0)).unwrap();
    assert_eq!(graph.vertices.len(), 5001);
    assert!(graph.vertices.iter().all(|vertex| vertex.name.len() < 5000));
}

#[test]
fn sources_are_read_with_their_attributes() {
    let read = |identifier: &str, attributes: &[(&str, &str)]| {
        let pb::op::Op::Source(source) = source(identifier, attributes) else {
            unreachable!()
        };
        Source::read(&source).unwrap()
    };
    assert_eq!(
        read(
            "local://context",
            &[
                ("local.includepattern", "[\"a\"]"),
                ("local.excludepatterns", "[\"b\",\"c\"]"),
                ("local.followpaths", "[\"d\"]"),
                ("local.sharedkeyhint", "h"),
                ("local.session", "s"),
                ("local.unique", "u"),
            ]
        ),
        Source::Local(Local {
            name: "context".to_owned(),
            session: Some("s".to_owned()),
            include: vec!["a".to_owned()],
            exclude: vec!["b".to_owned(), "c".to_owned()],
            follow: vec!["d".to_owned()],
            hint: "h".to_owned(),
        })
    );
    assert_eq!(
        read(
            "git://github.com/a/b.git#main:dir/",
            &[
                ("git.keepgitdir", "true"),
                ("git.authtokensecret", "T"),
                ("git.authheadersecret", "")
            ]
        ),
        Source::Git(Git {
            remote: "https://github.com/a/b.git".to_owned(),
            reference: "main".to_owned(),
            directory: "dir".to_owned(),
            keep_git_dir: true,
            token_secret: Some("T".to_owned()),
            ..Git::default()
        })
    );
    assert_eq!(
        read(
            "https://x/y",
            &[
                ("http.perm", "0640"),
                ("http.uid", "7"),
                ("http.filename", "z"),
                ("http.authheadersecret", "H"),
            ]
        ),
        Source::Http(Http {
            url: "https://x/y".to_owned(),
            filename: "z".to_owned(),
            mode: Some(0o640),
            uid: 7,
            header_secret: Some("H".to_owned()),
            ..Http::default()
        })
    );
}

#[test]
fn what_counts_for_the_cache() {
    let counts = |selector: &str, word: &str, proxy: &str| {
        let mut writer = Writer::default();
        let base = writer.add(source("docker-image://x", &[]), &[]);
        let mut op = exec(&[word], vec![mount(0, "/", 0)]);
        op.mounts.push(pb::Mount {
            selector: selector.to_owned(),
            ..mount(0, "/m", -1)
        });
        op.meta.as_mut().unwrap().proxy_env = Some(pb::ProxyEnv {
            http_proxy: proxy.to_owned(),
            ..pb::ProxyEnv::default()
        });
        let made = writer.add(pb::op::Op::Exec(op), &[(base, 0)]);
        writer.read((made, 0)).unwrap().vertices[1].counts
    };
    assert_eq!(counts("a", "x", ""), counts("b", "x", "p"));
    assert_ne!(counts("a", "x", ""), counts("a", "y", ""));
}

proptest! {
    #[test]
    fn bytes_of_strangers_never_panic(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
        let definition = pb::Definition {
            def: messages.into_iter().map(Into::into).collect(),
            ..pb::Definition::default()
        };
        drop(Graph::read(&definition));
    }

    #[test]
    fn numbers_of_strangers_never_panic(
        numbers in prop::collection::vec((-3_i64..6, -3_i64..6, -3_i64..6, 0_u8..8), 1..8),
        index in -2_i64..9,
    ) {
        let mut writer = Writer::default();
        let mut last = writer.add(source("docker-image://x", &[]), &[]);
        for (a, b, c, kind) in numbers {
            let op = match kind {
                0 | 1 => file(vec![
                    pb::FileAction { secondary_input: b, ..act(a, c, mkdir("/x")) },
                    act(b, a, pb::file_action::Action::Copy(pb::FileActionCopy {
                        owner: Some(pb::ChownOpt {
                            user: Some(pb::UserOpt {
                                user: Some(pb::user_opt::User::ByName(pb::NamedUserOpt { name: "u".to_owned(), input: c })),
                            }),
                            group: None,
                        }),
                        ..pb::FileActionCopy::default()
                    })),
                ]),
                2 | 3 => pb::op::Op::Exec(exec(&["x"], vec![mount(a, "/", b), mount(b, "/m", c)])),
                4 => pb::op::Op::Diff(pb::DiffOp {
                    lower: Some(pb::LowerDiffInput { input: a }),
                    upper: Some(pb::UpperDiffInput { input: b }),
                }),
                5 => pb::op::Op::Merge(pb::MergeOp { inputs: vec![pb::MergeInput { input: a }; 2] }),
                _ => source("local://x", &[]),
            };
            last = writer.add(op, &[(last, c.max(0)), (last, 0)]);
        }
        if let Ok(graph) = writer.read((last, index)) {
            for (place, vertex) in graph.vertices.iter().enumerate() {
                prop_assert!(vertex.inputs.iter().all(|edge| edge.vertex < place));
            }
        }
    }
}
