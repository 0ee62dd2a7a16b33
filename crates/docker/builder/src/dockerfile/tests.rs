use super::*;
use proptest::prelude::*;

/// Sentences of a real daemon and of upstream's parser, with the line they belong to.
#[test]
fn errors() {
    let cases = [
        (
            "FROM busybox\nZZ top\n",
            2,
            "dockerfile parse error on line 2: unknown instruction: ZZ",
        ),
        ("RUN x\n", 1, "no build stage in current context"),
        ("", 0, "file with no instructions"),
        ("# only\n\n", 2, "file with no instructions"),
        (
            "FROM a\nENV a=1 b\n",
            2,
            "Syntax error - can't find = in \"b\". Must be of the form: name=value",
        ),
        ("FROM a\nENV a\n", 2, "ENV must have two arguments"),
        (
            "FROM a\nENV\n",
            2,
            "dockerfile parse error on line 2: ENV requires at least one argument",
        ),
        (
            "FROM a\nENV =x\n",
            2,
            "dockerfile parse error on line 2: ENV names can not be blank",
        ),
        (
            "FROM a\nLABEL a=1 b",
            2,
            "Syntax error - can't find = in \"b\". Must be of the form: name=value",
        ),
        (
            "FROM a b\n",
            1,
            "dockerfile parse error on line 1: FROM requires either one or three arguments",
        ),
        (
            "FROM a AS 1b\n",
            1,
            "dockerfile parse error on line 1: invalid name for build stage: \"1b\", name can't start with a number or contain symbols",
        ),
        (
            "FROM --x=1 a\n",
            1,
            "dockerfile parse error on line 1: unknown flag: --x",
        ),
        (
            "FROM --platform a\n",
            1,
            "dockerfile parse error on line 1: missing a value on flag: --platform",
        ),
        (
            "FROM a\nCOPY x\n",
            2,
            "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        (
            "FROM a\nCOPY --from=a --from=b x y",
            2,
            "dockerfile parse error on line 2: duplicate flag specified: --from",
        ),
        (
            "FROM a\nCOPY --link=2 x y",
            2,
            "dockerfile parse error on line 2: expecting boolean value for flag --link, not: 2",
        ),
        (
            "FROM a\nCMD [1]\n",
            2,
            "when using JSON array syntax, arrays must be comprised of strings only",
        ),
        (
            "FROM a\nWORKDIR\n",
            2,
            "dockerfile parse error on line 2: WORKDIR requires exactly one argument",
        ),
        (
            "FROM a\nUSER\n",
            2,
            "dockerfile parse error on line 2: USER requires exactly one argument",
        ),
        (
            "FROM a\nVOLUME [\"\"]\n",
            2,
            "dockerfile parse error on line 2: VOLUME specified can not be an empty string",
        ),
        (
            "FROM a\nEXPOSE\n",
            2,
            "dockerfile parse error on line 2: EXPOSE requires at least one argument",
        ),
        (
            "FROM a\nSHELL sh -c\n",
            2,
            "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form",
        ),
        (
            "FROM a\nONBUILD\n",
            2,
            "dockerfile parse error on line 2: ONBUILD requires at least one argument",
        ),
        (
            "FROM a\nONBUILD ONBUILD RUN x\n",
            2,
            "dockerfile parse error on line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
        ),
        (
            "FROM a\nONBUILD from x\n",
            2,
            "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger",
        ),
        (
            "FROM a\nHEALTHCHECK\n",
            2,
            "dockerfile parse error on line 2: HEALTHCHECK requires at least one argument",
        ),
        (
            "FROM a\nHEALTHCHECK NONE x\n",
            2,
            "dockerfile parse error on line 2: HEALTHCHECK NONE takes no arguments",
        ),
        (
            "FROM a\nHEALTHCHECK CMD\n",
            2,
            "dockerfile parse error on line 2: Missing command after HEALTHCHECK CMD",
        ),
        (
            "FROM a\nHEALTHCHECK FOO x\n",
            2,
            "dockerfile parse error on line 2: Unknown type \"FOO\" in HEALTHCHECK (try CMD)",
        ),
        (
            "FROM a\nHEALTHCHECK --interval=1us CMD x\n",
            2,
            "dockerfile parse error on line 2: Interval \"interval\" cannot be less than 1ms",
        ),
        (
            "FROM a\nHEALTHCHECK --retries=-1 CMD x\n",
            2,
            "dockerfile parse error on line 2: --retries cannot be negative (-1)",
        ),
        (
            "FROM a\nHEALTHCHECK --timeout=5 CMD x\n",
            2,
            "dockerfile parse error on line 2: time: missing unit in duration \"5\"",
        ),
        (
            "FROM a\nARG =1\n",
            2,
            "dockerfile parse error on line 2: ARG names can not be blank",
        ),
        (
            "FROM a\nRUN --x=1 y\n",
            2,
            "dockerfile parse error on line 2: unknown flag: --x",
        ),
        (
            "FROM a\nCOPY --form=x a b\n",
            2,
            "dockerfile parse error on line 2: unknown flag: --form (did you mean from?)",
        ),
        (
            "FROM a\nCOPY --link= a b\n",
            2,
            "dockerfile parse error on line 2: missing a value on flag: --link",
        ),
        (
            "FROM a\nCPOY a b\n",
            2,
            "dockerfile parse error on line 2: unknown instruction: CPOY (did you mean COPY?)",
        ),
        (
            "FROM a\nRUN --network=x a\n",
            2,
            "dockerfile parse error on line 2: invalid network mode \"x\"",
        ),
        (
            "FROM a\nRUN --security=x a\n",
            2,
            "dockerfile parse error on line 2: security \"x\" is not valid",
        ),
        (
            "FROM a\nRUN --mount=from=$x a\n",
            2,
            "dockerfile parse error on line 2: 'from' doesn't support variable expansion, define alias stage instead",
        ),
        ("FROM a\nRUN <<EOF\nx\n", 2, "unterminated heredoc"),
        (
            "FROM a\nCOPY a <<EOF\nEOF\n",
            2,
            "dockerfile parse error on line 2: COPY cannot accept a heredoc as a destination",
        ),
        (
            "# escape=x\nFROM a",
            1,
            "invalid escape token 'x' does not match ` or \\",
        ),
        (
            "# syntax=a\n# syntax=b\nFROM a",
            2,
            "only one syntax parser directive can be used",
        ),
        // The first pass goes over the whole file before the second one begins.
        ("ZZ\nFROM a\nENV x\n", 3, "ENV must have two arguments"),
    ];
    for (file, line, message) in cases {
        let error = parse(file.as_bytes()).unwrap_err();
        assert_eq!(
            (error.line, error.to_string().as_str()),
            (line, message),
            "{file:?}"
        );
    }
    let several = parse(b"FROM a\nNOPE b \\\n  c\n").unwrap_err();
    assert_eq!((several.line, several.end), (2, 3));
    let long = format!("FROM a\nRUN {}", "x".repeat(70_000));
    assert_eq!(
        parse(long.as_bytes()).unwrap_err().to_string(),
        "dockerfile line greater than max allowed size of 65535"
    );
    let many = |count: usize| parse(format!("FROM a\n{}", "ENV A=1\n".repeat(count - 1)).as_bytes());
    assert!(many(MAX_INSTRUCTIONS).is_ok());
    let error = many(MAX_INSTRUCTIONS + 1).unwrap_err();
    assert_eq!(error.line, 1001);
    assert!(
        error.to_string().ends_with("more than 1000 instructions"),
        "{error}"
    );
}

