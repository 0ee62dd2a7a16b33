//! Where BuildKit's frontend means something else than dockerd's own builder. Upstream's tests of the same names were the
//! list that this was checked against.

use super::*;

/// Build arguments of a client.
type Given = &'static [(&'static str, &'static str)];

fn buildkit() -> Options {
    Options {
        dialect: Dialect::BuildKit,
        ..plain()
    }
}

fn build(bench: &Bench, dockerfile: &str, options: Options) -> Told {
    let files = Files::of(&[("Dockerfile", dockerfile), ("foo", "1"), ("d/e", "2")]);
    bench.build(&files, options)
}

#[test]
fn sentences() {
    let bench = Bench::new();
    let cases = [
        ("ARG foo=bar\n", "dockerfile contains no stages to build"),
        (
            "FROM scratch\nCOPY --from=$FOO . .\n",
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
        ),
        (
            "FROM busybox AS target\nCOPY --from=build /d2 /out\nFROM busybox AS build\nCOPY Dockerfile /d2\nFROM target\n",
            "cannot copy from stage \"build\", it needs to be defined before current stage \"target\"",
        ),
        (
            "FROM busybox AS target\nCOPY --from=1 /d2 /out\nFROM busybox\nCOPY Dockerfile /d2\nFROM target\n",
            "cannot copy from stage \"1\", it needs to be defined before current stage \"target\"",
        ),
        ("FROM busybox\nCOPY --from=7 / /\n", "invalid stage index 7"),
        (
            "FROM busybox AS a\nCOPY --from=a / /\n",
            "circular dependency detected on stage: a",
        ),
        (
            "FROM busybox\nCOPY nope /\n",
            "failed to compute cache key: failed to calculate checksum of ref context::local: \"/nope\": not found",
        ),
        (
            "FROM busybox AS a\nFROM busybox\nCOPY --from=a /nope /\n",
            "failed to compute cache key: failed to calculate checksum of ref image::stage: \"/nope\": not found",
        ),
        (
            "FROM busybox\nCOPY http://h/x /\n",
            "source can't be a URL for COPY",
        ),
        (
            "FROM busybox\nCOPY git@h:a /\n",
            "source can't be a git ref for COPY",
        ),
        (
            "ARG FOO=${FOO:?\"custom error\"}\nFROM busybox\n",
            "failed to process \"${FOO:?\\\"custom error\\\"}\": FOO: custom error",
        ),
        (
            "FROM busybox\nARG FOO\nARG BAR=${FOO:?\"foo missing\"}\n",
            "failed to process \"${FOO:?\\\"foo missing\\\"}\": FOO: foo missing",
        ),
    ];
    for (dockerfile, expected) in cases {
        assert_eq!(
            build(&bench, dockerfile, buildkit()).error(),
            expected,
            "{dockerfile}"
        );
    }
    let options = Options {
        target: Some("bulid".into()),
        ..buildkit()
    };
    let told = build(
        &bench,
        "FROM scratch AS build\nCOPY foo /\nFROM scratch\nCOPY --from=build / /\n",
        options,
    );
    assert_eq!(
        told.error(),
        "target stage \"bulid\" could not be found (did you mean build?)"
    );
}

#[test]
fn what_is_given_needs_no_default() {
    let bench = Bench::new();
    let file = "ARG FOO=${FOO:?\"custom error\"}\nFROM busybox\nARG BAR=${BAZ:?\"foo missing\"}\n";
    for dialect in [Dialect::Classic, Dialect::BuildKit] {
        let options = Options {
            dialect,
            ..with_args(&[("FOO", "1"), ("BAR", "2")])
        };
        build(&bench, file, options).id();
    }
}

