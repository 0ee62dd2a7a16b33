//! The container's cgroup: made before its process, removed after the last one in it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sys::poll;

use super::{RuntimeError, signal};
use crate::cgroup::{self, Cgroup, Hierarchy, Layout, Request};
use crate::plan::{self, CgroupMount};
use crate::spec::{Linux, LinuxResources};

/// The directories of a container's cgroup, as its record keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupDirectories {
    /// On v1 hierarchies.
    #[serde(default)]
    pub v1: Vec<PathBuf>,
    /// On the unified hierarchy.
    #[serde(default)]
    pub unified: Option<PathBuf>,
    /// Some of it was there before the container: then it is not the container's to kill or to
    /// remove.
    #[serde(default)]
    pub shared: bool,
}

impl CgroupDirectories {
    /// The cgroup itself.
    #[must_use]
    pub fn cgroup(&self) -> Cgroup {
        Cgroup {
            v1: self.v1.clone(),
            unified: self.unified.clone(),
        }
    }

    /// Files to which a process writes `0` to join; the unified hierarchy is joined by `clone3`,
    /// which takes no lock shared by all of the host.
    #[must_use]
    pub fn joins(&self) -> Vec<PathBuf> {
        Cgroup {
            v1: self.v1.clone(),
            unified: None,
        }
        .join_files()
        .collect()
    }

    pub(super) fn open_unified(&self) -> io::Result<Option<OwnedFd>> {
        Ok(self.cgroup().open_unified()?.map(OwnedFd::from))
    }

    fn planned(layout: &Layout, planned: &cgroup::Plan) -> Self {
        let Cgroup { v1, unified } = Cgroup::of(layout, planned);
        let shared = planned.dirs.iter().any(|directory| directory.exists());
        Self { v1, unified, shared }
    }

    /// Removes the groups as soon as the processes in them, which must be ending, have ended.
    pub(super) fn remove(&self) -> io::Result<()> {
        if self.shared {
            return Ok(());
        }
        self.cgroup().remove(|events: &File| poll::urgent(events))
    }

    /// Kills every process in the groups.
    pub(super) fn kill(&self) -> io::Result<()> {
        if self.shared || !self.cgroup().populated().unwrap_or(false) {
            return Ok(());
        }
        self.cgroup().kill(|pid| match signal::send(pid, libc::SIGKILL) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
    }
}

/// A container's cgroup, planned and not yet made.
#[derive(Clone, Debug)]
pub struct Prepared {
    layout: Layout,
    planned: cgroup::Plan,
    /// Its directories.
    pub directories: CgroupDirectories,
    /// The hierarchies as the container may see them.
    pub mounts: Vec<CgroupMount>,
}

impl Prepared {
    /// Plans the cgroup on this host, whose hierarchies are read anew.
    pub(super) fn new(linux: &Linux, id: &str) -> Result<Self, RuntimeError> {
        let layout = Layout::read().map_err(|source| RuntimeError::cgroup(id, source))?;
        Self::plan(layout, linux, id)
    }

    /// Plans the cgroup with its limits: `linux.cgroupsPath`, or the container's id at the top of
    /// each hierarchy.
    ///
    /// # Errors
    /// The path leads out of the hierarchies, or this host cannot limit what is to be limited.
    pub fn plan(layout: Layout, linux: &Linux, id: &str) -> Result<Self, RuntimeError> {
        let path = group_path(&linux.cgroups_path, id)?;
        let configured = linux.resources.clone().unwrap_or_default();
        let devices = plan::device_rules(&configured.devices);
        let resources = &LinuxResources {
            devices,
            ..configured
        };
        let request = Request {
            path: &path,
            resources,
            accounting: true,
            current_memory_limit: None,
        };
        let planned = cgroup::plan(&layout, request)?;
        let directories = CgroupDirectories::planned(&layout, &planned);
        let mounts = mounts(&layout, &directories.cgroup(), &path);
        Ok(Self {
            layout,
            planned,
            directories,
            mounts,
        })
    }

    /// Makes the groups and applies the limits; on an error nothing is left.
    ///
    /// # Errors
    /// The kernel's; the message names the limit.
    pub fn make(&self) -> io::Result<()> {
        Cgroup::create(&self.layout, &self.planned).map(drop)
    }

    /// Whether `/sys/fs/cgroup` is the unified hierarchy alone.
    #[must_use]
    pub const fn cgroup2(&self) -> bool {
        self.layout.v1.is_empty()
    }
}

/// A path that stays below the hierarchies' roots.
pub(super) fn group_path(configured: &str, id: &str) -> Result<String, RuntimeError> {
    if configured.split('/').any(|component| component == "..") {
        return Err(RuntimeError::CgroupsPath(configured.to_owned()));
    }
    let path = if configured.is_empty() { id } else { configured };
    match path.trim_matches('/') {
        "" => Err(RuntimeError::CgroupsPath(configured.to_owned())),
        path => Ok(format!("/{path}")),
    }
}

/// The hierarchies in which the container has a group of its own: others would show it the host's.
fn mounts(layout: &Layout, group: &Cgroup, path: &str) -> Vec<CgroupMount> {
    let unified = layout.unified.iter().filter(|_| layout.v1.is_empty());
    let hierarchies = layout.v1.iter().chain(unified);
    let own = |hierarchy: &&Hierarchy| {
        let directory = hierarchy.dir(path);
        group.v1.contains(&directory) || group.unified.as_ref() == Some(&directory)
    };
    hierarchies
        .filter(own)
        .map(|hierarchy| mount(hierarchy, path))
        .collect()
}

fn mount(hierarchy: &Hierarchy, path: &str) -> CgroupMount {
    let name = hierarchy
        .mount
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let named = hierarchy
        .controllers
        .iter()
        .any(|controller| controller.starts_with("name="));
    let none = named.then(|| "none".to_owned());
    let options = none
        .into_iter()
        .chain(hierarchy.controllers.iter().cloned())
        .collect();
    CgroupMount {
        name,
        options,
        path: hierarchy.dir(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stays_below_the_root() {
        assert_eq!(group_path("", "web").unwrap(), "/web");
        assert_eq!(group_path("/docker/abc", "web").unwrap(), "/docker/abc");
        assert!(group_path("/docker/../../x", "web").is_err());
        assert!(group_path("/", "web").is_err());
    }
}
