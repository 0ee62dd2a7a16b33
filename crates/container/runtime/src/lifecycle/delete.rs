//! `delete`: nothing of the container is left.

use sys::pidfd;
use sys::poll;

use super::record::{Directory, Record};
use super::{Runtime, RuntimeError, hooks};
use crate::spec::ContainerStatus;

impl Runtime {
    /// Deletes a stopped container; with `force` one in any state, and a half-made or missing one
    /// as well. Poststop hooks run last; their failures are returned as warnings.
    ///
    /// # Errors
    /// The container is not stopped, or its traces cannot be removed.
    pub fn delete(&self, id: &str, force: bool) -> Result<Vec<String>, RuntimeError> {
        let directory = Directory::of(&self.root, id)?;
        let record = match directory.read(id) {
            // The record is the first thing that is written, so there is nothing else to clear up.
            Err(_) if force => return directory.remove(id).map(|()| Vec::new()),
            other => other?,
        };
        let status = record.state(&directory.gate()).status;
        // As runc: one that was never started may go, and is ended by it.
        if !(force || matches!(status, ContainerStatus::Stopped | ContainerStatus::Created)) {
            return Err(RuntimeError::Status {
                id: id.to_owned(),
                status,
                operation: "delete",
            });
        }
        end(&record).map_err(|source| RuntimeError::Signal {
            id: id.to_owned(),
            source,
        })?;
        remove_cgroup(&record).map_err(|source| RuntimeError::Cgroup {
            id: id.to_owned(),
            source,
        })?;
        let hooks = directory
            .spec(id)
            .ok()
            .and_then(|spec| spec.hooks)
            .unwrap_or_default();
        directory.remove(id)?;
        let state = record.state(&directory.gate());
        let failures = hooks.poststop.iter().filter_map(|hook| {
            // Each runs, whatever becomes of the others.
            hooks::run("poststop", std::slice::from_ref(hook), &state, None).err()
        });
        Ok(failures.map(|error| error.to_string()).collect())
    }
}

/// Kills the first process and waits until it is gone; the kernel ends the rest of its pid
/// namespace with it.
fn end(record: &Record) -> std::io::Result<()> {
    let Some(process) = record.process() else {
        return Ok(());
    };
    match pidfd::signal(&process, libc::SIGKILL) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    poll::readable(&process)
}

/// Ends whatever is left in the cgroup (a container without a pid namespace of its own leaves its
/// children behind) and removes it.
fn remove_cgroup(record: &Record) -> std::io::Result<()> {
    record.cgroup.kill()?;
    record.cgroup.remove()
}