/// What a command sees of a variable after each of some lines, by each builder.
#[test]
fn what_commands_see() {
    let cases: &[(&str, Given, &str, &str, &str)] = &[
        ("ENV A=env\nARG A=arg", &[], "A", "A=env", "A=arg"),
        ("ENV A=env\nARG A", &[], "A", "A=env", "A=env"),
        ("ENV A=env\nARG A", &[("A", "given")], "A", "A=env", "A=given"),
        ("ARG A=arg\nENV A=env", &[], "A", "A=env", "A=env"),
        ("ENV A=1\nARG A=2\nENV A=3", &[], "A", "A=3", "A=3"),
        ("ENV A=1\nARG A=2\nENV B=$A", &[], "B", "B=1", "B=2"),
        ("ARG A=", &[], "A", "A=", "A="),
        ("ARG A", &[], "A", "unset", "unset"),
        (
            "LABEL x=y",
            &[("http_proxy", "p")],
            "HTTP_PROXY",
            "unset",
            "HTTP_PROXY=p",
        ),
        (
            "LABEL x=y",
            &[("NO_PROXY", "p")],
            "no_proxy",
            "unset",
            "no_proxy=p",
        ),
        (
            "ENV http_proxy=mine",
            &[("http_proxy", "p")],
            "http_proxy",
            "http_proxy=mine",
            "http_proxy=mine",
        ),
        (
            "ARG TARGETSTAGE",
            &[],
            "TARGETSTAGE",
            "TARGETSTAGE=default",
            "TARGETSTAGE=default",
        ),
    ];
    for (lines, args, name, classic, buildkit) in cases {
        for (dialect, expected) in [(Dialect::Classic, classic), (Dialect::BuildKit, buildkit)] {
            let bench = Bench::new();
            let options = Options {
                dialect,
                ..with_args(args)
            };
            let told = build(
                &bench,
                &format!("FROM busybox\n{lines}\nRUN env {name}\n"),
                options,
            );
            assert!(
                told.text.contains(&format!("\n{expected}\n")),
                "{lines} {dialect:?}: {}",
                told.text
            );
        }
    }
    // What wins in a stage wins in those upon it.
    let bench = Bench::new();
    let file = "FROM busybox AS a\nENV A=env\nARG A=arg\nFROM a\nRUN env A\n";
    assert!(build(&bench, file, buildkit()).text.contains("\nA=arg\n"));
}

#[test]
fn a_secret_in_the_environment_replaces_what_is_there() {
    struct One;
    impl crate::Secrets for One {
        fn secret(&self, _: &str) -> crate::Sent<Result<Option<Vec<u8>>, String>> {
            Box::pin(async { Ok(Some(b"pw".to_vec())) })
        }
    }
    let bench = Bench::new();
    let mut options = buildkit();
    options.services.secrets = Some(Arc::new(One));
    let file = "FROM busybox\nENV S=foo\nRUN --mount=type=secret,id=s,env=S env S\n";
    assert!(build(&bench, file, options).text.contains("\nS=pw\n"));
}

#[test]
fn stages_of_one_name_and_patterns_of_nothing() {
    let bench = Bench::new();
    let file = "FROM busybox AS a\nRUN write x 1\nFROM a AS a\nRUN write y 1\nFROM scratch\nCOPY --from=a /y /y\n\
                COPY nomatch* /z/\nCOPY foo nomatch* /\nCOPY ../foo /w\n";
    let told = build(&bench, file, buildkit());
    let id = told.id();
    assert!(bench.memory.0.lock().unwrap().files[&id].0.contains_key("y"));
}

/// The rows of an image's history.
fn rows(bench: &Bench, told: &Told) -> Vec<(String, String)> {
    let history = bench.config(told.id()).history;
    history
        .into_iter()
        .map(|row| (row.created_by, row.comment))
        .collect()
}

