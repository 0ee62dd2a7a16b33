//! Running a command to its end: an exec whose output is kept and whose time is limited (health
//! checks, a pod's probes and hooks).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runtime::signal::SIGKILL;
use tokio::sync::mpsc;

use crate::attach::Client;
use crate::engine::Engine;
use crate::error::Error;
use crate::request::{ExecSync, Stream};
use crate::spec::ExecSpec;
use crate::table::Entry;
use crate::tasks::apart;

use super::{ExecEntry, Phase};

impl Engine {
    /// Runs a command in a container to its end, and keeps the first `keep` bytes of its output and
    /// errors. It is killed when `limit` has passed, whoever waits for it.
    ///
    /// # Errors
    /// The container does not run, or the program cannot be run.
    pub async fn exec_sync(
        &self,
        reference: &str,
        spec: ExecSpec,
        limit: Duration,
        keep: usize,
    ) -> Result<ExecSync, Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move { engine.run_to_end(&entry, spec, limit, keep).await }).await
    }

    pub(crate) async fn run_to_end(
        &self,
        entry: &Arc<Entry>,
        spec: ExecSpec,
        limit: Duration,
        keep: usize,
    ) -> Result<ExecSync, Error> {
        let container = entry.get();
        self.check_executable(&container, &container.id)?;
        let exec = self.make_exec(&container, spec);
        let (client, output) = Client::new(true, true);
        exec.hub.add(client);
        let collected = tokio::spawn(collect(output, keep));
        let started = self.run_exec(entry, &exec, true, (0, 0)).await;
        let code = match &started {
            Ok(()) => self.probe_end(&exec, limit).await,
            Err(_) => None,
        };
        self.0.execs.lock().remove(&exec.id);
        let output = collected.await.unwrap_or_default();
        started.map(|()| ExecSync { code, output })
    }

    async fn probe_end(&self, exec: &ExecEntry, limit: Duration) -> Option<i32> {
        let mut ended = exec.ended.subscribe();
        let in_time = tokio::time::timeout(limit, ended.wait_for(|ended| *ended))
            .await
            .is_ok();
        if in_time {
            return match *exec.phase() {
                Phase::Ended { code, .. } => Some(code),
                _ => None,
            };
        }
        if let Some(key) = exec.key() {
            // One that has just ended is as good as killed.
            let _ = self.0.supervisor.signal(&key, SIGKILL.cast_unsigned()).await;
        }
        // The sender is in `exec`. What it leaves behind in the container may hold its output open.
        let _ = ended.wait_for(|ended| *ended).await;
        None
    }
}

/// Everything that is written is read, so that nobody waits for room; the beginning is kept.
async fn collect(mut output: mpsc::Receiver<(Stream, Bytes)>, keep: usize) -> Vec<(Stream, Bytes)> {
    let (mut kept, mut room) = (Vec::new(), keep);
    while let Some((stream, mut chunk)) = output.recv().await {
        chunk.truncate(room);
        room -= chunk.len();
        if !chunk.is_empty() {
            kept.push((stream, chunk));
        }
    }
    kept
}
