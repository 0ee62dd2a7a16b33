//! Looking at containers: what they write, run and use.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::attach::Client;
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::logs::{self, LogEntry, LogQuery, LogSource};
use crate::request::Attach;
use crate::state::Status;
use crate::stats::{NetworkCounters, Stats};
use crate::tasks::blocking;
use crate::top::{self, Top};

impl Engine {
    /// The processes of a container, in the words of ps(1).
    ///
    /// # Errors
    /// It does not run, or ps would not take the arguments.
    pub async fn top(&self, reference: &str, ps_args: &str) -> Result<Top, Error> {
        let entry = self.0.table.find(reference)?;
        let container = entry.get();
        if container.state.status == Status::Restarting {
            let id = &container.id;
            let text = format!("container {id} is restarting, wait until the container is running");
            return Err(Error::Conflict(text));
        }
        let process = entry.process().ok_or_else(|| Error::not_running(&container.id))?;
        let (arguments, now) = (ps_args.to_owned(), self.now().as_second());
        let listed = blocking(move || {
            let pids = process
                .cgroup
                .pids()
                .map_err(Error::system("the container's processes"))?;
            top::list(&pids, &arguments, u64::try_from(now).unwrap_or_default())
        });
        let listed = listed.await?;
        self.tell(&container, "top", &[]);
        Ok(listed)
    }

    /// One sample of what a container uses; an empty one if it does not run.
    ///
    /// # Errors
    /// The kernel's counters cannot be read.
    pub async fn stats(&self, reference: &str) -> Result<Stats, Error> {
        let entry = self.0.table.find(reference)?;
        let Some(process) = entry.process() else {
            return Ok(Stats::default());
        };
        let (networks, id, now) = (self.0.networks.clone(), entry.id.clone(), self.now());
        blocking(move || {
            // A container on the host's network has no counters of its own.
            let counters = networks.counters(&id).unwrap_or_default();
            let counters: BTreeMap<String, NetworkCounters> = counters.into_iter().map(counted).collect();
            Stats::read(&process.cgroup, counters, now).map_err(Error::system("the container's counters"))
        })
        .await
    }

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

fn counted(link: network::LinkCounters) -> (String, NetworkCounters) {
    let (received, sent) = (link.received, link.sent);
    let counters = NetworkCounters {
        rx_bytes: received.bytes,
        rx_packets: received.packets,
        rx_errors: received.errors,
        rx_dropped: received.dropped,
        tx_bytes: sent.bytes,
        tx_packets: sent.packets,
        tx_errors: sent.errors,
        tx_dropped: sent.dropped,
    };
    (link.interface, counters)
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
