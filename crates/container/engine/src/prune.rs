//! Removing containers that have ended.

use crate::container::{Container, ContainerId, Owner};
use crate::engine::Engine;
use crate::error::Error;
use crate::request::Remove;
use crate::state::Status;
use crate::tasks::blocking;

/// What a prune of containers did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedContainers {
    /// Who went.
    pub removed: Vec<ContainerId>,
    /// Bytes of their changes.
    pub reclaimed: u64,
}

impl Engine {
    /// Removes every container that does not run, belongs to the Docker door and is `wanted`.
    ///
    /// # Errors
    /// None at present: one that cannot be removed stays and is told of.
    pub async fn prune_containers(
        &self,
        wanted: impl Fn(&Container) -> bool + Send,
    ) -> Result<PrunedContainers, Error> {
        let mut pruned = PrunedContainers::default();
        for container in self.list() {
            let status = container.state.status;
            let ended = !status.is_running() && status != Status::Removing;
            if !ended || container.owner != Owner::Docker || !wanted(&container) {
                continue;
            }
            let (images, id) = (self.0.images.clone(), container.id.clone());
            let size = blocking(move || images.rootfs(&id).and_then(|rootfs| rootfs.size().ok())).await;
            match self.remove(&container.id, Remove::default()).await {
                Ok(()) => {
                    pruned.removed.push(container.id.clone());
                    pruned.reclaimed += size.unwrap_or(0);
                }
                Err(error) => tracing::warn!(id = %container.id, %error, "not pruned"),
            }
        }
        Ok(pruned)
    }
}
