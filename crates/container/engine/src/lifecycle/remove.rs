//! Remove: the row first, durably; everything else is found and cleared by whoever comes next.

use std::sync::Arc;
use std::time::Duration;

use runtime::signal::SIGKILL;
use store::Durability;
use tokio::time::timeout;

use super::signal::Ender;
use crate::engine::Engine;
use crate::error::Error;
use crate::request::Remove;
use crate::state::Status;
use crate::table::Entry;
use crate::tasks::{apart, blocking};

impl Engine {
    /// Removes a container. It is forgotten when this returns, durably unless it is a pod's; its
    /// files go in the background.
    ///
    /// # Errors
    /// It runs and force was not asked for, or it is being removed already.
    pub async fn remove(&self, reference: &str, remove: Remove) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move {
            engine.check_removable(&entry, remove.force)?;
            loop {
                engine.stop_for_removal(&entry).await?;
                let durability = entry.get().owner.durability();
                let removed = engine.remove_entry(&entry, remove.volumes, durability).await;
                let refused = matches!(removed, Err(Error::Conflict(_)));
                if !(remove.force && refused) {
                    return removed;
                }
                let container = entry.get();
                if container.state.status == Status::Removing {
                    // Its end, which is our doing, removes it; else somebody else has asked for that.
                    let itself = container.spec.auto_remove && until_removed(&entry).await;
                    return if itself { Ok(()) } else { removed };
                }
                // It was being started when it was told to end; it may have ended since.
            }
        })
        .await
    }

    fn check_removable(&self, entry: &Entry, force: bool) -> Result<(), Error> {
        let container = entry.get();
        let (name, status) = (&container.name, container.state.status);
        match status {
            Status::Removing => Err(Error::Conflict(format!(
                "removal of container {name} is already in progress"
            ))),
            Status::Paused if !force => Err(Error::Conflict(format!(
                "cannot remove container \"/{name}\": container is paused and must be unpaused first"
            ))),
            status if status.is_running() && !force => Err(Error::Conflict(format!(
                "cannot remove container \"/{name}\": container is {status}: stop the container before \
                 removing or force remove"
            ))),
            _ => Ok(()),
        }
    }

    async fn stop_for_removal(&self, entry: &Arc<Entry>) -> Result<(), Error> {
        if !entry.get().state.status.is_running() {
            return Ok(());
        }
        let end = self.end_of_run(entry);
        match self.signal_entry(entry, SIGKILL, Ender::User).await {
            // One that has ended by itself may not have been entered as ended yet.
            Ok(()) | Err(Error::Conflict(_)) => self.expect_end(entry, end).await,
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn remove_entry(
        &self,
        entry: &Arc<Entry>,
        volumes: bool,
        durability: Durability,
    ) -> Result<(), Error> {
        let turn = entry.operation.lock().await;
        let before = entry.change(|container| {
            let before = container.state.status;
            if !before.has_process() {
                container.state.status = Status::Removing;
            }
            before
        });
        let name = entry.get().name.clone();
        if before == Status::Removing {
            let text = format!("removal of container {name} is already in progress");
            return Err(Error::Conflict(text));
        }
        if before.has_process() {
            return Err(Error::Conflict(format!(
                "cannot remove container \"/{name}\": container is {before}: stop the container before \
                 removing or force remove"
            )));
        }
        if let Some(restart) = entry.run().restart.take() {
            restart.abort();
        }
        if let Err(error) = self.0.rows.forget(entry, durability).await {
            entry.change(|container| container.state.status = before);
            return Err(error);
        }
        let container = entry.get();
        self.0.table.remove(&entry.id);
        self.forget_execs(&entry.id);
        entry.hubs.end();
        let (engine, gone) = (self.clone(), container.clone());
        blocking(move || engine.release_volumes(&gone, volumes)).await;
        self.tell(&container, "destroy", &[]);
        entry.signals.send_modify(|signals| {
            // Its last run may have been entered as ended and not been told of.
            (signals.removed, signals.last.code) = (true, container.state.exit_code);
        });
        drop(turn);
        let engine = self.clone();
        let cleared = async move {
            engine.discard_files(&container.id).await;
        };
        self.0.background.spawn(cleared);
        Ok(())
    }
}

/// Waits for another's removal; whether it has succeeded in time.
async fn until_removed(entry: &Entry) -> bool {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut signals = entry.signals.subscribe();
    timeout(PATIENCE, signals.wait_for(|signals| signals.removed))
        .await
        .is_ok()
}
