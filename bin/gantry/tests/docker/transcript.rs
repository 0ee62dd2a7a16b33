//! Cases as transcripts: what is typed, and what must come back.
//!
//! ```text
//! $ docker run --rm busybox echo hi
//! hi
//! $ docker run --rm busybox sh -c 'exit 3'
//! ? 3
//! ```
//!
//! All of a case is one shell, so variables last. `$n` is a name that no other case has; `$ns` runs a
//! command in the daemon's network namespace; `$dir` is a directory of the case's own; `build` is `docker build`; `k` is kubectl
//! in a Kubernetes namespace of the case's own, which its first use makes. Standard output and error are both looked at. `? N` is an exit status (0 where none is named), `[..]` any text within a line,
//! a line `...` any lines.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::daemon::{Daemon, Kind, all};

use crate::cases::{path, text};

/// One case.
pub struct Case {
    pub name: &'static str,
    pub script: &'static str,
    /// Why the real dockerd of Debian shows something else, where it does.
    pub not_dockerd: Option<&'static str>,
    /// How long all of it may take, in seconds.
    seconds: u32,
}

pub const fn case(name: &'static str, script: &'static str) -> Case {
    Case {
        name,
        script,
        not_dockerd: None,
        seconds: 60,
    }
}

impl Case {
    pub const fn not_dockerd(self, why: &'static str) -> Self {
        Self {
            not_dockerd: Some(why),
            ..self
        }
    }

    /// For a case that does more than others.
    pub const fn within(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }
}

/// How many cases run at once: some wait for a container to stop.
const AT_ONCE: usize = 4;

/// Runs every case that applies and fails with all that went wrong. `GANTRY_CASE` in the environment narrows
/// it to cases with that text in their names, for whoever mends one.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs a test has no other way to say so"
)]
pub fn check(daemon: &Daemon, cases: &[Case]) {
    let only = std::env::var("GANTRY_CASE").unwrap_or_default();
    let applies = |case: &&Case| {
        (daemon.kind == Kind::Gantry || case.not_dockerd.is_none()) && case.name.contains(&only)
    };
    let cases: Vec<&Case> = cases.iter().filter(applies).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(failure) = run(daemon, case) {
                failures.lock().unwrap().push(failure);
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} cases on {:?}:\n{}",
        failures.len(),
        cases.len(),
        daemon.kind,
        failures.join("\n")
    );
}

struct Step {
    command: String,
    expected: Vec<String>,
    status: i32,
}

/// `build` is `docker build` without the notice that the client prepends for the classic builder.
const PRELUDE: &str = r#"
build() {
    docker build "$@" > $dir/.said 2>&1
    set -- $?
    sed '/^DEPRECATED/,/^$/d' $dir/.said
    return $1
}
k() {
    if [ ! -e $dir/.namespace ]; then
        : > $dir/.namespace
        kubectl create namespace $n > /dev/null
        kubectl wait --for=create -n $n serviceaccount/default > /dev/null
    fi
    kubectl -n $n "$@"
}
kubectl() { $ns timeout 50 kubectl "$@"; }
"#;

/// Two characters that no output has.
const MARK: &str = "\u{1e}\u{1f}";

fn run(daemon: &Daemon, case: &Case) -> Result<(), String> {
    let steps = parse(case.script);
    let (output, still_there) = shell(daemon, case, &steps);
    let mut parts = output.split(MARK);
    for step in &steps {
        let (found, status) = (parts.next().unwrap_or_default(), parts.next());
        let status = status.and_then(|status| status.parse().ok());
        let same = status == Some(step.status) && matches(&step.expected, &lines(found));
        if !same {
            let status = status.map_or_else(|| "no exit".to_owned(), |status: i32| format!("exit {status}"));
            return Err(format!(
                "--- {}: $ {}\n    {status}, expected {}\n--- got\n{found}--- expected\n{}{still_there}",
                case.name,
                step.command,
                step.status,
                step.expected.join("\n") + "\n"
            ));
        }
    }
    Ok(())
}

/// How many times slower than most this machine is: an emulated one says so (`cargo xtask test --vm`).
#[expect(
    clippy::disallowed_methods,
    reason = "what a test knows of its machine comes from outside"
)]
fn patience() -> u32 {
    let told = std::env::var("GANTRY_TEST_PATIENCE").unwrap_or_default();
    told.parse().unwrap_or(1)
}