fn kinds(body: &str) -> Vec<InstructionKind> {
    let file = format!("FROM scratch\n{body}");
    let mut dockerfile = parse(file.as_bytes()).unwrap();
    dockerfile
        .stages
        .remove(0)
        .instructions
        .into_iter()
        .map(|i| i.kind)
        .collect()
}

/// Everything at once, as a tree.
#[test]
fn golden() {
    let file = include_bytes!("../../testdata/Dockerfile.golden");
    insta::assert_debug_snapshot!(parse(file).unwrap());
}

#[test]
fn positions_follow_continuations_and_comments() {
    let file = "\u{feff}# syntax=docker/dockerfile:1\n# a comment\nARG V=1\nFROM a AS B\n\nRUN a && \\\n  # not here\n\n  b\nCMD x\n";
    let parsed = parse(file.as_bytes()).unwrap();
    assert_eq!(parsed.directives.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(parsed.meta_args[0].span, Span { start: 3, end: 3 });
    let stage = &parsed.stages[0];
    assert_eq!(
        (stage.name.as_deref(), stage.span),
        (Some("b"), Span { start: 4, end: 4 })
    );
    let spans: Vec<_> = stage
        .instructions
        .iter()
        .map(|i| (i.span.to_string(), i.source.as_str()))
        .collect();
    assert_eq!(
        spans,
        [("6-9".to_owned(), "RUN a &&   b"), ("10".to_owned(), "CMD x")]
    );
    assert_eq!(
        parsed.warnings,
        [EmptyContinuation {
            line: 9,
            text: "RUN a &&   b".into()
        }]
    );
}

#[test]
fn another_escape_character() {
    let parsed = parse(b"# escape=`\nFROM a\nRUN a `\nb\\\nCMD c\\").unwrap();
    let sources: Vec<_> = parsed.stages[0]
        .instructions
        .iter()
        .map(|i| i.source.as_str())
        .collect();
    assert_eq!(sources, ["RUN a b\\", "CMD c\\"]);
    // A directive after any other line is a comment.
    assert_eq!(parse(b"# x\n# escape=`\nFROM a").unwrap().escape, '\\');
}

#[test]
fn shell_and_exec_forms() {
    let command = |arguments: &[&str], shell| Command {
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        shell,
        heredocs: Vec::new(),
    };
    assert_eq!(
        kinds("CMD [\"a\", \"b c\"]\nCMD a  b\nCMD [a]\nCMD\nCMD []\n"),
        [
            InstructionKind::Cmd(command(&["a", "b c"], false)),
            InstructionKind::Cmd(command(&["a  b"], true)),
            InstructionKind::Cmd(command(&["[a]"], true)),
            InstructionKind::Cmd(command(&[], true)),
            InstructionKind::Cmd(command(&[], false)),
        ]
    );
}

#[test]
fn here_documents() {
    let parsed =
        parse(b"FROM a\nCOPY <<A <<-'B' /x/\n$a\nA\n\t$b\n\tB\nRUN <<E cat\nls\nE\nUSER x\n").unwrap();
    let InstructionKind::Copy(copy) = &parsed.stages[0].instructions[0].kind else {
        panic!()
    };
    let file = |name: &str, content: &str, expand| InlineFile {
        name: name.into(),
        content: content.into(),
        expand,
    };
    assert_eq!(copy.inline, [file("A", "$a\n", true), file("B", "$b\n", false)]);
    assert!(copy.sources.is_empty());
    let InstructionKind::Run(run) = &parsed.stages[0].instructions[1].kind else {
        panic!()
    };
    assert_eq!(
        (
            run.command.arguments.as_slice(),
            run.command.heredocs[0].content.as_str()
        ),
        (&["<<E cat".to_owned()][..], "ls\n")
    );
    assert_eq!(parsed.stages[0].instructions[2].span, Span { start: 10, end: 10 });
}

#[test]
fn flags_are_typed() {
    let kinds = kinds(
        "RUN --mount=type=tmpfs,target=/x --network=none --security=insecure --device=a,required b\n\
         COPY --link --parents --exclude=*.a --exclude=b --chmod=u+x --from=c d e\n\
         ADD --keep-git-dir=false --checksum=sha256:1 --unpack a b\n",
    );
    let [
        InstructionKind::Run(run),
        InstructionKind::Copy(copy),
        InstructionKind::Add(add),
    ] = &kinds[..]
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        (run.mounts.as_slice(), run.network, run.insecure),
        (&["type=tmpfs,target=/x".to_owned()][..], RunNetwork::None, true)
    );
    assert_eq!(
        (run.devices[0].name.as_str(), run.devices[0].required),
        ("a", true)
    );
    assert_eq!((copy.link, copy.parents, copy.excludes.len()), (true, true, 2));
    assert_eq!(
        (copy.chmod.as_deref(), copy.from.as_deref()),
        (Some("u+x"), Some("c"))
    );
    assert_eq!(
        (add.keep_git_dir, add.unpack, add.checksum.as_deref()),
        (Some(false), Some(true), Some("sha256:1"))
    );
}