/// One cache, and each door's own history: whoever comes second finds every step, and tells them as its own kind does.
#[test]
fn histories() {
    let file = "ARG G=g\nFROM busybox AS a\nARG A=1 A2\nENV B=2 C=\"3 4\"\nARG B=5\nRUN x\nCOPY --chown=1:2 foo d /t/\n\
                COPY <<E /h\nx\nE\nCOPY --link foo /l\nFROM a\nARG G\nWORKDIR /w\nRUN [\"y\"]\nRUN <<P\n#!/bin/x\nP\n\
                LABEL l=m \"n\"=\"o p\"\nCMD [\"a\"]\nENTRYPOINT e\nUSER u\nVOLUME /v\nSTOPSIGNAL TERM\n\
                EXPOSE 80/udp 1000-1002 90\nHEALTHCHECK --interval=5s --retries=3 CMD true\nONBUILD RUN z\n\
                SHELL [\"/s\", \"-c\"]\nMAINTAINER me\n";
    let buildkits = [
        "ARG A=given A2",
        "ENV B=2 C=3 4",
        "ARG B=5",
        "RUN |3 A=given A2= B=5 /bin/sh -c x # buildkit",
        "COPY --chown=1:2 foo d /t/ # buildkit",
        "COPY <<E /h # buildkit",
        "COPY foo /l # buildkit",
        "ARG G=g",
        "WORKDIR /w",
        "RUN |4 A=given A2= B=5 G=g y # buildkit",
        "RUN |4 A=given A2= B=5 G=g /bin/sh -c /dev/pipes/P # buildkit",
        "LABEL l=m n=o p",
        "CMD [\"a\"]",
        "ENTRYPOINT [\"/bin/sh\" \"-c\" \"e\"]",
        "USER u",
        "VOLUME [/v]",
        "STOPSIGNAL TERM",
        "EXPOSE [1000/tcp 1001/tcp 1002/tcp 80/udp 90/tcp]",
        "HEALTHCHECK {Test:[CMD-SHELL true] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}",
        "SHELL [/s -c]",
        "MAINTAINER me",
    ];
    let options = |dialect| {
        let mut options = Options {
            dialect,
            ..with_args(&[("A", "given")])
        };
        options.labels.insert("of".to_owned(), "the request".to_owned());
        options
    };
    for first in [Dialect::BuildKit, Dialect::Classic] {
        let bench = Bench::new();
        let before = build(&bench, file, options(first));
        let told = build(&bench, file, options(Dialect::BuildKit));
        let expected = buildkits.map(|row| (row.to_owned(), "buildkit.dockerfile.v0".to_owned()));
        assert_eq!(rows(&bench, &told), expected, "after {first:?}");
        let again = build(&bench, file, options(Dialect::BuildKit));
        assert_eq!(again.id(), told.id());
        let config = bench.config(told.id()).config;
        assert_eq!(config.labels["of"], "the request");
        let classic = build(&bench, file, options(Dialect::Classic));
        if first == Dialect::Classic {
            assert_eq!(classic.id(), before.id());
        }
        let classics = rows(&bench, &classic);
        assert!(
            classics.iter().all(|(_, comment)| comment.is_empty()),
            "{classics:?}"
        );
        let told: Vec<&str> = classics.iter().map(|(by, _)| by.as_str()).collect();
        assert_eq!(told[3], "|1 A=given /bin/sh -c x");
        let nop = |text: &str| told.contains(&format!("/s -c #(nop)  {text}").as_str());
        assert!(nop("MAINTAINER me") && nop("LABEL of=the request"), "{told:?}");
        assert!(told.contains(&"/bin/sh -c #(nop)  ONBUILD RUN z"), "{told:?}");
    }
}

/// What both builders make alike, one makes for the other; what they do not is a step of its own.
#[test]
fn steps_of_the_other_builder() {
    let cases = [
        ("RUN x", ".", "."),
        ("COPY foo /", ".", "."),
        ("COPY foo Dockerfile /d/", ".", "."),
        ("COPY d /", "x", "x"),
        ("ADD foo /", ".", "."),
        ("ADD --chown=1 foo /", "x", "x"),
        ("WORKDIR /w", ".", "."),
        ("USER u\nWORKDIR /w", ".x", ".x"),
    ];
    for (lines, after_classic, after_buildkit) in cases {
        let firsts = [
            (Dialect::Classic, after_classic),
            (Dialect::BuildKit, after_buildkit),
        ];
        for (first, hits) in firsts {
            let bench = Bench::new();
            let second = match first {
                Dialect::Classic => Dialect::BuildKit,
                Dialect::BuildKit => Dialect::Classic,
            };
            let by = |dialect| Options { dialect, ..plain() };
            let file = format!("FROM busybox\n{lines}\n");
            build(&bench, &file, by(first)).id();
            assert_eq!(
                build(&bench, &file, by(second)).hits(),
                hits,
                "{lines} after {first:?}"
            );
        }
    }
}

