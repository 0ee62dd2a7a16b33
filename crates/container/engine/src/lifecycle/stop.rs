//! Stop and restart.

use std::sync::Arc;
use std::time::Duration;

use runtime::signal::{self, SIGTERM};

use super::signal::Ender;
use super::start::Starter;
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::request::StopOptions;
use crate::table::Entry;
use crate::tasks::apart;

/// Seconds between asking and killing where nobody said how many (upstream's number).
const TIMEOUT: i64 = 10;

impl Engine {
    /// Asks the program to end, and kills it if it does not in time.
    ///
    /// # Errors
    /// It does not run ([`Error::NotModified`]), or the signal makes no sense.
    pub async fn stop(&self, reference: &str, options: StopOptions) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move {
            if !entry.get().state.status.is_running() {
                return Err(Error::NotModified);
            }
            engine.stop_entry(&entry, &options, Ender::User).await
        })
        .await
    }

    /// Stops the container if it runs, and starts it.
    ///
    /// # Errors
    /// As those of stop and start.
    pub async fn restart(&self, reference: &str, options: StopOptions) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move {
            entry.run().between_runs = true;
            let restarted = engine.restart_entry(&entry, &options).await;
            entry.run().between_runs = false;
            restarted?;
            engine.tell(&entry.get(), "restart", &[]);
            Ok(())
        })
        .await
    }

    async fn restart_entry(&self, entry: &Arc<Entry>, options: &StopOptions) -> Result<(), Error> {
        if entry.get().state.status.is_running() {
            self.stop_entry(entry, options, Ender::User).await?;
        }
        match self.start_by(entry, Starter::User).await {
            // Somebody else has started it.
            Ok(()) | Err(Error::NotModified) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stops a container because the node goes down; nobody is told that a user did it.
    pub(crate) async fn stop_for_shutdown(&self, entry: &Arc<Entry>) {
        if !entry.get().state.status.is_running() {
            return;
        }
        let options = StopOptions::default();
        if let Err(error) = self.stop_entry(entry, &options, Ender::Node).await {
            tracing::warn!(id = %entry.id, %error, "a container is not stopped");
        }
    }

    /// Kills a container because the node goes down and cannot wait; its end is entered when this returns.
    pub(crate) async fn kill_for_shutdown(&self, entry: &Arc<Entry>) {
        if !entry.get().state.status.is_running() {
            return;
        }
        if let Err(error) = self.kill_entry(entry, Ender::Node).await.or_else(ended) {
            tracing::warn!(id = %entry.id, %error, "a container is not killed");
        }
    }

    async fn stop_entry(&self, entry: &Arc<Entry>, options: &StopOptions, ender: Ender) -> Result<(), Error> {
        let container = entry.get();
        let signal = stop_signal(&container, options)?;
        let end = self.end_of_run(entry);
        tokio::pin!(end);
        self.signal_entry(entry, signal, ender).await.or_else(ended)?;
        let seconds = options.timeout.or(container.spec.stop_timeout).unwrap_or(TIMEOUT);
        let in_time = match u64::try_from(seconds) {
            Ok(seconds) => tokio::time::timeout(Duration::from_secs(seconds), &mut end)
                .await
                .is_ok(),
            // A negative number is no limit.
            Err(_) => {
                (&mut end).await;
                true
            }
        };
        if !in_time {
            self.kill_entry(entry, ender).await.or_else(ended)?;
        }
        self.tell(&container, "stop", &[]);
        Ok(())
    }
}

/// One that has ended by itself meanwhile is what was wanted.
fn ended(error: Error) -> Result<(), Error> {
    match error {
        Error::Conflict(_) => Ok(()),
        other => Err(other),
    }
}

fn stop_signal(container: &Container, options: &StopOptions) -> Result<i32, Error> {
    let named = options.signal.as_deref().filter(|name| !name.is_empty());
    if let Some(name) = named {
        return signal::parse(name).ok_or_else(|| Error::Invalid(format!("invalid signal: {name}")));
    }
    Ok(signal::parse(&container.spec.stop_signal).unwrap_or(SIGTERM))
}
