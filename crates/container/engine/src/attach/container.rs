//! Attaching to a container.

use std::sync::Arc;

use super::hub::Client;
use crate::engine::Engine;
use crate::error::Error;
use crate::request::{Attach, Attached};
use crate::state::Status;
use crate::table::Entry;
use crate::tasks::apart;

impl Engine {
    /// Attaches to the streams of a container, also of one that is yet to start.
    ///
    /// # Errors
    /// It is frozen or about to be restarted, or its streams cannot be had.
    pub async fn attach(&self, reference: &str, attach: Attach) -> Result<Attached, Error> {
        let entry = self.0.table.find(reference)?;
        let engine = self.clone();
        apart(async move { engine.attach_entry(&entry, attach).await }).await
    }

    async fn attach_entry(&self, entry: &Arc<Entry>, attach: Attach) -> Result<Attached, Error> {
        let container = entry.get();
        let id = &container.id;
        match container.state.status {
            Status::Paused => {
                let text = format!("container {id} is paused, unpause the container before attach");
                return Err(Error::Conflict(text));
            }
            Status::Restarting => {
                let text = format!("container {id} is restarting, wait until the container is running");
                return Err(Error::Conflict(text));
            }
            _ => {}
        }
        let (client, output) = Client::new(attach.stdout, attach.stderr);
        let input = (attach.stdin && attach.stream && container.spec.open_stdin).then(|| {
            let (engine, closed) = (self.clone(), entry.clone());
            entry
                .hub
                .writer(move || async move { engine.input_closed(&closed).await })
        });
        let logs = attach
            .logs
            .then(|| self.past_output(&container, attach))
            .transpose()?;
        let (engine, served) = (self.clone(), entry.clone());
        match logs {
            Some(logs) => drop(tokio::spawn(async move {
                logs.pass_to(&client).await;
                engine.serve_client(&served, client, attach.stream).await
            })),
            None => self.serve_client(entry, client, attach.stream).await?,
        }
        self.tell(&container, "attach", &[]);
        Ok(Attached {
            tty: container.spec.tty,
            output,
            input,
        })
    }

    /// Lets a client have what is written from now on.
    async fn serve_client(&self, entry: &Arc<Entry>, client: Client, stream: bool) -> Result<(), Error> {
        let ended = matches!(
            entry.get().state.status,
            Status::Exited | Status::Dead | Status::Removing
        );
        if ended || !stream {
            // It has nothing to say; the client sees the end at once.
            return Ok(());
        }
        let _opening = entry.hub.opening.lock().await;
        if !entry.hub.add(client) {
            self.copy_output(entry).await?;
        }
        Ok(())
    }

    /// Asks for a copy of what a running container writes, for clients that have none.
    async fn copy_output(&self, entry: &Arc<Entry>) -> Result<(), Error> {
        let Some(process) = entry.process() else {
            // It is yet to start, and its start will see that somebody listens.
            return Ok(());
        };
        let mut streams = self.0.supervisor.attach(&process.key).await?;
        streams.input = self.0.supervisor.input(&process.key);
        if self.runs(&process.key) {
            entry.hub.open(streams);
        }
        Ok(())
    }

    /// After a supervisor was lost: whoever is attached is served from the next one.
    pub(crate) async fn reattach(&self, entry: &Arc<Entry>) {
        let _opening = entry.hub.opening.lock().await;
        if !entry.hub.is_starved() {
            return;
        }
        if let Err(error) = self.copy_output(entry).await {
            tracing::warn!(id = %entry.id, %error, "attached clients are not served any more");
            entry.hub.close();
        }
    }

    /// A client has ended its input. With `stdin_once` so has the container.
    async fn input_closed(&self, entry: &Arc<Entry>) {
        let spec = entry.get().spec.clone();
        let Some(process) = entry.process().filter(|_| spec.stdin_once && !spec.tty) else {
            return;
        };
        entry.hub.close_input();
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
