//! What the tasks need: cargo subcommands, and the peers that the tests compare with. Used where
//! they are there, installed where not.

use std::process::{Command, Stdio};

use crate::run::{Failed, Result, cargo_in, say};

/// A cargo subcommand and the package that brings it.
pub(crate) struct Tool {
    subcommand: &'static str,
    package: &'static str,
    version: &'static str,
}

pub(crate) const NEXTEST: Tool = Tool {
    subcommand: "nextest",
    package: "cargo-nextest",
    version: "0.9.143",
};
pub(crate) const DENY: Tool = Tool {
    subcommand: "deny",
    package: "cargo-deny",
    version: "0.20.2",
};

pub(crate) fn ensure(tool: &Tool) -> Result {
    let mut probe = Command::new(env!("CARGO"));
    probe
        .args([tool.subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    // Away from this workspace, whose settings (static linking) are not for other people's programs.
    cargo_in(
        &std::env::temp_dir(),
        &["install", "--locked", tool.package, "--version", tool.version],
    )
}

/// Programs that `tests/clients.rs` run, and the Debian packages that bring them.
const PEERS: &[(&str, &str)] = &[("runc", "runc")];

/// Installs the peers that are missing. A peer that cannot be had fails the suite: a comparison
/// that was not made must not look like one that passed.
pub(crate) fn ensure_peers() -> Result {
    let missing: Vec<&str> = PEERS
        .iter()
        .filter(|(program, _)| !runs(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt_get(&["update", "--quiet"])?;
    apt_get(
        &[
            &["install", "--quiet", "--yes", "--no-install-recommends"],
            missing.as_slice(),
        ]
        .concat(),
    )
}

fn runs(program: &str) -> bool {
    let mut probe = Command::new(program);
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str]) -> Result {
    say(&format!("+ apt-get {}", arguments.join(" ")));
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failed(format!(
            "cannot install the peers of the client tests: apt-get {}",
            arguments.join(" ")
        ))),
    }
}
