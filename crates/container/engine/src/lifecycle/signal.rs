//! Kill: any signal, to the container's first process.

use std::sync::Arc;
use std::time::Duration;

use runtime::signal::{self, SIGKILL};

use crate::engine::Engine;
use crate::error::Error;
use crate::state::Status;
use crate::table::Entry;
use crate::tasks::{apart, blocking};

/// Who ends a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ender {
    /// Somebody who asked for it: `unless-stopped` heeds that.
    User,
    /// The node, because it goes down itself.
    Node,
}

/// How long a kill waits for the end that must follow (upstream's number).
const KILL_WAIT: Duration = Duration::from_secs(10);

impl Engine {
    /// Sends a signal; for SIGKILL, and 0 which stands for it, returns when the program has ended.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn kill(&self, reference: &str, signal: i32) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move {
            match signal {
                0 | SIGKILL => engine.kill_entry(&entry, Ender::User).await,
                other => engine.signal_entry(&entry, other, Ender::User).await,
            }
        })
        .await
    }

    /// Ends the program without asking and waits for its end.
    pub(crate) async fn kill_entry(&self, entry: &Arc<Entry>, ender: Ender) -> Result<(), Error> {
        let end = self.end_of_run(entry);
        self.signal_entry(entry, SIGKILL, ender).await?;
        self.expect_end(entry, end).await
    }

    /// Waits for an end that must come, since the program was killed or is gone.
    pub(crate) async fn expect_end(
        &self,
        entry: &Entry,
        end: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        if tokio::time::timeout(KILL_WAIT, end).await.is_err() {
            return Err(Error::Unavailable(format!(
                "tried to kill container, but did not receive an exit event: {}",
                entry.id
            )));
        }
        Ok(())
    }

    /// Sends a signal that may end the program: the restart policy heeds it, and a program that is
    /// frozen is let go so that it can act.
    pub(crate) async fn signal_entry(
        &self,
        entry: &Arc<Entry>,
        number: i32,
        ender: Ender,
    ) -> Result<(), Error> {
        let container = entry.get();
        if container.state.status == Status::Restarting && self.cancel_restart(entry, ender).await {
            return Ok(());
        }
        if !entry.get().state.status.has_process() {
            return Err(Error::not_running(&container.id));
        }
        let own = signal::parse(&container.spec.stop_signal);
        // A signal that is not the container's own stop signal lets its restart policy act.
        let stops = own.is_none() || number == SIGKILL || own == Some(number);
        if stops {
            entry.run().stopping = true;
        }
        entry.change(|container| container.state.stopped_by_user |= ender == Ender::User);
        self.send(entry, number)?;
        let (engine, kept) = (self.clone(), entry.clone());
        self.0.background.spawn(async move { engine.keep(&kept).await });
        self.tell(&container, "kill", &[("signal", number.to_string())]);
        if stops && entry.get().state.status == Status::Paused {
            self.thaw(entry).await?;
        }
        Ok(())
    }

    /// Sends a signal and nothing more. One to a process that is ending is no error.
    pub(crate) fn send(&self, entry: &Entry, number: i32) -> Result<(), Error> {
        let process = entry.process().and_then(|process| process.pidfd);
        let pidfd = process.ok_or_else(|| Error::not_running(&entry.id))?;
        match sys::pidfd::signal(&*pidfd, number) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            sent => sent.map_err(Error::system("a signal")),
        }
    }

    async fn thaw(&self, entry: &Arc<Entry>) -> Result<(), Error> {
        let Some(process) = entry.process() else {
            return Ok(());
        };
        let thawed = blocking(move || process.cgroup.freeze(false)).await;
        thawed.map_err(Error::system("the container's freezer"))?;
        entry.change(|container| {
            if container.state.status == Status::Paused {
                container.state.status = Status::Running;
            }
        });
        Ok(())
    }

    /// Ends the wait for a restart; false if the program came to run meanwhile.
    pub(crate) async fn cancel_restart(&self, entry: &Arc<Entry>, ender: Ender) -> bool {
        let _turn = entry.operation.lock().await;
        if entry.get().state.status != Status::Restarting {
            return !entry.get().state.status.has_process();
        }
        if let Some(restart) = entry.run().restart.take() {
            restart.abort();
        }
        entry.change(|container| {
            container.state.status = Status::Exited;
            container.state.stopped_by_user |= ender == Ender::User;
        });
        self.keep(entry).await;
        true
    }
}
