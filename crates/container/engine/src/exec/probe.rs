//! Running a health probe: an exec whose output is kept and whose time is limited.

use std::sync::Arc;
use std::time::Duration;

use runtime::signal::SIGKILL;
use tokio::sync::mpsc;

use crate::attach::Client;
use crate::engine::Engine;
use crate::error::Error;
use crate::health::OUTPUT_LENGTH;
use crate::request::Stream;
use crate::spec::ExecSpec;
use crate::table::Entry;

use super::{ExecEntry, Phase};

impl Engine {
    /// Runs a probe to its end. Answers its exit code, none if it was killed when its time was up,
    /// and the beginning of its output.
    pub(crate) async fn run_probe(
        &self,
        entry: &Arc<Entry>,
        spec: ExecSpec,
        limit: Duration,
    ) -> Result<(Option<i32>, Vec<u8>), Error> {
        let container = entry.get();
        self.check_executable(&container, &container.id)?;
        let exec = self.make_exec(&container, spec);
        let (client, output) = Client::new(true, true);
        exec.hub.add(client);
        let collected = tokio::spawn(collect(output));
        let started = self.run_exec(entry, &exec, true, (0, 0)).await;
        let code = match &started {
            Ok(()) => self.probe_end(&exec, limit).await,
            Err(_) => None,
        };
        self.0.execs.lock().remove(&exec.id);
        let bytes = collected.await.unwrap_or_default();
        started.map(|()| (code, bytes))
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

/// Everything a probe writes is read; one byte more than is kept tells that there was more.
async fn collect(mut output: mpsc::Receiver<(Stream, bytes::Bytes)>) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some((_, chunk)) = output.recv().await {
        let room = (OUTPUT_LENGTH + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    kept
}