/// Everything that the case's shell says, each step followed by its status between marks; and, where it did
/// not come to its end in time, what its containers were doing.
fn shell(daemon: &Daemon, case: &Case, steps: &[Step]) -> (String, String) {
    let name = crate::cases::unique("c").replace("gt-c-", "c");
    let directory = daemon.directory.join(&name);
    std::fs::create_dir(&directory).unwrap();
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &(case.seconds * patience()).to_string(), "sh"])
        .current_dir(&directory)
        .env("DOCKER_HOST", daemon.host())
        .env("DOCKER_CONFIG", daemon.directory.join("config"))
        .env("DOCKER_BUILDKIT", "0")
        .env("DOCKER_CLI_HINTS", "false")
        .env("KUBECONFIG", daemon.directory.join("data/kubeconfig"))
        .env("HOME", &directory)
        .env("n", &name)
        .env("ns", daemon.namespace.enter())
        .env("dir", path(&directory))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut script = PRELUDE.to_owned();
    for step in steps {
        script.push_str(&format!(
            "{{ {}\n}} 2>&1 </dev/null; printf '{MARK}%d{MARK}' $?\n",
            step.command
        ));
    }
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.stderr.is_empty() || !output.status.success(),
        "{}: {}",
        case.name,
        all(&output)
    );
    let still_there = match output.status.code() {
        Some(LATE) => containers(daemon, &name),
        _ => String::new(),
    };
    (text(&output.stdout), still_there)
}

/// What `timeout` ends with when it had to end the case.
const LATE: i32 = 124;

/// The state, processes and output of the case's containers.
fn containers(daemon: &Daemon, name: &str) -> String {
    let ask = |arguments: &[&str]| all(&daemon.docker(arguments).output().unwrap());
    let mut report = String::from("--- its containers\n");
    for id in ask(&["ps", "-aq", "--filter", &format!("name={name}")]).lines() {
        let state = "{{.Name}} {{json .State}} {{json .ExecIDs}}";
        report += &ask(&["inspect", "--format", state, id]);
        report += &ask(&["top", id]);
        report += &ask(&["logs", "--timestamps", id]);
    }
    report
}

fn parse(script: &str) -> Vec<Step> {
    let indent = script
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let mut steps: Vec<Step> = Vec::new();
    for line in script.trim_matches('\n').lines() {
        let line = line.get(indent..).unwrap_or("").trim_end();
        if let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            steps.push(Step {
                command,
                expected: Vec::new(),
                status: 0,
            });
        } else if let (Some(more), Some(step)) = (line.strip_prefix("> "), steps.last_mut()) {
            step.command = format!("{}\n{more}", step.command);
        } else if let (Some(status), Some(step)) = (line.strip_prefix("? "), steps.last_mut()) {
            step.status = status.parse().unwrap();
        } else if let Some(step) = steps.last_mut() {
            step.expected.push(line.to_owned());
        }
    }
    // The indentation of the closing quote is no expectation.
    if let Some(step) = steps.last_mut()
        && step.expected.last().is_some_and(String::is_empty)
    {
        step.expected.pop();
    }
    steps
}

pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

pub fn matches(expected: &[String], found: &[String]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            matches(rest, found)
                || found
                    .split_first()
                    .is_some_and(|(_, found)| matches(expected, found))
        }
        (Some((first, expected)), Some((line, found))) => same(first, line) && matches(expected, found),
        _ => false,
    }
}

/// The parts between the gaps, in order; the first at the beginning, the last at the end.
fn same(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.split("[..]").collect();
    let [first, middle @ .., last] = &parts[..] else {
        return expected == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn transcripts_are_read_as_they_look() {
    let steps = parse("\n  $ a\n  > b\n  ? 3\n    x\n  $ c\n  ");
    assert_eq!(steps[0].command, "a\nb");
    assert_eq!(
        (steps[0].status, &steps[0].expected),
        (3, &vec!["  x".to_owned()])
    );
    assert_eq!(steps[1].expected, Vec::<String>::new());
    let list = |text: &str| lines(text);
    assert!(matches(&list("a\n...\nz[..]"), &list("a\nb\nc\nzoo")));
    assert!(!matches(&list("a\n...\nz"), &list("a\nb")));
    assert!(same("id [..] of [..]!", "id 12 of 13!"));
    assert!(!same("id [..]!", "id 12"));
    assert!(!same("abc", "abcd"));
}
