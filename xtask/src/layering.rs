//! The arrows between rooms, checked (ARCHITECTURE.md): a crate depends on its own layer and those
//! below, and on nothing it must not know.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::run::{Failed, Result, say};

/// Folders, from the ground up. Folders of the same height do not know each other.
const LAYERS: &[(&str, u8)] = &[
    ("crates/foundation", 0),
    ("crates/container", 1),
    ("crates/docker", 2),
    ("crates/kube", 2),
    ("crates/platform", 3),
    ("bin", 4),
    ("testkit", 5),
    ("benches", 6),
    ("xtask", 5),
    // On the ground, and so without any of the rooms: an example is a program like anybody's.
    ("examples", 0),
];

/// What a crate must not depend on, even indirectly, and why.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("sys", "tokio", "system calls know no executor"),
    ("store", "tokio", "the store runs under any Env (ADR 5)"),
    ("driver", "tokio", "the seams know no executor"),
    ("schema", "tokio", "codecs do no I/O"),
    ("pki", "tokio", "certificates are bytes"),
    ("kinds", "store", "a kind's rules do no I/O"),
    ("patch", "store", "a patch does no I/O"),
    ("printers", "store", "a table does no I/O"),
    ("openapi", "store", "a document does no I/O"),
    ("structural", "store", "a schema does no I/O"),
    ("auth", "store", "a decision does no I/O"),
    ("cel", "store", "an expression does no I/O"),
    ("cel", "tokio", "an expression does no I/O"),
    (
        "apiserver",
        "tokio",
        "the control plane runs under any Env (decision 5)",
    ),
    (
        "client",
        "tokio",
        "the control plane runs under any Env (decision 5)",
    ),
    (
        "controllers",
        "tokio",
        "the control plane runs under any Env (decision 5)",
    ),
    ("controllers", "hyper", "controllers know no transport"),
    ("views", "store", "a reading does no I/O"),
    ("views", "tokio", "a reading does no I/O"),
    (
        "scheduler",
        "tokio",
        "the control plane runs under any Env (decision 5)",
    ),
    ("scheduler", "engine", "a scheduler knows nodes, not containers"),
    (
        "kubelet",
        "tokio",
        "the kubelet's core runs under any Env (decision 5)",
    ),
    ("kubelet", "hyper", "the kubelet decides; others speak"),
    ("kubelet", "engine", "the kubelet decides; kuberuntime does"),
    ("kubelet", "network", "the kubelet decides; kuberuntime does"),
    (
        "proxy",
        "tokio",
        "the control plane runs under any Env (decision 5)",
    ),
    ("proxy", "network", "a map of services is made without the kernel"),
    ("dns", "tokio", "names are a function of views"),
    ("dns", "network", "names are a function of views"),
    ("streaming", "engine", "a protocol knows no container"),
    ("streaming", "apiserver", "a protocol knows no rights"),
    ("streaming", "hyper", "a protocol runs over any byte stream"),
    ("kuberuntime", "controllers", "a runtime knows no controller"),
    ("kuberuntime", "scheduler", "a runtime knows no scheduler"),
    ("runtime", "tokio", "a container starts without an executor"),
    ("supervisor", "tokio", "two threads and epoll, nothing else"),
    (
        "image",
        "tokio",
        "it blocks; whoever has an executor calls it from a blocking thread",
    ),
    ("image", "network", "an image knows no network"),
    ("image", "engine", "an image knows no container"),
    ("distribution", "engine", "a registry's client knows no container"),
    (
        "distribution",
        "network",
        "a registry's client is any program on the network",
    ),
    (
        "distribution",
        "runtime",
        "a registry's client knows no container",
    ),
    (
        "network",
        "engine",
        "a network knows names of containers, not containers",
    ),
    ("network", "image", "a network knows no image"),
    ("engine", "hyper", "doors speak HTTP"),
    ("llb", "tokio", "a definition does no I/O"),
    ("builder", "hyper", "doors speak HTTP"),
    ("builder", "engine-api", "the builder has more than one door"),
    ("registry", "engine", "a registry knows images, not containers"),
    ("registry", "engine-api", "a registry is a door of its own"),
    ("disk", "hyper", "doors speak HTTP"),
    ("disk", "engine-api", "whoever looks after the disk needs no door"),
    (
        "buildkit",
        "builder",
        "a protocol knows no builder: `Builds` is the seam",
    ),
    ("buildkit", "engine", "a protocol knows no container"),
    ("buildkit", "hyper", "it is given a stream that has left HTTP/1"),
    ("gantry", "rehearsal", "tests are rehearsed, products are not"),
];

