//! Cargo subcommands that the tasks need: used where they are there, installed where not.

use std::process::{Command, Stdio};

use crate::run::{Result, cargo};

/// A cargo subcommand and the package that brings it.
pub(crate) struct Tool {
    subcommand: &'static str,
    package: &'static str,
    version: &'static str,
}

pub(crate) const NEXTEST: Tool = Tool { subcommand: "nextest", package: "cargo-nextest", version: "0.9.143" };
pub(crate) const DENY: Tool = Tool { subcommand: "deny", package: "cargo-deny", version: "0.20.2" };

pub(crate) fn ensure(tool: &Tool) -> Result {
    let mut probe = Command::new(env!("CARGO"));
    probe.args([tool.subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    // A tool is built with its author's settings, not with this workspace's static linking.
    let host = "--config=build.target-dir=\"target/tools\"";
    cargo(&["install", host, "--locked", tool.package, "--version", tool.version])
}
