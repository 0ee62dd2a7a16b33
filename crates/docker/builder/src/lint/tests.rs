use super::*;

/// Everything asked, with the experimental rule.
fn report_of(file: &str, target: Option<&str>, ignore: Option<&Ignore>) -> Report {
    let args = BTreeMap::from([("GIVEN".to_owned(), "given".to_owned())]);
    let facts = Facts {
        args: &args,
        target,
        ignore,
        platform: Platform {
            os: "linux".into(),
            architecture: "amd64".into(),
            variant: None,
        },
        bases: &Known,
    };
    lint(file.as_bytes(), &facts)
}

fn report(file: &str) -> Report {
    report_of(file, None, None)
}

struct Known;

impl Bases for Known {
    fn base(&self, reference: &str, _: &Platform) -> Option<Base> {
        let arm = Platform {
            os: "linux".into(),
            architecture: "arm64".into(),
            variant: Some("v8".into()),
        };
        match reference {
            "known" => Some(Base {
                env: vec!["GOPATH=/go".into()],
                on_build: vec!["COPY $trigger /".into()],
                ..Base::default()
            }),
            "shelled" => Some(Base {
                shell: true,
                ..Base::default()
            }),
            "arm" => Some(Base {
                platform: Some(arm),
                ..Base::default()
            }),
            _ => None,
        }
    }
}

fn told(report: &Report) -> Vec<String> {
    let told = |warning: &Warning| format!("{} {} {}", warning.span, warning.rule.name, warning.detail);
    report.warnings.iter().map(told).collect()
}

