//! Client libraries against the API server: the official Python and JavaScript clients, and kopf.
//!
//! A script tells its own story and prints `ok` for what held; a machine without the library fails the suite.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::process::Command;

use testkit::daemon::Daemon;

/// Runs a script on a fresh node and returns the lines that it prints.
fn run(program: &str, name: &str, script: &str) -> Vec<String> {
    let daemon = Daemon::api();
    let file = daemon.directory.join(name);
    std::fs::write(&file, script).unwrap();
    let modules = Command::new("npm").args(["root", "-g"]).output().unwrap();
    let modules = String::from_utf8(modules.stdout).unwrap();
    let mut command = daemon.namespace.command(&format!("timeout 150 {program}"));
    command
        .arg(&file)
        .current_dir(&daemon.directory)
        .env("HOME", &daemon.directory)
        .env("NODE_PATH", modules.trim())
        .env("KUBECONFIG", daemon.directory.join("data/kubeconfig"));
    let output = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{name}: {}\n{out}{err}", output.status);
    out.lines().map(str::to_owned).collect()
}

#[test]
fn the_python_client_reads_writes_and_watches() {
    let lines = run("python3", "objects.py", include_str!("objects.py"));
    let held = lines.iter().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(held, 9, "{lines:?}");
}

#[test]
fn an_operator_follows_its_objects() {
    let lines = run("python3", "operator.py", include_str!("operator.py"));
    assert!(lines.contains(&"ok".to_owned()), "{lines:?}");
}

#[test]
fn an_informer_tells_a_whole_life() {
    let lines = run("node", "informer.mjs", include_str!("informer.mjs"));
    assert!(lines.contains(&"ok".to_owned()), "{lines:?}");
}