/// What stands at a location, continuations and all.
fn at<'a>(file: &'a str, location: &Location) -> &'a str {
    let line = file
        .split_inclusive('\n')
        .nth(location.start.line as usize - 1)
        .unwrap();
    let start = line.as_ptr() as usize - file.as_ptr() as usize + location.start.column as usize;
    assert_eq!(start, location.bytes.start, "{location:?}");
    &file[location.bytes.clone()]
}

#[test]
fn every_piece_has_its_place() {
    let file = "\u{feff}# c\n  FROM --platform=x a \\\n  AS é\nCOPY --from=\"a b\" [\"x\", \"y\"]\nRUN <<E \\\n# no\n  cat\nls\nE\n";
    let parsed = parse(file.replace('é', "e").as_bytes()).unwrap();
    let file = &file.replace('é', "e");
    let stage = &parsed.stages[0];
    let pieces = |pieces: &[Piece]| -> Vec<String> {
        pieces.iter().map(|p| at(file, &p.location).to_owned()).collect()
    };
    assert_eq!(pieces(&stage.pieces), ["FROM", "--platform=x", "a", "AS", "e"]);
    assert_eq!(at(file, &stage.location), "FROM --platform=x a \\\n  AS e");
    assert_eq!(
        pieces(&stage.instructions[0].pieces),
        ["COPY", "--from=\"a b\"", "[\"x\", \"y\"]"]
    );
    let run = &stage.instructions[1];
    assert_eq!(pieces(&run.pieces), ["RUN", "<<E", "cat"]);
    assert_eq!(at(file, &run.location), "RUN <<E \\\n# no\n  cat\nls\nE");
    assert_eq!(
        (run.location.start, run.location.end),
        (Position { line: 5, column: 0 }, Position { line: 9, column: 1 })
    );
}