/// Each rule, broken and kept.
#[test]
fn rules_and_what_breaks_them() {
    let cases: &[(&str, &[&str])] = &[
        (
            "FROM scratch AS Ab",
            &["1 StageNameCasing Stage name 'Ab' should be lowercase"],
        ),
        (
            "FROM scratch as a\nfrom scratch AS b",
            &[
                "1 FromAsCasing 'as' and 'FROM' keywords' casing do not match",
                "2 FromAsCasing 'AS' and 'from' keywords' casing do not match",
                "2 ConsistentInstructionCasing Command 'from' should match the case of the command majority (uppercase)",
            ],
        ),
        (
            "FROM scratch AS a\nfrom scratch as b\nrun x",
            &[
                "1 ConsistentInstructionCasing Command 'FROM' should match the case of the command majority (lowercase)",
            ],
        ),
        (
            "FROM scratch\nRun x",
            &[
                "2 ConsistentInstructionCasing Command 'Run' should match the case of the command majority (uppercase)",
            ],
        ),
        (
            "FROM scratch\nRUN a \\\n\n  b",
            &["4 NoEmptyContinuation Empty continuation line"],
        ),
        (
            "FROM scratch AS a\nFROM scratch AS A",
            &[
                "2 StageNameCasing Stage name 'A' should be lowercase",
                "2 DuplicateStageName Duplicate stage name \"a\", stage names should be unique",
            ],
        ),
        (
            "FROM scratch AS scratch",
            &["1 ReservedStageName Stage name should not use the same name as reserved stage \"scratch\""],
        ),
        (
            "FROM scratch\nCMD x",
            &[
                "2 JSONArgsRecommended JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
            ],
        ),
        (
            "FROM scratch\nENTRYPOINT x",
            &[
                "2 JSONArgsRecommended JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
            ],
        ),
        ("FROM scratch\nSHELL [\"a\"]\nCMD x\nENTRYPOINT [\"a\"]", &[]),
        ("FROM shelled\nCMD x", &[]),
        (
            "FROM scratch\nMAINTAINER me",
            &["2 MaintainerDeprecated Maintainer instruction is deprecated in favor of using label"],
        ),
        (
            "ARG VERSION=1\nFROM a:${VERSIO}x",
            &["2 UndefinedArgInFrom FROM argument 'VERSIO' is not declared (did you mean VERSION?)"],
        ),
        ("ARG V\nFROM a${V}\nFROM b$BUILDARCH", &[]),
        (
            "FROM scratch\nCOPY $foo /",
            &["2 UndefinedVar Usage of undefined variable '$foo'"],
        ),
        (
            "FROM scratch\nARG foo\nCOPY $foo$PATH /\nENV A=1 B=$A",
            &["4 UndefinedVar Usage of undefined variable '$A'"],
        ),
        (
            "FROM known\nARG trigger=a\nCOPY $GOPAHT $GOPATH /",
            &[
                "1 UndefinedVar Usage of undefined variable '$trigger'",
                "3 UndefinedVar Usage of undefined variable '$GOPAHT' (did you mean $GOPATH?)",
            ],
        ),
        ("FROM nobody-knows\nCOPY $foo /", &[]),
        (
            "FROM scratch AS a\nARG x=1\nONBUILD COPY $y /\nFROM a\nUSER $x",
            &["4 UndefinedVar Usage of undefined variable '$y' (did you mean $x?)"],
        ),
        (
            "FROM scratch\nCOPY <<E <<'F' /\n$a\nE\n$b\nF\n",
            &["2-6 UndefinedVar Usage of undefined variable '$a'"],
        ),
        (
            "FROM scratch\nRUN --mount=target=$t echo $u",
            &["2 UndefinedVar Usage of undefined variable '$t'"],
        ),
        (
            "FROM scratch\nWORKDIR a\nWORKDIR b",
            &[
                "2 WorkdirRelativePath Relative workdir \"a\" can have unexpected results if the base image changes",
            ],
        ),
        ("FROM scratch AS x\nWORKDIR /a\nFROM x\nWORKDIR b", &[]),
        (
            "FROM scratch\nCMD [\"a\"]\nHEALTHCHECK NONE\nCMD [\"b\"]\nHEALTHCHECK CMD x\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]",
            &[
                "2 MultipleInstructionsDisallowed Multiple CMD instructions should not be used in the same stage because only the last one will be used",
                "3 MultipleInstructionsDisallowed Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used",
                "6 MultipleInstructionsDisallowed Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used",
            ],
        ),
        ("FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]", &[]),
        (
            "FROM scratch\nENV a b\nLABEL c d",
            &[
                "2 LegacyKeyValueFormat \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
                "3 LegacyKeyValueFormat \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format",
            ],
        ),
        (
            "FROM --platform=$TARGETPLATFORM scratch",
            &[
                "1 RedundantTargetPlatform Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
            ],
        ),
        ("FROM --platform=$BUILDPLATFORM scratch", &[]),
        (
            "FROM --platform=linux/amd64 scratch AS a\nFROM --platform=linux/arm64 scratch AS build_arm64\nFROM --platform=x/y/z/a scratch",
            &[
                "1 FromPlatformFlagConstDisallowed FROM --platform flag should not use constant value \"linux/amd64\"",
            ],
        ),
        (
            "FROM scratch\nARG SECRET_x\nENV DB_PASSWORD=1 public_key=2 monkey=3 my_token=4",
            &[
                "2 SecretsUsedInArgOrEnv Do not use ARG or ENV instructions for sensitive data (ARG \"SECRET_x\")",
                "3 SecretsUsedInArgOrEnv Do not use ARG or ENV instructions for sensitive data (ENV \"DB_PASSWORD\")",
                "3 SecretsUsedInArgOrEnv Do not use ARG or ENV instructions for sensitive data (ENV \"my_token\")",
            ],
        ),
        (
            "ARG T\nFROM a:$T",
            &[
                "2 InvalidDefaultArgInFrom Default value for ARG a:$T results in empty or invalid base image name",
            ],
        ),
        ("ARG T=1\nFROM a:${T}\nFROM b:${T:-2}", &[]),
        (
            "FROM scratch\nEXPOSE 80/TCP 81-82/udp",
            &["2 ExposeProtoCasing Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"],
        ),
        (
            "FROM scratch\nEXPOSE 127.0.0.1:80:80 5000:5000",
            &[
                "2 ExposeInvalidFormat EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
                "2 ExposeInvalidFormat EXPOSE instruction should not define an IP address or host-port mapping, found '5000:5000'",
            ],
        ),
        (
            "FROM arm",
            &[
                "1 InvalidBaseImagePlatform Base image arm was pulled with platform \"linux/arm64/v8\", expected \"linux/amd64\" for current build",
            ],
        ),
        (
            "# check=experimental=all\n# a is\nARG b\n# b c\nFROM scratch AS b\n# d\nARG e f",
            &[
                "3 InvalidDefinitionDescription Comment for ARG should follow the format: `# b <description>`",
                "7 InvalidDefinitionDescription Comment for ARG should follow the format: `# <arg_key> <description>`",
            ],
        ),
        ("# b\nARG a\n", &[]),
    ];
    for (file, expected) in cases {
        let report = report(file);
        assert_eq!(told(&report), *expected, "{file}");
    }
    let named = |rule: &Rule| {
        cases
            .iter()
            .any(|(_, told)| told.iter().any(|told| told.contains(rule.name)))
    };
    let without: Vec<_> = RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|name| *name != "CopyIgnoredFile")
        .collect();
    assert!(
        RULES
            .iter()
            .filter(|rule| without.contains(&rule.name))
            .all(named)
    );
    assert_eq!(RULES.len(), 22);
}

