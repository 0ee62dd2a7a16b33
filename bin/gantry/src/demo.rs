//! `gantry demo`: the main job of this build, shown on this machine. It grows with Gantry; now it
//! runs containers from an OCI bundle. Nothing is left behind.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many containers to run one after the other.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    containers: u32,
}

pub(crate) fn run(options: &Options) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::with_code(
            5,
            "the demo starts containers and must run as root",
        ));
    }
    let bundle = bundle()?;
    let mut times = Vec::new();
    for number in 0..options.containers {
        times.push(run_one(bundle.path(), number)?);
    }
    times.sort();
    let [fastest, median] = [0, times.len() / 2].map(|at| times[at].as_secs_f64() * 1e3);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "ok  a bundle whose root holds nothing but one static program"
    )?;
    writeln!(
        out,
        "ok  {} containers, each in six new namespaces and a cgroup of its own",
        options.containers
    )?;
    writeln!(
        out,
        "ok  each printed its version and exited with 0; nothing of them is left"
    )?;
    writeln!(
        out,
        "    run to end: fastest {fastest:.1} ms, median {median:.1} ms"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The program is this one: it is static, so a root needs nothing else.
fn bundle() -> Result<tempfile::TempDir, Failure> {
    let bundle = tempfile::Builder::new().prefix("gantry-demo-").tempdir()?;
    let bin = bundle.path().join("rootfs/bin");
    fs::create_dir_all(&bin)?;
    fs::copy("/proc/self/exe", bin.join("gantry"))?;
    let mut spec = serde_json::to_value(runtime::example::spec())?;
    spec["process"]["terminal"] = json!(false);
    spec["process"]["args"] = json!(["/bin/gantry", "version"]);
    fs::write(bundle.path().join("config.json"), spec.to_string())?;
    Ok(bundle)
}

#[expect(clippy::disallowed_methods, reason = "the demo measures")]
fn run_one(bundle: &Path, number: u32) -> Result<Duration, Failure> {
    let state = bundle.join("state");
    let id = format!("gantry-demo-{}-{number}", std::process::id());
    let begin = Instant::now();
    let output = Command::new("/proc/self/exe")
        .args(["oci", "--root"])
        .arg(&state)
        .args(["run", "--bundle"])
        .arg(bundle)
        .arg(&id)
        .stdin(Stdio::null())
        .output()?;
    let taken = begin.elapsed();
    let expected = format!("gantry {}\n", crate::version::VERSION);
    if !output.status.success() || output.stdout != expected.as_bytes() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("container {id} did not do as it should: {error}")).into());
    }
    if state.join(&id).exists() {
        return Err(io::Error::other(format!("container {id} left its state behind")).into());
    }
    Ok(taken)
}
