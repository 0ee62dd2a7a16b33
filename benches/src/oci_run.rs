//! Row 1: `run` of `true` from the same bundle, with all namespaces, a cgroup and the default
//! confinement, as a user types it: one process start to the end of another.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use testkit::Bundle;

use crate::Outcome;
use crate::floor::{exec_true, spawn};
use crate::subject::{Subject, measure, print, version};

const SIX_NAMESPACES: u32 = 0x6e02_0000;

pub(crate) fn run() -> Outcome {
    let mut config = serde_json::to_value(runtime::example::spec())?;
    config["ociVersion"] = json!("1.0.2");
    let bundle = Bundle::new(config, &["probe", "true"]);
    let gantry = testkit::beside_tests("gantry");
    let program = exec_true()?;

    let mut subjects = vec![Subject::new("gantry oci run", || {
        container(&gantry, &["oci"], bundle.path())
    })];
    for peer in ["runc", "crun"] {
        match usable(peer, bundle.path()) {
            Ok(name) => subjects.push(Subject::new(name, || {
                container(Path::new(peer), &[], bundle.path())
            })),
            Err(reason) => println!("{peer}: not measured: {reason}"),
        }
    }
    subjects.push(Subject::new("floor: clone3 with six namespaces", || {
        spawn(&program, SIX_NAMESPACES)
    }));
    print(&measure(subjects)?, "runc");
    Ok(())
}

/// The peer's version, if it can run the bundle here.
fn usable(peer: &str, bundle: &Path) -> Result<String, String> {
    let version = version(peer).ok_or("not installed")?;
    container(Path::new(peer), &[], bundle).map_err(|error| error.to_string())?;
    Ok(version)
}

fn container(program: &Path, prefix: &[&str], bundle: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    command
        .args(prefix)
        .arg("--root")
        .arg(bundle.join("state"))
        .args(["run", "--bundle"])
        .arg(bundle);
    let output = command
        .arg(format!("gantry-bench-{}", std::process::id()))
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}