#[test]
fn a_check_that_leaves_something_out() {
    let file =
        "FROM busybox\nHEALTHCHECK --interval=5s --retries=3 CMD true\nHEALTHCHECK --timeout=2s CMD false\n";
    for (dialect, interval, retries) in [(Dialect::Classic, 5_000_000_000, 3), (Dialect::BuildKit, 0, 0)] {
        let bench = Bench::new();
        let options = Options { dialect, ..plain() };
        let id = build(&bench, file, options).id();
        let check = bench.config(id).config.healthcheck.unwrap();
        assert_eq!(
            (check.interval, check.retries, check.timeout),
            (interval, retries, 2_000_000_000)
        );
    }
}

#[test]
fn a_named_context_stands_for_a_stage_and_for_any_form_of_an_images_name() {
    let bench = Bench::new();
    let other = bench
        .memory
        .add("other", RunConfig::default(), &Files::of(&[("o", "1")]));
    let with = |name: &str, context: Named| Options {
        contexts: BTreeMap::from([(name.to_owned(), context)]),
        ..buildkit()
    };
    for name in ["busybox", "busybox:latest"] {
        let options = with(name, Named::Image("other".into()));
        let told = build(&bench, "FROM docker.io/library/busybox\nENV A=1\n", options);
        let parent = bench.memory.0.lock().unwrap().images[&told.id()].parent;
        assert_eq!(parent, Some(other), "{name}");
    }
    // The stage is not built at all.
    let file = "FROM busybox AS base\nRUN fail 1\nFROM scratch\nCOPY --from=base /o* /\n";
    build(&bench, file, with("base", Named::Image("other".into()))).id();
    let files = Arc::new(MemoryTree {
        files: Files::of(&[("o", "1")]),
        modified: 1,
    });
    build(&bench, file, with("base", Named::Files(files.clone()))).id();
    let told = build(&bench, "FROM base\nENV A=1\n", with("base", Named::Files(files)));
    told.id();
}

#[test]
fn the_time_of_what_is_built_from() {
    use crate::source::Age;
    let bench = Bench::new();
    let created = |file: &str, options: Options| {
        let told = build(&bench, file, options);
        let created = told
            .result
            .map(|id| bench.config(id).created.map(Timestamp::as_second));
        created.map_err(|error| error.to_string())
    };
    let files = Arc::new(MemoryTree {
        files: Files::of(&[("o", "1")]),
        modified: 1,
    });
    let given = |age: Age, said: &str| Options {
        dialect: Dialect::BuildKit,
        context_age: age,
        contexts: BTreeMap::from([("mine".to_owned(), Named::Files(files.clone()))]),
        context_ages: BTreeMap::from([("mine".to_owned(), Age::At(42))]),
        ..with_args(&[("SOURCE_DATE_EPOCH", said)])
    };
    let file = "FROM scratch\nCOPY foo /\n";
    let cases = [
        (Age::At(7), "context", Some(7)),
        // What the memory's files have.
        (Age::Newest, "context", Some(7)),
        (Age::Unknown, "context", None),
        (Age::Unknown, "mine", Some(42)),
        (Age::Unknown, "1700000000", Some(1_700_000_000)),
    ];
    for (age, said, expected) in cases {
        assert_eq!(
            created(file, given(age, said)).unwrap(),
            expected,
            "{age:?} {said}"
        );
    }
    let seen = build(
        &bench,
        "FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN env SOURCE_DATE_EPOCH\n",
        given(Age::At(9), "context"),
    );
    assert!(seen.text.contains("\nSOURCE_DATE_EPOCH=9\n"), "{}", seen.text);
    for (stage, sentence) in [
        (
            "FROM scratch AS src\nCOPY foo /\n",
            "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported COPY instruction",
        ),
        (
            "FROM busybox AS src\n",
            "SOURCE_DATE_EPOCH stage must use FROM scratch",
        ),
        (
            "FROM scratch AS src\n",
            "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD",
        ),
        (
            "FROM scratch AS src\nADD foo /\n",
            "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source",
        ),
        ("FROM scratch AS other\n", "invalid SOURCE_DATE_EPOCH: src"),
    ] {
        let file = format!("ARG SOURCE_DATE_EPOCH=src\n{stage}FROM scratch\nCOPY foo /\n");
        assert_eq!(created(&file, buildkit()).unwrap_err(), sentence);
    }
}

