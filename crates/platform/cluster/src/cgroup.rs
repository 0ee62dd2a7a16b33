//! The groups of the node's own processes: `/NAME/node` in every hierarchy, beside its containers'.
//!
//! On v2 a group with controllers may not hold processes itself, hence a leaf of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime::cgroup::Layout;

use crate::config::InstanceName;

/// Moves this process, which must be single-threaded, into the group of the node's own processes.
///
/// # Errors
/// A group cannot be made or joined; the message names it.
pub fn join(name: &InstanceName) -> io::Result<()> {
    for dir in dirs(&Layout::read()?, name) {
        let leaf = dir.path.join("node");
        let joined = fs::create_dir_all(&leaf)
            .and_then(|()| dir.prepare(&leaf))
            .and_then(|()| fs::write(leaf.join(dir.procs), "0"));
        joined.map_err(|error| io::Error::other(format!("cgroup {}: {error}", leaf.display())))?;
    }
    Ok(())
}

/// Removes the node's groups. Empty ones only: a group with a process in it stays, as does what is not ours.
///
/// # Errors
/// A group that is still in use; the message names it.
pub fn remove(name: &InstanceName) -> io::Result<()> {
    dirs(&Layout::read()?, name)
        .iter()
        .try_for_each(|dir| remove_tree(&dir.path))
}

struct Group {
    path: PathBuf,
    /// On v1 `tasks`: `cgroup.procs` takes a lock that all of the host shares (decision 7).
    procs: &'static str,
    cpuset: bool,
}

impl Group {
    /// A v1 cpuset has no CPUs and no memory nodes until it is given some, and then nobody can join.
    fn prepare(&self, leaf: &Path) -> io::Result<()> {
        if !self.cpuset {
            return Ok(());
        }
        for dir in [self.path.as_path(), leaf] {
            for file in ["cpuset.cpus", "cpuset.mems"] {
                inherit(dir, file)?;
            }
        }
        Ok(())
    }
}

fn inherit(dir: &Path, file: &str) -> io::Result<()> {
    if !fs::read_to_string(dir.join(file))?.trim().is_empty() {
        return Ok(());
    }
    let above = dir.parent().unwrap_or(dir).join(file);
    fs::write(dir.join(file), fs::read_to_string(above)?.trim())
}

fn dirs(layout: &Layout, name: &InstanceName) -> Vec<Group> {
    let v1 = layout.v1.iter().map(|hierarchy| Group {
        path: hierarchy.dir(name.as_str()),
        procs: "tasks",
        cpuset: hierarchy.controllers.iter().any(|name| name == "cpuset"),
    });
    let unified = layout.unified.iter().map(|hierarchy| Group {
        path: hierarchy.dir(name.as_str()),
        procs: "cgroup.procs",
        cpuset: false,
    });
    v1.chain(unified).collect()
}

/// Leaves first: a group with children cannot go.
fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(dir).map_err(|error| io::Error::other(format!("cgroup {}: {error}", dir.display())))
}
