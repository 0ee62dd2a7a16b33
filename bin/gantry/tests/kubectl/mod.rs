//! The real kubectl against the API server: tables of transcripts, after upstream's `test/cmd`.
//!
//! A step is a command line and what its output must hold. A table is walked by the kubectl of PATH and by the newest
//! one (`cargo xtask test` installs it); a machine without either fails the suite. Each walk has a node of its own,
//! whose API server is as young as a real one after `gantry up`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers fail the test by panicking"
)]

mod admits;
mod applies;
mod controllers;
mod creates;
mod customs;
mod debugs;
mod describes;
mod diffs;
mod edits;
mod files;
mod gets;
mod kinds;
mod nodes;
mod prints;
mod prunes;
mod revisions;
mod rights;
mod rollouts;
mod services;
mod shows;
mod verbs;
mod volumes;
mod waits;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use testkit::daemon::Daemon;

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
    /// It ends with this status, and standard output or standard error holds this.
    Exits(i32, &'static str),
}
pub(crate) use Says::{Exits, Fails, Has, Lacks, Out};

/// Words (quoted with `'` where they hold blanks; variables of the environment lead), standard input, outcome.
pub(crate) type Step = (&'static str, &'static str, Says);

/// A file's path and text, below the directory that kubectl runs in.
pub(crate) type File = (&'static str, &'static str);

/// The two programs that walk a table.
#[expect(clippy::disallowed_methods, reason = "cargo's own word of where clients are")]
fn clients() -> [PathBuf; 2] {
    let installed = std::env::var("GANTRY_CLIENTS").expect("cargo sets it (.cargo/config.toml)");
    let newest = PathBuf::from(installed).join("kubectl-1.36.4/bin/kubectl");
    assert!(
        newest.exists(),
        "`cargo xtask test` installs {}",
        newest.display()
    );
    ["kubectl".into(), newest]
}

/// Runs the steps of a table one after the other, with each client on a node of its own.
#[track_caller]
pub(crate) fn walk(steps: &[Step]) {
    walk_with(&[], steps);
}

/// The same with the newest client alone: older ones ask for versions that are not served any more.
#[track_caller]
pub(crate) fn walk_newest(steps: &[Step]) {
    let [_, newest] = clients();
    run_all(&newest, &Daemon::api(), steps);
}

/// The same as [`walk`] beside files.
#[track_caller]
pub(crate) fn walk_with(files: &[File], steps: &[Step]) {
    for client in clients() {
        let daemon = Daemon::api();
        for (path, text) in files {
            let path = daemon.directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        run_all(&client, &daemon, steps);
    }
}

/// The same on a node that is there, with the client of PATH.
#[track_caller]
pub(crate) fn walk_on(daemon: &Daemon, steps: &[Step]) {
    run_all(Path::new("kubectl"), daemon, steps);
}

#[track_caller]
fn run_all(client: &Path, daemon: &Daemon, steps: &[Step]) {
    let failures: Vec<String> = steps
        .iter()
        .filter_map(|step| check(client, daemon, step).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{}: {}",
        client.display(),
        failures.join("\n")
    );
}

/// A kubectl that acts as the administrator.
pub(crate) fn kubectl(daemon: &Daemon, words: &str) -> Command {
    command(Path::new("kubectl"), daemon, words)
}

fn command(client: &Path, daemon: &Daemon, words: &str) -> Command {
    let words = split(words);
    let is_variable = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_upper(name));
    let variables = words.iter().take_while(is_variable).count();
    let mut command = daemon.namespace.command("timeout 120");
    let kubeconfig = daemon.directory.join("data/kubeconfig");
    command
        .arg(client)
        .args(&words[variables..])
        .current_dir(&daemon.directory)
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", &daemon.directory)
        .envs(words[..variables].iter().filter_map(|word| word.split_once('=')));
    command
}

fn is_upper(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_')
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

fn check(client: &Path, daemon: &Daemon, (words, input, says): &Step) -> Result<(), String> {
    let output = with_input(command(client, daemon, words), input);
    let out = String::from_utf8_lossy(&output.stdout);
    let both = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
    let succeeded = output.status.success();
    let good = match says {
        Out(text) => succeeded && out == *text,
        Has(texts) => succeeded && texts.iter().all(|text| both.contains(text)),
        Lacks(texts) => succeeded && !texts.iter().any(|text| both.contains(text)),
        Fails(text) => !succeeded && both.contains(text),
        Exits(code, text) => output.status.code() == Some(*code) && both.contains(text),
    };
    good.then_some(())
        .ok_or_else(|| format!("kubectl {words}: {}\n{both}", output.status))
}

#[test]
fn every_resource_is_listed() {
    let daemon = Daemon::api();
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
