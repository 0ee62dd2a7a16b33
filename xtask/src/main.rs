//! `cargo xtask`: the one door to the project's tasks. What CI runs is what a person runs.
#![forbid(unsafe_code)]

mod base_images;
mod clients;
mod codegen;
mod layering;
mod run;
mod tools;
mod vm;

use std::process::ExitCode;

use run::{Failed, Result, cargo};

const HELP: &str = "\
cargo xtask TASK
  test [unit|node|clients]   every check and every test (root); or one profile of tests
  test --vm [FILTER]         the node's tests on an emulated machine with cgroup v2 alone; root, an hour or more
  lint                       rustfmt, clippy, rustdoc, layering, forbidden dependencies
  codegen [--check]          write the generated tables, or say which are stale
  base-images                the Debian and Python base of the shop's variant, imported into the engine at DOCKER_HOST
  clients                    the docker, skopeo, podman, ... of Debian's sid that tests need, beside this host's
  bench NAME                 one benchmark against its peer: cargo xtask bench --list
  layering                   check that no crate looks upward
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match task(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            run::say(&format!("xtask: {failed}"));
            ExitCode::FAILURE
        }
    }
}

fn task(words: &[&str]) -> Result {
    match words {
        ["test"] => lint().and_then(|()| tests("all")),
        ["test", "--vm", filter @ ..] => vm::test(filter),
        ["test", "unit"] => tests("default"),
        ["test", profile @ ("node" | "clients")] => tests(profile),
        ["base-images"] => base_images::run(),
        ["clients"] => clients::ensure(),
        ["lint"] => lint(),
        ["layering"] => layering::check(),
        ["codegen"] => codegen::run(false).map_err(Failed::because),
        ["codegen", "--check"] => codegen::run(true).map_err(Failed::because),
        ["bench", rest @ ..] => bench(rest),
        _ => Err(Failed(format!("unknown task\n\n{HELP}"))),
    }
}

fn lint() -> Result {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])?;
    run::cargo_with(
        "RUSTDOCFLAGS",
        "--deny warnings",
        &[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--quiet",
        ],
    )?;
    layering::check()?;
    codegen::run(true).map_err(Failed::because)?;
    tools::ensure(&tools::DENY)?;
    cargo(&[
        "deny",
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ])
}

/// Profiles are described in `.config/nextest.toml`. `all` leaves nothing out, so its summary
/// counts no test as skipped.
fn tests(profile: &str) -> Result {
    if profile != "default" && !rustix::process::geteuid().is_root() {
        return Err(Failed(format!(
            "the {profile} tests need root; `cargo xtask test unit` does not"
        )));
    }
    tools::ensure(&tools::NEXTEST)?;
    if matches!(profile, "all" | "clients" | "node") {
        tools::ensure_peers()?;
    }
    if matches!(profile, "all" | "clients") {
        clients::ensure()?;
        base_images::ensure()?;
    }
    cargo(&["nextest", "run", "--workspace", "--no-run", "--profile", profile])?;
    room_for_nodes()?;
    cargo(&["nextest", "run", "--workspace", "--profile", profile])
}

/// Free bytes below which a node may come to say, while it is tested, that its disk is full.
const ROOM: u64 = 3 << 30;

/// On a disk that is nearly full nodes take no pods, and every test with a pod fails for a reason that it does not see.
fn room_for_nodes() -> Result {
    let at = std::env::temp_dir();
    let disk = rustix::fs::statvfs(&at).map_err(Failed::because)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < ROOM {
        return Err(Failed(format!(
            "{} has {} MB free, and the nodes of the tests need {}",
            at.display(),
            free >> 20,
            ROOM >> 20
        )));
    }
    Ok(())
}

fn bench(arguments: &[&str]) -> Result {
    tools::ensure_peers()?;
    cargo(&[
        "build",
        "--release",
        "--package",
        "gantry",
        "--package",
        "testkit",
        "--package",
        "benches",
    ])?;
    let mut words = vec!["run", "--quiet", "--release", "--package", "benches", "--"];
    words.extend(arguments);
    cargo(&words)
}
