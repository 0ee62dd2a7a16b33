//! `start`: the created container's program runs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::create::own_namespaces;
use super::{Runtime, RuntimeError, hooks};
use crate::spec::ContainerStatus;

impl Runtime {
    /// Lets the container's process go on from its gate to its program, with startContainer hooks
    /// before and poststart hooks after.
    ///
    /// # Errors
    /// The container is not created, or has ended meanwhile; a startContainer hook failed. A
    /// poststart hook's failure is returned as a warning.
    pub fn start(&self, id: &str) -> Result<Vec<String>, RuntimeError> {
        let (directory, record) = self.expect(id, "start", &[ContainerStatus::Created])?;
        let hooks = directory.spec(id)?.hooks.unwrap_or_default();
        let state = record.state(&directory.gate());
        if !hooks.start_container.is_empty() {
            let process = record
                .process()
                .ok_or_else(|| RuntimeError::NotFound(id.to_owned()))?;
            let namespaces = own_namespaces(record.pid);
            let container = Some((std::os::fd::AsFd::as_fd(&process), namespaces));
            hooks::run("startContainer", &hooks.start_container, &state, container)?;
        }
        open_gate(&directory.gate()).map_err(|source| RuntimeError::state(id, source))?;
        let state = record.state(&directory.gate());
        let poststart = hooks::run("poststart", &hooks.poststart, &state, None);
        Ok(poststart
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect())
    }
}

/// Writes to the FIFO without waiting: the container's process holds it open while it lives. The FIFO's name
/// is what says `created`, so it goes first: whoever hears from the program finds the container running.
fn open_gate(gate: &Path) -> io::Result<()> {
    let mut fifo = fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(gate)?;
    fs::remove_file(gate)?;
    fifo.write_all(b"0")
}
