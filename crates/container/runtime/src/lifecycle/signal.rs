//! `kill`: a signal to the container's first process.

use sys::pidfd;

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
            .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        pidfd::signal(process, signal).map_err(failed)
    }
}