struct Crate {
    name: String,
    folder: String,
    /// What the crate itself is built from; tests may use what they like.
    dependencies: Vec<String>,
}

pub(crate) fn check() -> Result {
    let crates = workspace()?;
    let folders: BTreeMap<&str, &str> = crates
        .iter()
        .map(|each| (each.name.as_str(), each.folder.as_str()))
        .collect();
    let mut faults: Vec<String> = crates.iter().flat_map(|each| upward(each, &folders)).collect();
    for (crate_name, dependency, reason) in FORBIDDEN {
        if reaches(crate_name, dependency)? {
            faults.push(format!("{crate_name} depends on {dependency}: {reason}"));
        }
    }
    faults.extend(crates.iter().filter_map(allows_unsafe));
    if faults.is_empty() {
        say(&format!(
            "layering: {} crates, no arrow points upward",
            crates.len()
        ));
        return Ok(());
    }
    Err(Failed(format!("layering:\n  {}", faults.join("\n  "))))
}

fn upward(each: &Crate, folders: &BTreeMap<&str, &str>) -> Vec<String> {
    let own = layer(&each.folder);
    let bad = |dependency: &&String| {
        let Some(folder) = folders.get(dependency.as_str()) else {
            return false;
        };
        let height = layer(folder);
        height > own || (height == own && *folder != each.folder)
    };
    let fault = |dependency: &String| format!("{} ({}) must not know {dependency}", each.name, each.folder);
    each.dependencies.iter().filter(bad).map(fault).collect()
}

fn layer(folder: &str) -> u8 {
    LAYERS
        .iter()
        .find(|(name, _)| *name == folder)
        .map_or(u8::MAX, |(_, height)| *height)
}

fn workspace() -> std::result::Result<Vec<Crate>, Failed> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(Failed::because)?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(Failed::because)?;
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    Ok(packages.iter().map(|package| read(package, root)).collect())
}

fn read(package: &Value, root: &str) -> Crate {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let directory = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent();
    let relative = directory
        .and_then(|path| path.strip_prefix(root).ok())
        .unwrap_or(Path::new(""));
    let parent = relative
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(relative);
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    Crate {
        name: text(&package["name"]),
        folder: parent.display().to_string(),
        dependencies: dependencies
            .filter(|each| each["kind"].is_null())
            .map(|each| text(&each["name"]))
            .collect(),
    }
}

/// Whether `crate_name` is built from `dependency`, at whatever distance.
fn reaches(crate_name: &str, dependency: &str) -> std::result::Result<bool, Failed> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            crate_name,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .output()
        .map_err(Failed::because)?;
    if !output.status.success() {
        return Err(Failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(listing
        .lines()
        .any(|line| line.split(' ').next() == Some(dependency)))
}

/// Every crate root but that of `sys` says that it has no unsafe code.
fn allows_unsafe(each: &Crate) -> Option<String> {
    if each.name == "sys" {
        return None;
    }
    let directory = match each.folder.as_str() {
        "testkit" | "benches" | "xtask" => each.folder.clone(),
        folder => format!("{folder}/{}", each.name),
    };
    let roots = ["src/lib.rs", "src/main.rs"].map(|root| Path::new(&directory).join(root));
    let says = |root: &Path| fs::read_to_string(root).map(|text| text.contains("#![forbid(unsafe_code)]"));
    let fault = roots.iter().any(|root| matches!(says(root), Ok(false)));
    fault.then(|| format!("{} does not say #![forbid(unsafe_code)]", each.name))
}
