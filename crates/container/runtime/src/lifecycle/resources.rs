//! What is done to all processes of a container at once, through its cgroup: pause, resume, list,
//! update.

use std::fs;

use sys::poll;

use super::{Runtime, RuntimeError};
use crate::cgroup::{self, Cgroup, Layout, Request};
use crate::spec::{ContainerStatus, LinuxResources};

impl Runtime {
    /// Freezes every process of a running container, and returns when they are.
    ///
    /// # Errors
    /// The container is not running, or its cgroup cannot be frozen.
    pub fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        self.freeze(id, "pause", true)
    }

    /// Thaws them again.
    ///
    /// # Errors
    /// The container is not running, or its cgroup cannot be thawed.
    pub fn resume(&self, id: &str) -> Result<(), RuntimeError> {
        self.freeze(id, "resume", false)
    }

    fn freeze(&self, id: &str, operation: &'static str, frozen: bool) -> Result<(), RuntimeError> {
        let alive = [ContainerStatus::Created, ContainerStatus::Running];
        let (_, record) = self.expect(id, operation, &alive)?;
        let failed = |source| RuntimeError::cgroup(id, source);
        let cgroup = record.cgroup.cgroup();
        let events = cgroup.open_events().map_err(failed)?;
        cgroup.freeze(frozen).map_err(failed)?;
        let wanted = if frozen { "frozen 1" } else { "frozen 0" };
        // Without a unified hierarchy the kernel has no event to tell of it.
        if let (Some(events), Some(directory)) = (events, &record.cgroup.unified) {
            while !fs::read_to_string(directory.join("cgroup.events"))
                .map_err(failed)?
                .contains(wanted)
            {
                poll::urgent(&events).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Whether the container's processes are frozen.
    ///
    /// # Errors
    /// There is no such container.
    pub fn is_paused(&self, id: &str) -> Result<bool, RuntimeError> {
        let cgroup = self.record(id)?.cgroup;
        let says = |file: std::path::PathBuf, word: &str| {
            fs::read_to_string(file).is_ok_and(|text| text.contains(word))
        };
        let unified = cgroup
            .unified
            .iter()
            .any(|directory| says(directory.join("cgroup.events"), "frozen 1"));
        Ok(unified
            || cgroup
                .v1
                .iter()
                .any(|directory| says(directory.join("freezer.state"), "FROZEN")))
    }

    /// The ids, on the host, of the container's processes.
    ///
    /// # Errors
    /// There is no such container, or its cgroup cannot be read.
    pub fn processes(&self, id: &str) -> Result<Vec<u32>, RuntimeError> {
        let record = self.record(id)?;
        record
            .cgroup
            .cgroup()
            .pids()
            .map_err(|source| RuntimeError::Cgroup {
                id: id.to_owned(),
                source,
            })
    }

    /// Applies limits to a container that is there already; what they do not name stays.
    ///
    /// # Errors
    /// The container has ended, this host cannot limit that, or the kernel refuses.
    pub fn update(&self, id: &str, resources: &LinuxResources) -> Result<(), RuntimeError> {
        let alive = [ContainerStatus::Created, ContainerStatus::Running];
        let (directory, record) = self.expect(id, "update", &alive)?;
        let failed = |source| RuntimeError::cgroup(id, source);
        let layout = Layout::read().map_err(failed)?;
        let linux = directory.spec(id)?.linux.unwrap_or_default();
        let path = super::cgroups::group_path(&linux.cgroups_path, id)?;
        let current_memory_limit = record.cgroup.v1.iter().find_map(|directory| {
            fs::read_to_string(directory.join("memory.limit_in_bytes"))
                .ok()?
                .trim()
                .parse()
                .ok()
        });
        let request = Request {
            path: &path,
            resources,
            accounting: false,
            current_memory_limit,
        };
        let planned = cgroup::plan(&layout, request)?;
        Cgroup::of(&layout, &planned).apply(&planned).map_err(failed)
    }

    /// Sends `signal` to every process of the container.
    ///
    /// # Errors
    /// There is no such container, its cgroup cannot be read, or a process cannot be signalled.
    pub fn kill_all(&self, id: &str, signal: i32) -> Result<(), RuntimeError> {
        let failed = |source| RuntimeError::Signal {
            id: id.to_owned(),
            source,
        };
        for pid in self.processes(id)? {
            match super::signal::send(pid, signal) {
                // It has ended meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => other.map_err(failed)?,
            }
        }
        Ok(())
    }
}
