//! The real kubectl against the API server: tables of transcripts, after upstream's `test/cmd`.
//!
//! A step is a command line and what its output must hold. kubectl is the one of PATH; a machine without it
//! fails the suite. Each table has a node of its own, whose API server is as young as a real one after `gantry up`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers fail the test by panicking"
)]

mod admits;
mod applies;
mod controllers;
mod creates;
mod describes;
mod edits;
mod gets;
mod rights;
mod rollouts;
mod shows;
mod verbs;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use testkit::daemon::{Daemon, Kind};

/// What a step must show.
pub(crate) enum Says {
    /// It succeeds, and standard output is this.
    Out(&'static str),
    /// It succeeds, and standard output or standard error holds each of these.
    Has(&'static [&'static str]),
    /// It succeeds, and standard output has none of these.
    Lacks(&'static [&'static str]),
    /// It fails, and standard error or standard output holds this.
    Fails(&'static str),
}
pub(crate) use Says::{Fails, Has, Lacks, Out};

/// Words (quoted with `'` where they hold blanks), standard input, outcome.
pub(crate) type Step = (&'static str, &'static str, Says);

/// Runs the steps of a table one after the other on a node of their own.
#[track_caller]
pub(crate) fn walk(steps: &[Step]) {
    let daemon = Daemon::start(Kind::Gantry);
    walk_on(&daemon, steps);
}

/// The same on a node that is there.
#[track_caller]
pub(crate) fn walk_on(daemon: &Daemon, steps: &[Step]) {
    let failures: Vec<String> = steps
        .iter()
        .filter_map(|step| check(daemon, step).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A kubectl that acts as the administrator.
pub(crate) fn kubectl(daemon: &Daemon, words: &str) -> Command {
    let mut command = daemon.namespace.command("timeout 60 kubectl");
    let kubeconfig = daemon.directory.join("data/kubeconfig");
    command
        .args(split(words))
        .current_dir(&daemon.directory)
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", &daemon.directory);
    command
}

/// A command line's words: blanks part them, except within `'`.
fn split(words: &str) -> Vec<String> {
    let (mut all, mut quoted) = (vec![String::new()], false);
    for character in words.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => all.push(String::new()),
            other => all.last_mut().unwrap().push(other),
        }
    }
    all
}

/// Runs a command with a text on its standard input.
pub(crate) fn with_input(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl runs");
    // A client that fails before it reads has ended its side.
    let _ = child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("kubectl ends")
}

fn check(daemon: &Daemon, (words, input, says): &Step) -> Result<(), String> {
    let output = with_input(kubectl(daemon, words), input);
    let out = String::from_utf8_lossy(&output.stdout);
    let both = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
    let succeeded = output.status.success();
    let good = match says {
        Out(text) => succeeded && out == *text,
        Has(texts) => succeeded && texts.iter().all(|text| both.contains(text)),
        Lacks(texts) => succeeded && !texts.iter().any(|text| both.contains(text)),
        Fails(text) => !succeeded && both.contains(text),
    };
    good.then_some(())
        .ok_or_else(|| format!("kubectl {words}: {}\n{both}", output.status))
}

#[test]
fn every_resource_is_listed() {
    let daemon = Daemon::start(Kind::Gantry);
    let output = kubectl(&daemon, "api-resources --verbs=list -o name")
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.lines().count() > 50, "{listed}");
    let all = listed.lines().collect::<Vec<_>>().join(",");
    let output = kubectl(&daemon, &format!("get {all} -A")).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What was acknowledged is there after the daemon was killed, and the certificates are the same.
#[test]
fn a_killed_daemon_loses_no_acknowledged_write() {
    let daemon = Daemon::gantry_with(&["--api-port", "6443"]);
    let pid = || {
        std::fs::read_to_string(daemon.run_dir().join("gantry.pid"))
            .unwrap()
            .trim()
            .to_owned()
    };
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let name = format!("kept-{round}-{number}");
            if kubectl(&daemon, &format!("create configmap {name}"))
                .output()
                .unwrap()
                .status
                .success()
            {
                acknowledged.push(name);
            }
        }
        let victim = pid();
        assert!(
            Command::new("kill")
                .args(["-9", &victim])
                .status()
                .unwrap()
                .success()
        );
        daemon.gantry_ok(&["up", "-d"]);
        assert_ne!(pid(), victim);
    }
    let output = kubectl(&daemon, "get configmaps -o jsonpath={.items[*].metadata.name}")
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> = found.split_whitespace().collect();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|name| !found.contains(&name.as_str()))
        .collect();
    assert_eq!(acknowledged.len(), 15);
    assert!(lost.is_empty(), "{lost:?}");
}
