//! Looking at containers: logs.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::attach::Client;
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::logs::{self, LogEntry, LogQuery, LogSource};
use crate::request::Attach;

impl Engine {
    /// What a container has written. Entries come until all that was asked for is there, or with
    /// `follow` until it has ended.
    ///
    /// # Errors
    /// Its output is not kept.
    pub fn logs(
        &self,
        reference: &str,
        query: LogQuery,
    ) -> Result<mpsc::Receiver<std::io::Result<LogEntry>>, Error> {
        let entry = self.0.table.find(reference)?;
        let source = source(&entry.get())?;
        let end = self.end_of_run(&entry);
        Ok(logs::read(source, query, self.now(), end))
    }

    /// Everything that is in the log now, for a client that attaches.
    pub(crate) fn past_output(
        &self,
        container: &Arc<Container>,
        attach: Attach,
    ) -> Result<PastOutput, Error> {
        let query = LogQuery {
            stdout: attach.stdout,
            stderr: attach.stderr,
            ..LogQuery::default()
        };
        let entries = logs::read(source(container)?, query, self.now(), std::future::pending());
        Ok(PastOutput(entries))
    }
}

fn source(container: &Container) -> Result<LogSource, Error> {
    let path = container.log_path.clone().unwrap_or_default();
    LogSource::of(&container.spec.log, path)
}

/// Logged output on its way to a client.
pub(crate) struct PastOutput(mpsc::Receiver<std::io::Result<LogEntry>>);

impl PastOutput {
    /// Hands all of it to a client. One that cannot be read ends there, as a log does.
    pub(crate) async fn pass_to(mut self, client: &Client) {
        while let Some(Ok(entry)) = self.0.recv().await {
            if !client.give(entry.stream, entry.line).await {
                return;
            }
        }
    }
}
