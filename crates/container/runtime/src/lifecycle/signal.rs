//! `kill`: a signal to the container's first process.

use std::io;

use sys::pidfd::{self, Pid};

use super::{Runtime, RuntimeError};
use crate::spec::ContainerStatus;

impl Runtime {
    /// Sends `signal` to the container's first process.
    ///
    /// # Errors
    /// The container is neither created nor running.
    pub fn kill(&self, id: &str, signal: i32) -> Result<(), RuntimeError> {
        let allowed = [ContainerStatus::Created, ContainerStatus::Running];
        let (_, record) = self.expect(id, "kill", &allowed)?;
        let failed = |source| RuntimeError::Signal {
            id: id.to_owned(),
            source,
        };
        let process = record
            .process()
            .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        pidfd::signal(process, signal).map_err(failed)
    }
}

/// Signals a process by id, through a pidfd; `NotFound` if it has ended.
pub(super) fn send(pid: u32, signal: i32) -> io::Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd::open(pid).map_err(|error| match error.raw_os_error() {
        Some(libc::ESRCH) => io::ErrorKind::NotFound.into(),
        _ => error,
    })?;
    pidfd::signal(process, signal)
}
