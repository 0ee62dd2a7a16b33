//! Attaching to a container.

use std::sync::Arc;

use super::hub::{Added, Client, Hub};
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::request::{Attach, Attached};
use crate::state::Status;
use crate::table::Entry;
use crate::tasks::apart;

impl Engine {
    /// Attaches to the streams of a container. One that does not run is waited for: the client gets
    /// its next run, whether it has run before or not. What a client gets ends with the run.
    ///
    /// # Errors
    /// It is frozen or about to be restarted, or its streams cannot be had.
    pub async fn attach(&self, reference: &str, attach: Attach) -> Result<Attached, Error> {
        let entry = self.0.table.find(reference)?;
        let engine = self.clone();
        apart(async move {
            let container = entry.get();
            let hub = match container.state.status {
                Status::Created | Status::Exited => entry.hubs.next(),
                _ => entry.hubs.latest(),
            };
            // One that has just ended has nothing to say; its client sees the end at once.
            let (attached, _) = engine.attach_to(&entry, &hub, attach).await?;
            Ok(attached)
        })
        .await
    }

    /// As [`Engine::attach`], but to a program that runs and to no other.
    ///
    /// # Errors
    /// As those of attach; or it does not run, or ends just now ([`Error::Conflict`]).
    pub async fn attach_running(&self, reference: &str, attach: Attach) -> Result<Attached, Error> {
        let entry = self.0.table.find(reference)?;
        let engine = self.clone();
        apart(async move {
            // In this order: the process that is found then is this hub's or a later one's.
            let hub = entry.hubs.latest();
            if entry.process().is_none() {
                return Err(Error::not_running(&entry.id));
            }
            match engine.attach_to(&entry, &hub, attach).await? {
                (_, Added::Late) => Err(Error::not_running(&entry.id)),
                (attached, _) => Ok(attached),
            }
        })
        .await
    }

    async fn attach_to(
        &self,
        entry: &Arc<Entry>,
        hub: &Arc<Hub>,
        attach: Attach,
    ) -> Result<(Attached, Added), Error> {
        let container = entry.get();
        refuse_halted(&container)?;
        let (client, output) = Client::new(attach.stdout, attach.stderr);
        let input = (attach.stdin && attach.stream && container.spec.open_stdin).then(|| {
            let (engine, closed, run) = (self.clone(), entry.clone(), hub.clone());
            hub.writer(&client, move || async move {
                engine.input_closed(&closed, &run).await;
            })
        });
        let logs = attach
            .logs
            .then(|| self.past_output(&container, attach))
            .transpose()?;
        let added = match (logs, attach.stream) {
            (Some(logs), stream) => {
                let (engine, served, hub) = (self.clone(), entry.clone(), hub.clone());
                tokio::spawn(async move {
                    logs.pass_to(&client).await;
                    if stream {
                        return engine.serve_client(&served, &hub, client).await;
                    }
                    Ok(Added::Served)
                });
                Added::Served
            }
            (None, true) => self.serve_client(entry, hub, client).await?,
            (None, false) => Added::Served,
        };
        self.tell(&container, "attach", &[]);
        let attached = Attached {
            tty: container.spec.tty,
            output,
            input,
        };
        Ok((attached, added))
    }

    /// Lets a client have what is written from now on.
    async fn serve_client(&self, entry: &Arc<Entry>, hub: &Arc<Hub>, client: Client) -> Result<Added, Error> {
        let _opening = hub.opening.lock().await;
        let added = hub.add(client);
        if added == Added::Unserved {
            self.copy_output(entry, hub).await?;
        }
        Ok(added)
    }

    /// Asks for a copy of what a running container writes, for clients that have none.
    async fn copy_output(&self, entry: &Arc<Entry>, hub: &Arc<Hub>) -> Result<(), Error> {
        let Some(process) = entry.process() else {
            // It is yet to start, and its start will see that somebody listens.
            return Ok(());
        };
        let mut streams = self.0.supervisor.attach(&process.key).await?;
        streams.input = self.0.supervisor.input(&process.key);
        if self.runs(&process.key) {
            hub.open(streams);
        }
        Ok(())
    }

    /// A program runs that nobody was attached to when its start was planned: whoever has come since is served.
    pub(crate) fn serve_latecomers(&self, entry: &Arc<Entry>) {
        if entry.hubs.latest().is_starved() {
            let (engine, entry) = (self.clone(), entry.clone());
            tokio::spawn(async move { engine.reattach(&entry).await });
        }
    }

    /// After a supervisor was lost: whoever is attached is served from the next one.
    pub(crate) async fn reattach(&self, entry: &Arc<Entry>) {
        let hub = entry.hubs.latest();
        let _opening = hub.opening.lock().await;
        if !hub.is_starved() {
            return;
        }
        if let Err(error) = self.copy_output(entry, &hub).await {
            tracing::warn!(id = %entry.id, %error, "attached clients are not served any more");
            hub.close();
        }
    }

    /// A client has ended its input. With `stdin_once` so has the container, if it still is the run that
    /// the client came for.
    async fn input_closed(&self, entry: &Arc<Entry>, hub: &Arc<Hub>) {
        let spec = entry.get().spec.clone();
        let process = entry.process().filter(|_| spec.stdin_once && !spec.tty);
        let Some(process) = process.filter(|_| Arc::ptr_eq(hub, &entry.hubs.latest())) else {
            return;
        };
        hub.close_input();
        if let Err(error) = self.0.supervisor.close_stdin(&process.key).await {
            tracing::debug!(id = %entry.id, %error, "the end of input");
        }
    }

    /// Changes the size of a container's terminal.
    ///
    /// # Errors
    /// It does not run, or has no terminal.
    pub async fn resize(&self, reference: &str, rows: u16, columns: u16) -> Result<(), Error> {
        let entry = self.0.table.find(reference)?;
        let process = entry.process().ok_or_else(|| Error::not_running(&entry.id))?;
        self.0.supervisor.resize(&process.key, rows, columns).await?;
        let size = [("height", rows.to_string()), ("width", columns.to_string())];
        self.tell(&entry.get(), "resize", &size);
        Ok(())
    }
}

/// A container that does not go on, and will: nobody attaches meanwhile.
fn refuse_halted(container: &Container) -> Result<(), Error> {
    let id = &container.id;
    let text = match container.state.status {
        Status::Paused => format!("container {id} is paused, unpause the container before attach"),
        Status::Restarting => format!("container {id} is restarting, wait until the container is running"),
        _ => return Ok(()),
    };
    Err(Error::Conflict(text))
}
