//! Pause and unpause: the freezer.

use std::fs;
use std::io;
use std::sync::Arc;

use runtime::cgroup::Cgroup;
use sys::poll;

use crate::engine::Engine;
use crate::error::Error;
use crate::state::Status;
use crate::table::Entry;
use crate::tasks::{apart, blocking};

impl Engine {
    /// Freezes every process of a container.
    ///
    /// # Errors
    /// It does not run, or is frozen.
    pub async fn pause(&self, reference: &str) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move { engine.set_frozen(&entry, true).await }).await
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// It is not frozen.
    pub async fn unpause(&self, reference: &str) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move { engine.set_frozen(&entry, false).await }).await
    }

    pub(crate) async fn set_frozen(&self, entry: &Arc<Entry>, frozen: bool) -> Result<(), Error> {
        let _turn = entry.operation.lock().await;
        let id = &entry.id;
        match (entry.get().state.status, frozen) {
            (Status::Running, true) | (Status::Paused, false) => {}
            (Status::Paused, true) => {
                return Err(Error::Conflict(format!("Container {id} is already paused")));
            }
            (Status::Restarting, true) => {
                return Err(Error::Conflict(format!(
                    "Container {id} is restarting, wait until the container is running"
                )));
            }
            (_, true) => return Err(Error::not_running(id)),
            (_, false) => return Err(Error::Conflict(format!("Container {id} is not paused"))),
        }
        let process = entry.process().ok_or_else(|| Error::not_running(id))?;
        let done = blocking(move || freeze(&process.cgroup, frozen)).await;
        done.map_err(Error::system("the container's freezer"))?;
        let (from, to) = if frozen {
            (Status::Running, Status::Paused)
        } else {
            (Status::Paused, Status::Running)
        };
        entry.change(|container| {
            // It may have ended meanwhile.
            if container.state.status == from {
                container.state.status = to;
            }
        });
        self.tell(&entry.get(), if frozen { "pause" } else { "unpause" }, &[]);
        self.keep(entry).await;
        Ok(())
    }
}

/// Returns when the kernel says that it is done.
fn freeze(cgroup: &Cgroup, frozen: bool) -> io::Result<()> {
    let events = cgroup.open_events()?;
    cgroup.freeze(frozen)?;
    let wanted = if frozen { "frozen 1" } else { "frozen 0" };
    // Without a unified hierarchy the kernel has no event to tell of it.
    if let (Some(events), Some(directory)) = (events, &cgroup.unified) {
        while !fs::read_to_string(directory.join("cgroup.events"))?.contains(wanted) {
            poll::urgent(&events)?;
        }
    }
    Ok(())
}