/// Whole files of upstream's tests, less what only a shell could show: what a command sees of a variable.
#[test]
fn files_of_upstreams_tests() {
    let cases: &[(&str, Given, &str)] = &[
        (
            "ARG tag=nosuchtag\nFROM busy$tag\nRUN env PATH\n",
            &[("tag", "box")],
            "PATH=",
        ),
        (
            "ARG a1=\"foo bar\" a2=box\nARG a3=\"$a2-foo\"\nFROM busy$a2 AS build\nARG a3 a4=\"123 456\" a1\nENV all=\"$a1:$a3:$a4\"\nRUN env all\n",
            &[],
            "all=foo bar:box-foo:123 456",
        ),
        (
            "ARG a1=\"box\"\nARG a2=\"$a1-foo\"\nFROM busy$a1 AS build\nARG a2\nARG a3=\"bar-$a2\"\nRUN env a3\n",
            &[],
            "a3=bar-box-foo",
        ),
        (
            "ARG image=idlebox\nFROM busy${image#idle} AS build\nARG my_arg\nENV my_arg \"my_arg=${my_arg:-def_val}\"\nENV my_trimmed_arg \"${my_arg%%e*}\"\nRUN env my_trimmed_arg\n",
            &[],
            "my_trimmed_arg=my_arg=d",
        ),
        (
            "ARG image=idlebox\nFROM busy${image#idle} AS build\nARG my_arg\nENV my_arg \"my_arg=${my_arg:-def_val}\"\nRUN env my_arg\n",
            &[("my_arg", "")],
            "my_arg=my_arg=def_val",
        ),
        (
            "FROM busybox\nENV myenv foo%sbar\nRUN env myenv\n",
            &[],
            "myenv=foo%sbar",
        ),
        (
            "FROM busybox AS base\nARG TARGETSTAGE\nRUN env TARGETSTAGE\nFROM base AS final\nENV A=1\n",
            &[],
            "TARGETSTAGE=final",
        ),
        (
            "ARG META_PATH=/tmp/meta\nFROM busybox\nARG META_PATH\nRUN env META_PATH\n",
            &[],
            "META_PATH=/tmp/meta",
        ),
    ];
    for (file, args, line) in cases {
        let options = Options {
            dialect: Dialect::BuildKit,
            ..with_args(args)
        };
        let told = build(&Bench::new(), file, options);
        assert!(
            told.text.contains(&format!("\n{line}")),
            "{file}: {:?} {}",
            told.result,
            told.text
        );
    }
}

/// What files of here-documents hold, as upstream's tests have it.
#[test]
fn documents_that_become_files() {
    let cases = [
        ("<<EOF", "\"quotes in file\"", "\"quotes in file\"\n"),
        ("<<EOF", "\\", "\n"),
        ("<<EOF", "\\\\", "\\\n"),
        ("<<EOF", "\\$", "$\n"),
        ("<<\"EOF\"", "\\", "\\\n"),
        ("<<\"EOF\"", "\\\\", "\\\\\n"),
        ("<<\"EOF\"", "\\$", "\\$\n"),
        ("<<EOF", "Hello ${name}!", "Hello world!\n"),
        ("<<'EOF'", "Hello ${name}!", "Hello ${name}!\n"),
        ("<<EOF", "Hello '${name}'!", "Hello 'world'!\n"),
        ("<<EOF", "Hello \"${name}\"!", "Hello \"world\"!\n"),
        ("<<\"EOF\"", "Hello \"${name}\"!", "Hello \"${name}\"!\n"),
        ("<<EOF", "\tfoo", "\tfoo\n"),
        ("<<-EOF", "\tbar", "bar\n"),
    ];
    for (opening, line, expected) in cases {
        let file = format!("FROM busybox\nCOPY {opening} /x\n{line}\nEOF\n");
        let parsed = crate::dockerfile::parse(file.as_bytes()).unwrap();
        let mut arguments = Arguments::default();
        arguments.define(ArgDefinition {
            name: "name".into(),
            value: Some("world".into()),
        });
        let instruction = &parsed.stages[0].instructions[0];
        let expanded = config::expand(instruction, Lex::new('\\'), &[], &arguments).unwrap();
        let InstructionKind::Copy(copy) = expanded else {
            panic!("{file}");
        };
        assert_eq!(copy.inline[0].content, expected, "{file}");
    }
}

