//! What follows when a program has ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use supervisor::protocol::{ExitRecord, Key, Task};
use sys::pidfd::ExitStatus;

use super::cgroup::read_oom_kills;
use super::start::Starter;
use crate::container::Container;
use crate::engine::Engine;
use crate::restart::{Decision, Ended};
use crate::state::{Exit, HealthStatus, Status};
use crate::table::{Entry, Process};
use crate::tasks::blocking;

/// The exit code of a program whose end nobody saw.
pub(crate) const UNKNOWN: i32 = 255;

impl Engine {
    /// A process has ended; whoever it belongs to hears of it, and its state is kept when this
    /// returns.
    pub(crate) async fn ended(&self, record: ExitRecord) {
        match &record.key.task {
            Task::Main {} => {
                let id = record.key.container.to_string();
                if let Some(entry) = self.0.table.get(&id) {
                    self.main_ended(&entry, record).await;
                }
            }
            Task::Exec { id } => self.exec_ended(&id.to_string(), &record),
            Task::Worker {} => {}
        }
    }

    pub(crate) async fn main_ended(&self, entry: &Arc<Entry>, record: ExitRecord) {
        let process = {
            let mut run = entry.run();
            match &run.process {
                Some(process) if process.key == record.key && process.starting => {
                    run.early_end = Some(record);
                    return;
                }
                Some(process) if process.key == record.key => {}
                // An earlier life, whose end has been processed.
                _ => return,
            }
            run.probes.take().inspect(|probes| probes.abort());
            run.process.take()
        };
        let Some(process) = process else { return };
        let code = record.outcome.status().map(exit_code);
        self.finish(entry, process, code, record.at).await;
    }

    /// Enters the end of a run and does what follows from it. There is no code where nobody saw it.
    pub(crate) async fn finish(&self, entry: &Arc<Entry>, process: Process, code: Option<i32>, at: u64) {
        let container = entry.get();
        let seen = code.is_some();
        let code = code.unwrap_or(UNKNOWN);
        entry.hubs.latest().close();
        self.0.supervisor.forget(&process.key);
        self.forget_execs(&container.id);
        let cgroup = process.cgroup.clone();
        let oom_killed = blocking(move || read_oom_kills(&cgroup) > 0);
        // Addresses and ports are free before anybody hears of the end.
        let ((), oom_killed) = tokio::join!(self.detach_network(&container), oom_killed);
        self.unmount(&container);
        self.remove_cgroup(entry, process.cgroup.clone());
        let ran = self.0.clock.now().saturating_since(process.since);
        let decision = self.decide_restart(entry, &container, code, ran);
        entry.change(|container| container.state.unseen = !seen);
        let container = self.enter_end(entry, code, oom_killed, at, decision);
        if oom_killed {
            self.tell(&container, "oom", &[]);
        }
        let seconds = ran.as_secs().to_string();
        let attributes = [("exitCode", code.to_string()), ("execDuration", seconds)];
        self.tell(&container, "die", &attributes);
        self.keep(entry).await;
        self.tell_end(entry);
        match decision {
            Decision::Restart { after } => self.restart_after(entry, after),
            Decision::Stay => self.remove_automatically(entry),
        }
    }

    fn decide_restart(
        &self,
        entry: &Entry,
        container: &Container,
        exit_code: i32,
        ran: Duration,
    ) -> Decision {
        let mut run = entry.run();
        let stopped_by_user = run.stopping || *self.0.closing.borrow();
        let ended = Ended {
            exit_code,
            ran,
            stopped_by_user,
        };
        run.restarts.ended(container.spec.restart, ended)
    }

    fn enter_end(
        &self,
        entry: &Entry,
        code: i32,
        oom_killed: bool,
        at: u64,
        decision: Decision,
    ) -> Arc<Container> {
        let at = Timestamp::from_nanosecond(at.into()).ok().filter(|_| at > 0);
        let now = at.unwrap_or_else(|| self.now());
        let restarts = entry.run().restarts.count;
        entry.change(|container| {
            let state = &mut container.state;
            // A removal under way goes on being one.
            if state.status != Status::Removing {
                state.status = match decision {
                    Decision::Restart { .. } => Status::Restarting,
                    Decision::Stay => Status::Exited,
                };
            }
            (state.pid, state.exit_code, state.oom_killed) = (0, code, oom_killed);
            state.finished_at = Some(now);
            // When a run began that no daemon saw begin is a guess, or read off another clock.
            state.started_at = state.started_at.map(|began| began.min(now));
            if let Some(health) = &mut state.health {
                // Nobody probes it any more (upstream's rule).
                health.status = HealthStatus::Unhealthy;
            }
            container.restart_count = restarts;
            Arc::new(container.clone())
        })
    }

    /// Wakes who waits for the end of a run.
    pub(crate) fn tell_end(&self, entry: &Entry) {
        let state = entry.get().state.clone();
        entry.tell_end(Exit {
            code: state.exit_code,
            error: state.error,
        });
    }

    /// Starts a container again when its time has come.
    pub(crate) fn restart_after(&self, entry: &Arc<Entry>, after: Duration) {
        let (engine, restarting) = (self.clone(), entry.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            restarting.run().restart = None;
            // From here on it is a start like any other, which nothing interrupts.
            tokio::spawn(async move { engine.start_again(&restarting).await });
        });
        entry.run().restart = Some(task.abort_handle());
    }

    async fn start_again(&self, entry: &Arc<Entry>) {
        if let Err(error) = self.start_by(entry, Starter::Policy).await {
            tracing::warn!(id = %entry.id, %error, "a restart failed");
        }
    }

    /// Removes a container that was to be removed when it ends.
    pub(crate) fn remove_automatically(&self, entry: &Arc<Entry>) {
        let wanted = entry.get().spec.auto_remove && !entry.run().between_runs;
        if !wanted || *self.0.closing.borrow() {
            return;
        }
        let (engine, entry) = (self.clone(), entry.clone());
        tokio::spawn(async move {
            if let Err(error) = engine
                .remove_entry(&entry, true, store::Durability::Relaxed)
                .await
            {
                tracing::warn!(id = %entry.id, %error, "an automatic removal failed");
            }
        });
    }

    /// Whether a key is that of a running process of ours.
    pub(crate) fn runs(&self, key: &Key) -> bool {
        let entry = self.0.table.get(&key.container.to_string());
        entry.is_some_and(|entry| {
            entry
                .run()
                .process
                .as_ref()
                .is_some_and(|process| process.key == *key)
        })
    }
}

/// What a shell would say of it.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    match status {
        ExitStatus::Code(code) => code.into(),
        ExitStatus::Signal { number, .. } => 128 + i32::from(number),
    }
}