#[test]
fn files_that_are_ignored() {
    let told_with = |ignore: &str, file: &str| {
        let ignore = Ignore::parse(ignore).unwrap();
        told(&report_of(file, None, Some(&ignore)))
    };
    assert_eq!(
        told_with(
            "secret\n*.tmp",
            "FROM scratch AS a\nCOPY secret ./x /\nADD a.tmp http://secret /\nCOPY --from=b secret /"
        ),
        [
            "2 CopyIgnoredFile Attempting to Copy file \"secret\" that is excluded by .dockerignore",
            "3 CopyIgnoredFile Attempting to Add file \"a.tmp\" that is excluded by .dockerignore",
        ]
    );
    assert!(told_with("*\n!a", "FROM scratch\nCOPY b /").is_empty());
    assert!(told_with("a", "FROM scratch\nCOPY . /").is_empty());
    assert_eq!(told_with("**", "FROM scratch\nCOPY . /").len(), 1);
}

#[test]
fn rules_can_be_skipped() {
    let broken = "FROM scratch AS Ab\nMAINTAINER x\n";
    let rules = |head: &str| -> Vec<&str> {
        let report = report(&format!("{head}{broken}"));
        report.warnings.iter().map(|warning| warning.rule.name).collect()
    };
    assert_eq!(rules(""), ["StageNameCasing", "MaintainerDeprecated"]);
    assert_eq!(
        rules("# check=skip=StageNameCasing, Other\n"),
        ["MaintainerDeprecated"]
    );
    assert!(rules("# check=skip=all\n").is_empty());
    assert_eq!(
        rules("# check=skip=MaintainerDeprecated\n\n"),
        ["StageNameCasing"]
    );
    // Before one instruction, and not at the top of the file: that one alone.
    assert_eq!(rules("ARG a\n# check=skip=all\n"), ["MaintainerDeprecated"]);
    let strict = report(&format!("# check=skip=MaintainerDeprecated;error=true\n{broken}"));
    assert_eq!(
        strict.violation().unwrap(),
        "lint violation found for rules: StageNameCasing"
    );
    let args = BTreeMap::from([("BUILDKIT_DOCKERFILE_CHECK".to_owned(), "skip=all".to_owned())]);
    assert!(
        lint(
            broken.as_bytes(),
            &Facts {
                args: &args,
                target: None,
                ignore: None,
                platform: Platform::host(),
                bases: &NoBases
            }
        )
        .is_clean()
    );
    for (options, sentence) in [
        ("x", "invalid check option \"x\""),
        ("x=1", "invalid check option \"x\""),
        (
            "error=2",
            "failed to parse check option \"error=2\": strconv.ParseBool: parsing \"2\": invalid syntax",
        ),
    ] {
        assert_eq!(Options::parse(options).unwrap_err(), sentence);
    }
}