/// Which secrets of a client name who asks for a repository, and what its server is told then.
#[test]
fn tokens_of_repositories() {
    struct Known(&'static [(&'static str, &'static str)]);
    impl crate::Secrets for Known {
        fn secret(&self, id: &str) -> crate::Sent<Result<Option<Vec<u8>>, String>> {
            let found = self.0.iter().find(|(name, _)| *name == id);
            let found = found.map(|(_, value)| value.as_bytes().to_vec());
            Box::pin(async move { Ok(found) })
        }
    }
    #[derive(Default)]
    struct Asked(Mutex<Vec<String>>);
    impl crate::Fetch for Asked {
        fn http(&self, _: &str, who: &crate::Authorization) -> crate::Sent<Result<crate::Fetched, String>> {
            self.0.lock().unwrap().push(who.0.clone());
            Box::pin(async { Err("nothing here".to_owned()) })
        }
        fn git(
            &self,
            source: &crate::GitSource,
            _: Option<std::path::PathBuf>,
        ) -> crate::Sent<Result<crate::Repository, String>> {
            let told = source.authorization.0.clone();
            self.0.lock().unwrap().push(told);
            assert!(!format!("{source:?}").contains("YWNjZXNz"), "{source:?}");
            Box::pin(async { Err("nothing here".to_owned()) })
        }
        fn prune(&self) -> crate::Sent<u64> {
            Box::pin(async { 0 })
        }
    }
    let token = "basic eC1hY2Nlc3MtdG9rZW46dA==";
    let cases: &[(Given, &str, &str)] = &[
        (&[("GIT_AUTH_TOKEN", "t\n")], "https://h/r.git", token),
        (
            &[("GIT_AUTH_TOKEN", "x"), ("GIT_AUTH_TOKEN.h:8080", "t")],
            "http://h:8080/r.git",
            token,
        ),
        (
            &[("GIT_AUTH_HEADER", "bearer b"), ("GIT_AUTH_TOKEN", "t")],
            "https://h/r.git",
            "bearer b",
        ),
        (
            &[("GIT_AUTH_HEADER", "bearer b"), ("GIT_AUTH_TOKEN.h", "t")],
            "https://h/r.git",
            token,
        ),
        (&[("GIT_AUTH_TOKEN.other", "t")], "https://h/r.git", ""),
        (&[("GIT_AUTH_TOKEN", "t")], "git@h:r.git", ""),
        (&[("GIT_AUTH_TOKEN", "t")], "https://u:p@h/r.git", ""),
        (&[("HTTP_AUTH_TOKEN_h", "t\n")], "https://h:8080/f", "Bearer t"),
        (&[("HTTP_AUTH_HEADER_h", "basic b")], "https://u@h/f", "basic b"),
        (
            &[("HTTP_AUTH_HEADER_h", "basic b"), ("HTTP_AUTH_TOKEN_h", "t")],
            "http://h/f",
            "Bearer t",
        ),
        (&[("HTTP_AUTH_TOKEN_::1", "t")], "http://[::1]:80/f", "Bearer t"),
        (
            &[("HTTP_AUTH_TOKEN_other", "t"), ("GIT_AUTH_TOKEN", "t")],
            "http://h/f",
            "",
        ),
    ];
    for (known, address, expected) in cases {
        let (bench, asked, mut options) = (Bench::new(), Arc::new(Asked::default()), buildkit());
        options.services.secrets = Some(Arc::new(Known(known)));
        options.services.fetch = Some(asked.clone());
        build(&bench, &format!("FROM busybox\nADD {address} /r\n"), options).error();
        assert_eq!(*asked.0.lock().unwrap(), [*expected], "{address} {known:?}");
    }
}

/// What becomes of the configuration, as upstream's tests have it.
#[test]
fn configurations_of_upstreams_tests() {
    let bench = Bench::new();
    let of = |file: &str| {
        let id = build(&bench, file, buildkit()).id();
        serde_json::to_value(bench.config(id).config).unwrap()
    };
    let path = config::DEFAULT_PATH;
    let scratch = of("FROM scratch\nENV foo=bar\n");
    assert_eq!(
        scratch,
        serde_json::json!({ "Env": [format!("PATH={path}"), "foo=bar"], "WorkingDir": "/" })
    );
    let ports = of("FROM scratch\nARG PORTS=\"3000 4000/udp\"\nEXPOSE $PORTS\nEXPOSE 5000\n");
    let ports: Vec<&String> = ports["ExposedPorts"].as_object().unwrap().keys().collect();
    assert_eq!(ports, ["3000/tcp", "4000/udp", "5000/tcp"]);
    let shell = "FROM busybox\nSHELL [\"ls\"]\nENTRYPOINT my entrypoint\nSHELL [\"\"]\nCMD my cmd\n";
    let shell = of(shell);
    assert_eq!(shell["Entrypoint"], serde_json::json!(["ls", "my entrypoint"]));
    assert_eq!(shell["Cmd"], serde_json::json!(["", "my cmd"]));
    let invalid = of("FROM busybox\nENTRYPOINT []random string\n");
    assert_eq!(
        invalid["Entrypoint"],
        serde_json::json!(["/bin/sh", "-c", "[]random string"])
    );
    let empty = of("FROM busybox\nARG FOO\nARG BAR=\nARG BAZ=b\nENV A=${FOO-unset} B=${BAR-unset} C=$BAZ\n");
    assert_eq!(
        empty["Env"],
        serde_json::json!([format!("PATH={path}"), "A=unset", "B=", "C=b"])
    );
    let cases =
        "FROM scratch AS STAge0\nCOPY foo /foo\nFROM staGE0\nCOPY --from=stAge0 /foo /bar\nLABEL a=b\n";
    assert_eq!(of(cases)["Labels"]["a"], "b");
}

/// BuildKit asks no server for what it knows by its checksum.
#[test]
fn what_is_known_by_its_checksum_is_not_asked_for_again() {
    struct Counted(std::sync::atomic::AtomicUsize);
    impl crate::Fetch for Counted {
        fn http(&self, url: &str, _: &crate::Authorization) -> crate::Sent<Result<crate::Fetched, String>> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let body = url.rsplit('/').next().unwrap_or_default().to_owned();
            Box::pin(async move {
                let mut file = tempfile::tempfile().unwrap();
                io::Write::write_all(&mut file, body.as_bytes()).unwrap();
                Ok(crate::Fetched {
                    file,
                    modified: 0,
                    name: None,
                    media_type: String::new(),
                })
            })
        }
        fn git(
            &self,
            _: &crate::GitSource,
            _: Option<std::path::PathBuf>,
        ) -> crate::Sent<Result<crate::Repository, String>> {
            Box::pin(async { Err("nothing here".to_owned()) })
        }
        fn prune(&self) -> crate::Sent<u64> {
            Box::pin(async { 0 })
        }
    }
    let (bench, fetch) = (Bench::new(), Arc::new(Counted(0.into())));
    let digest = Digest::of(b"f");
    // Each with the number of times that servers were asked so far.
    for (step, asked) in [
        (format!("ADD --checksum={digest} http://h/f /x"), 1),
        (format!("ADD --checksum={digest} http://h/f /x"), 1),
        // Elsewhere it is the same file.
        (format!("ADD --checksum={digest} https://other/f /x"), 1),
        (format!("ADD --checksum={digest} --chmod=600 http://h/f /x"), 2),
        (format!("ADD --checksum={digest} --link http://h/f /x"), 3),
        (format!("ADD --checksum={digest} --link http://h/f /x"), 3),
        ("ADD http://h/f /x".to_owned(), 4),
        ("ADD http://h/f /x".to_owned(), 5),
    ] {
        let mut options = buildkit();
        options.services.fetch = Some(fetch.clone());
        build(&bench, &format!("FROM busybox\n{step}\n"), options).id();
        assert_eq!(
            fetch.0.load(std::sync::atomic::Ordering::Relaxed),
            asked,
            "{step}"
        );
    }
    let mut options = buildkit();
    options.services.fetch = Some(fetch);
    let wrong = Digest::of(b"other");
    let told = build(
        &bench,
        &format!("FROM busybox\nADD --checksum={wrong} http://h/f /x\n"),
        options,
    );
    assert!(
        told.error().starts_with("digest mismatch for http://h/f"),
        "{}",
        told.error()
    );
}
