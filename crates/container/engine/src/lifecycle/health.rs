//! Health: probes while a container runs, judged by the pure machine in `crate::health`.

use std::sync::Arc;

use crate::engine::Engine;
use crate::health;
use crate::spec::{ExecSpec, Healthcheck};
use crate::state::{ProbeResult, Status};
use crate::table::Entry;

impl Engine {
    /// Begins to probe a container that has a healthcheck.
    pub(crate) fn watch_health(&self, entry: &Arc<Entry>) {
        let container = entry.get();
        let Some(check) = container.spec.healthcheck.clone() else {
            return;
        };
        let (engine, probed) = (self.clone(), entry.clone());
        let task = tokio::spawn(async move { engine.probe_on(&probed, &check).await });
        entry.run().probes = Some(task.abort_handle());
    }

    async fn probe_on(&self, entry: &Arc<Entry>, check: &Healthcheck) {
        let Some(since) = entry.process().map(|process| process.since) else {
            return;
        };
        loop {
            let age = self.0.clock.now().saturating_since(since);
            let state = entry.get().state.clone();
            tokio::time::sleep(state.health.unwrap_or_default().next_probe(check, age)).await;
            match entry.get().state.status {
                Status::Running => {}
                // Its processes do not answer; it is neither well nor ill.
                Status::Paused => continue,
                _ => return,
            }
            // A probe that began within the start period counts as within it, however long it took.
            let age = self.0.clock.now().saturating_since(since);
            let result = self.probe(entry, check).await;
            let told = entry.change(|container| {
                let health = container.state.health.get_or_insert_default();
                health.record(check, result, age)
            });
            if let Some(status) = told {
                let action = format!("health_status: {}", status.as_str());
                self.tell(&entry.get(), action, &[]);
                self.keep(entry).await;
            }
        }
    }

    /// Runs the probe once. One that cannot be run, or does not end in time, has failed.
    async fn probe(&self, entry: &Arc<Entry>, check: &Healthcheck) -> ProbeResult {
        let start = self.now();
        let spec = ExecSpec {
            args: check.probe.arguments(),
            stdout: true,
            stderr: true,
            ..ExecSpec::default()
        };
        // One byte more than is kept tells that there was more.
        let keep = health::OUTPUT_LENGTH + 1;
        let run = self.run_to_end(entry, spec, check.timeout, keep).await;
        let (exit_code, output) = match run.map(|done| (done.code, health::output(&done.all()))) {
            Ok((Some(code), output)) => (code, output),
            Ok((None, output)) => (-1, check.timeout_output(&output)),
            Err(error) => (-1, error.to_string()),
        };
        ProbeResult {
            start,
            end: self.now(),
            exit_code,
            output,
        }
    }
}
