//! `docs/tour.md`, executed: the commands of its blocks in one shell on a node of their own, with the real docker,
//! kubectl and docker-compose, and what they print beside what the page shows.
//!
//! A block begins with ```` ```console ````. `$ ` begins a command and `> ` goes on with it; the rest is what it prints,
//! `…` being any text and a line `…` any lines. The node is told apart from a reader's by variables alone, which
//! `gantry` reads.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use testkit::beside_tests;
use testkit::daemon::{Daemon, Kind, all};

use crate::cases::{path, text};
use crate::docker::transcript::{lines, matches};

/// The longest that the whole tour may take, in seconds.
const LIMIT: &str = "300";

/// Two characters that no output has.
const MARK: &str = "\u{1e}\u{1f}";

/// A command of the page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    /// Where it stands.
    line: usize,
    command: String,
    shown: Vec<String>,
}

#[test]
fn the_tour_is_true() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/tour.md");
    let steps = parse(&std::fs::read_to_string(page).unwrap());
    assert!(steps.len() > 50, "a tour of {} commands", steps.len());
    let node = Daemon::prepare(Kind::Gantry);
    let said = shell(&node, &steps);
    let mut parts = said.split(MARK);
    let wrong: Vec<String> = steps
        .iter()
        .filter_map(|step| {
            let found = parts.next().unwrap_or_default();
            judge(step, found, parts.next().unwrap_or("none"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a command's end.
fn judge(step: &Step, found: &str, status: &str) -> Option<String> {
    let shown: Vec<String> = step.shown.iter().map(|line| pattern(line)).collect();
    let right = status == "0" && matches(&shown, &lines(found));
    (!right).then(|| {
        let Step { line, command, shown } = step;
        let shown = shown.join("\n");
        format!(
            "docs/tour.md:{line}: $ {command}\n--- exit status {status}, printed\n{found}--- shown\n{shown}"
        )
    })
}

/// A line as transcripts write it.
fn pattern(shown: &str) -> String {
    match shown.trim_end() {
        "…" => "...".to_owned(),
        line => line.replace('…', "[..]"),
    }
}

fn parse(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (line, words) in (1..).zip(page.lines()) {
        if words.starts_with("```") {
            inside = words == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = words.strip_prefix("$ ") {
            let command = command.to_owned();
            steps.push(Step {
                line,
                command,
                ..Step::default()
            });
        } else if let Some(step) = steps.last_mut() {
            match words.strip_prefix("> ") {
                Some(more) => step.command = format!("{}\n{more}", step.command),
                None => step.shown.push(words.to_owned()),
            }
        }
    }
    steps
}

/// What the commands print, each followed by its exit status between marks.
fn shell(node: &Daemon, steps: &[Step]) -> String {
    let programs = beside_tests("gantry");
    let programs = programs.parent().unwrap();
    let mut command = node.namespace.command(&format!(
        "env --unset=http_proxy --unset=HTTP_PROXY PATH={}:{} timeout --kill-after=5 {LIMIT} bash",
        path(programs),
        path_variable()
    ));
    command
        .current_dir(&node.directory)
        .env("HOME", &node.directory)
        .env("GANTRY_NAME", &node.name)
        .env("GANTRY_DATA_DIR", node.directory.join("data"))
        .env("GANTRY_RUN_DIR", node.run_dir())
        .env("DOCKER_CONFIG", node.directory.join("config"))
        .env("DOCKER_CLI_HINTS", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    let mut script = String::new();
    for step in steps {
        script += &format!(
            "{{ {}\n}} 2>&1 </dev/null; printf '{MARK}%d{MARK}' $?\n",
            step.command
        );
    }
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", all(&output));
    text(&output.stdout)
}

#[expect(clippy::disallowed_methods, reason = "the reader's programs, after ours")]
fn path_variable() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn a_page_is_its_commands_and_what_they_print() {
    let page = "# A\n\n```console\n$ a <<END\n> b\n> END\nc … d\n…\n```\n\n```\n$ not this\n```\n";
    let step = Step {
        line: 4,
        command: "a <<END\nb\nEND".to_owned(),
        shown: vec!["c … d".to_owned(), "…".to_owned()],
    };
    assert_eq!(parse(page), std::slice::from_ref(&step));
    assert_eq!(judge(&step, "c x d\ny\n", "0"), None);
    for (found, status) in [("c x d\n", "1"), ("c x\n", "0"), ("", "0"), ("c x d\n", "none")] {
        let wrong = judge(&step, found, status).unwrap();
        assert!(wrong.starts_with("docs/tour.md:4: $ a <<END\n"), "{wrong}");
    }
}
