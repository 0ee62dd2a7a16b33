//! The groups of the node's own processes: `/NAME/node` in every hierarchy, beside its containers'.
//!
//! On v2 a group with controllers may not hold processes itself, hence a leaf of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime::cgroup::Layout;

use crate::config::InstanceName;
use crate::directory::command_of;

/// The leaf of the node's own processes.
const NODE: &str = "node";

/// Moves this process, which must be single-threaded, into the group of the node's own processes.
///
/// # Errors
/// A group cannot be made or joined; the message names it.
pub fn join(name: &InstanceName) -> io::Result<()> {
    for dir in dirs(&Layout::read()?, name) {
        let leaf = dir.path.join(NODE);
        // A fresh one, unless our own daemon is in it: the kernel remembers of a group that it was killed as a whole
        // (`cgroup.kill`), and kills what a process in it clones into a group of which that is not so.
        drop(fs::remove_dir(&leaf));
        let joined = fs::create_dir_all(&leaf)
            .and_then(|()| dir.prepare(&leaf))
            .and_then(|()| fs::write(leaf.join(dir.procs), "0"));
        joined.map_err(|error| io::Error::other(format!("cgroup {}: {error}", leaf.display())))?;
    }
    Ok(())
}

/// The process that runs a node of this name, the first of them; none if nobody does. Links, the nf_tables table and
/// these groups are named after it, so that a second node of the name would take down what the first one has.
///
/// # Errors
/// The groups cannot be read.
pub fn holder(name: &InstanceName) -> io::Result<Option<u32>> {
    // One that is ending has no command line any more.
    let lives = |pid: &u32| command_of(*pid).is_some_and(|command| !command.is_empty());
    Ok(own(name)?.into_iter().find(lives))
}

/// The node's own processes: those in its leaf in every hierarchy. A container is there as well where it has no group of
/// its own, which is never so in all of them.
///
/// # Errors
/// The groups cannot be read.
pub(crate) fn own(name: &InstanceName) -> io::Result<BTreeSet<u32>> {
    let mut own: Option<BTreeSet<u32>> = None;
    for dir in dirs(&Layout::read()?, name) {
        let text = match fs::read_to_string(dir.path.join(NODE).join("cgroup.procs")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let here: BTreeSet<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        own = Some(match own {
            Some(own) => &own & &here,
            None => here,
        });
    }
    Ok(own.unwrap_or_default())
}

/// Removes the node's groups. Empty ones only: a group with a process in it stays, as does what is not ours.
///
/// # Errors
/// A group that is still in use; the message names it.
pub(crate) fn remove(name: &InstanceName) -> io::Result<()> {
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