#[test]
fn what_cannot_be_built_is_told() {
    for (file, line, message) in [
        (
            "FROM",
            Some(1),
            "dockerfile parse error on line 1: FROM requires either one or three arguments",
        ),
        ("ARG a", None, "dockerfile contains no stages to build"),
        ("FROM $a", Some(1), "base name ($a) should not be blank"),
        (
            "FROM a\nCOPY --from=$b a b",
            Some(2),
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
        ),
        ("FROM a\nCOPY --from=7 a b", Some(2), "invalid stage index 7"),
        (
            "FROM a AS s\nCOPY --from=s a b",
            Some(2),
            "circular dependency detected on stage: s",
        ),
        ("FROM a\nEXPOSE x", Some(2), "invalid containerPort: x"),
        (
            "FROM a\nEXPOSE 1/x",
            Some(2),
            "invalid port: \"1/x\": invalid proto: x",
        ),
        (
            "FROM a\nUSER ${a",
            Some(2),
            "failed to process \"${a\": unsupported modifier (\u{fffd}) in substitution",
        ),
        (
            "FROM --platform=$E a",
            Some(1),
            "empty platform value from expression $E",
        ),
    ] {
        let fault = report(file).fault.unwrap_or_else(|| panic!("{file}"));
        assert_eq!(
            (fault.span.map(|span| span.start), fault.message.as_str()),
            (line, message)
        );
    }
    let wrong = report_of("FROM a AS build", Some("biuld"), None);
    assert_eq!(
        wrong.fault.unwrap().message,
        "target stage \"biuld\" could not be found (did you mean build?)"
    );
    // A stage that is not built is not judged beyond its name.
    let other = report_of("FROM a AS b\nCMD x\nFROM scratch AS c", Some("c"), None);
    assert!(other.is_clean());
}

#[test]
fn reports_look_like_upstreams() {
    let file = "FROM scratch AS Ab\n\nRUN a \\\n  b\nCMD c\n";
    insta::assert_snapshot!(report(file).print("Dockerfile", file));
    let clean = "FROM scratch\n";
    assert_eq!(
        report(clean).print("Dockerfile", clean),
        "Check complete, no warnings found.\n"
    );
    let wrong = "FROM scratch\nMAINTAINER x\nEXPOSE y\n";
    insta::assert_snapshot!(report(wrong).print("other.Dockerfile", wrong));
}

proptest::proptest! {
    #[test]
    fn never_panics(lines in proptest::collection::vec("(FROM|FROM a AS|RUN|COPY|ENV|ARG|ONBUILD|EXPOSE|LABEL|WORKDIR|CMD|# check=) ?[-a-z=\\[\\]\"'\\\\$ <{}/:0-9]{0,24}", 0..8)) {
        let report = report(&format!("FROM scratch\n{}", lines.join("\n")));
        let _ = report.print("Dockerfile", &lines.join("\n"));
    }
}

/// Variables made of variables stay within limits.
#[test]
fn hostile_variables_are_refused() {
    let mut file = format!("FROM scratch\nENV a0={}\n", "x".repeat(60_000));
    for i in 0..2000 {
        file.push_str(&format!("ENV a{}=${{a{i}}}${{a{i}}}\n", i + 1));
    }
    let fault = report(&file).fault.unwrap();
    assert!(
        fault.message.contains("more than") || fault.message.contains("larger than"),
        "{fault:?}"
    );
}