#[test]
fn comments_belong_to_what_follows() {
    let parsed = parse(b"# escape=\\\n# v is it\nARG v\n# other\n#\n# b\n\nFROM a AS b\n").unwrap();
    assert_eq!(parsed.meta_args[0].comments, ["v is it"]);
    assert_eq!(parsed.stages[0].comments, ["b"]);
}

#[test]
fn triggers_parse_alone() {
    assert!(matches!(
        parse_instruction("RUN x").unwrap().kind,
        InstructionKind::Run(_)
    ));
    assert_eq!(
        parse_instruction("RUN x\nRUN y").unwrap_err().to_string(),
        "onbuild trigger should be a single expression"
    );
    assert!(parse_instruction("FROM x").is_err());
}

proptest! {
    /// Any text gives a result, and every position lies in the text.
    #[test]
    fn never_panics(lines in prop::collection::vec("(FROM|RUN|COPY|ENV|ARG|ONBUILD|HEALTHCHECK|LABEL|#|CMD|EXPOSE|SHELL|VOLUME)?[ -]{0,2}[-a-z=\\[\\]\"'\\\\$ <{}/]{0,24}", 0..12)) {
        let file = lines.join("\n");
        fuzz(file.as_bytes());
        let last = u32::try_from(lines.len()).unwrap();
        match parse(file.as_bytes()) {
            Ok(parsed) => {
                let mut before = 0;
                let stages = parsed.stages.iter().flat_map(|s| std::iter::once(s.span).chain(s.instructions.iter().map(|i| i.span)));
                for span in parsed.meta_args.iter().map(|i| i.span).chain(stages) {
                    prop_assert!(before < span.start && span.start <= span.end && span.end <= last);
                    before = span.end;
                }
            }
            Err(error) => prop_assert!(error.line <= last),
        }
    }

    #[test]
    fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    /// What stands at an instruction's place is that instruction.
    #[test]
    fn the_source_at_the_place_is_the_instruction(
        lines in prop::collection::vec("(RUN|COPY|ENV|ARG|LABEL|CMD|EXPOSE|VOLUME|USER|#) {1,2}(--[a-z]{1,4}=?)?[a-zé=\\[\\]\"'\\$ ]{0,16}(<<E)?(\\\\\n)?[a-z ]{0,4}(\nE)?", 0..6),
    ) {
        let file = format!("FROM a\n{}\n", lines.join("\n"));
        let Ok(parsed) = parse(file.as_bytes()) else {
            return Ok(());
        };
        for instruction in &parsed.stages[0].instructions {
            let source = at(&file, &instruction.location);
            let again = parse(format!("FROM a\n{source}\n").as_bytes()).unwrap();
            prop_assert_eq!(&again.stages[0].instructions[0].kind, &instruction.kind);
            prop_assert_eq!(at(&file, &instruction.pieces[0].location), &instruction.keyword);
        }
    }

    /// A continuation anywhere between words changes nothing but the position.
    #[test]
    fn continuations_join(words in prop::collection::vec("[a-z]{1,5}", 1..6)) {
        let joined = parse(format!("FROM a\nRUN {}", words.join(" ")).as_bytes()).unwrap();
        let broken = parse(format!("FROM a\nRUN {}", words.join(" \\\n")).as_bytes()).unwrap();
        prop_assert_eq!(&joined.stages[0].instructions[0].kind, &broken.stages[0].instructions[0].kind);
    }
}
