use super::*;
use proptest::prelude::*;

/// Sentences of a real daemon and of upstream's parser, with the line they belong to.
#[test]
fn errors() {
    let cases = [
        (
            "FROM busybox\nZZ top\n",
            2,
            "dockerfile parse error line 2: unknown instruction: ZZ",
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
            "dockerfile parse error line 2: ENV requires at least one argument",
        ),
        (
            "FROM a\nENV =x\n",
            2,
            "dockerfile parse error line 2: ENV names can not be blank",
        ),
        (
            "FROM a\nLABEL a=1 b",
            2,
            "Syntax error - can't find = in \"b\". Must be of the form: name=value",
        ),
        (
            "FROM a b\n",
            1,
            "dockerfile parse error line 1: FROM requires either one or three arguments",
        ),
        (
            "FROM a AS 1b\n",
            1,
            "dockerfile parse error line 1: invalid name for build stage: \"1b\", name can't start with a number or contain symbols",
        ),
        (
            "FROM --x=1 a\n",
            1,
            "dockerfile parse error line 1: Unknown flag: x",
        ),
        (
            "FROM --platform a\n",
            1,
            "dockerfile parse error line 1: Missing a value on flag: platform",
        ),
        (
            "FROM a\nCOPY x\n",
            2,
            "dockerfile parse error line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        (
            "FROM a\nCOPY --from=a --from=b x y",
            2,
            "dockerfile parse error line 2: Duplicate flag specified: from",
        ),
        (
            "FROM a\nCOPY --link=2 x y",
            2,
            "dockerfile parse error line 2: Expecting boolean value for flag link, not: 2",
        ),
        (
            "FROM a\nCMD [1]\n",
            2,
            "when using JSON array syntax, arrays must be comprised of strings only",
        ),
        (
            "FROM a\nWORKDIR\n",
            2,
            "dockerfile parse error line 2: WORKDIR requires exactly one argument",
        ),
        (
            "FROM a\nUSER\n",
            2,
            "dockerfile parse error line 2: USER requires exactly one argument",
        ),
        (
            "FROM a\nVOLUME [\"\"]\n",
            2,
            "dockerfile parse error line 2: VOLUME specified can not be an empty string",
        ),
        (
            "FROM a\nEXPOSE\n",
            2,
            "dockerfile parse error line 2: EXPOSE requires at least one argument",
        ),
        (
            "FROM a\nSHELL sh -c\n",
            2,
            "dockerfile parse error line 2: SHELL requires the arguments to be in JSON form",
        ),
        (
            "FROM a\nONBUILD\n",
            2,
            "dockerfile parse error line 2: ONBUILD requires at least one argument",
        ),
        (
            "FROM a\nONBUILD ONBUILD RUN x\n",
            2,
            "dockerfile parse error line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
        ),
        (
            "FROM a\nONBUILD from x\n",
            2,
            "dockerfile parse error line 2: FROM isn't allowed as an ONBUILD trigger",
        ),
        (
            "FROM a\nHEALTHCHECK\n",
            2,
            "dockerfile parse error line 2: HEALTHCHECK requires at least one argument",
        ),
        (
            "FROM a\nHEALTHCHECK NONE x\n",
            2,
            "dockerfile parse error line 2: HEALTHCHECK NONE takes no arguments",
        ),
        (
            "FROM a\nHEALTHCHECK CMD\n",
            2,
            "dockerfile parse error line 2: Missing command after HEALTHCHECK CMD",
        ),
        (
            "FROM a\nHEALTHCHECK FOO x\n",
            2,
            "dockerfile parse error line 2: Unknown type \"FOO\" in HEALTHCHECK (try CMD)",
        ),
        (
            "FROM a\nHEALTHCHECK --interval=1us CMD x\n",
            2,
            "dockerfile parse error line 2: Interval \"interval\" cannot be less than 1ms",
        ),
        (
            "FROM a\nHEALTHCHECK --retries=-1 CMD x\n",
            2,
            "dockerfile parse error line 2: --retries cannot be negative (-1)",
        ),
        (
            "FROM a\nHEALTHCHECK --timeout=5 CMD x\n",
            2,
            "dockerfile parse error line 2: time: missing unit in duration \"5\"",
        ),
        (
            "FROM a\nARG =1\n",
            2,
            "dockerfile parse error line 2: ARG names can not be blank",
        ),
        (
            "FROM a\nRUN --x=1 y\n",
            2,
            "dockerfile parse error line 2: Unknown flag: x",
        ),
        ("FROM a\nRUN <<EOF\nx\n", 2, "unterminated heredoc"),
        (
            "FROM a\nCOPY a <<EOF\nEOF\n",
            2,
            "dockerfile parse error line 2: COPY cannot accept a heredoc as a destination",
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
    let long = format!("FROM a\nRUN {}", "x".repeat(70_000));
    assert_eq!(
        parse(long.as_bytes()).unwrap_err().to_string(),
        "dockerfile line greater than max allowed size of 65535"
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
        ["Empty continuation line found in:\n    RUN a &&   b"]
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
        (run.arguments.as_slice(), run.heredocs[0].content.as_str()),
        (&["<<E cat".to_owned()][..], "ls\n")
    );
    assert_eq!(parsed.stages[0].instructions[2].span, Span { start: 10, end: 10 });
}

#[test]
fn flags_of_buildkit_are_kept_for_the_step() {
    let parsed = parse(
        b"FROM a\nRUN --mount=type=tmpfs,target=/x --network=none a\nCOPY --link a b\nCOPY --chmod=755 a b",
    )
    .unwrap();
    let unsupported: Vec<_> = parsed.stages[0]
        .instructions
        .iter()
        .map(|i| i.unsupported)
        .collect();
    assert_eq!(unsupported, [Some("mount"), Some("link"), None]);
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

    /// A continuation anywhere between words changes nothing but the position.
    #[test]
    fn continuations_join(words in prop::collection::vec("[a-z]{1,5}", 1..6)) {
        let joined = parse(format!("FROM a\nRUN {}", words.join(" ")).as_bytes()).unwrap();
        let broken = parse(format!("FROM a\nRUN {}", words.join(" \\\n")).as_bytes()).unwrap();
        prop_assert_eq!(&joined.stages[0].instructions[0].kind, &broken.stages[0].instructions[0].kind);
    }
}
