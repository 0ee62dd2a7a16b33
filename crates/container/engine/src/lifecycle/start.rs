//! Start: network, control group, plan, process.

use std::sync::Arc;

use jiff::Timestamp;
use supervisor::protocol::{Key, Name};

use super::cgroup::cleared;
use super::failure::{self, Words};
use super::networking::Attached;
use super::prepare::Decided;
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::state::{Health, State, Status};
use crate::supervised::Started;
use crate::table::{Entry, Process};
use crate::tasks::{apart, blocking};

/// Who starts a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starter {
    /// Somebody who asked for it: what its restart policy remembers is forgotten.
    User,
    /// Its restart policy, after its time of waiting.
    Policy,
    /// Its restart policy, because the node has started.
    Boot,
}

impl Engine {
    /// Starts a container. Its program runs when this returns.
    ///
    /// # Errors
    /// It runs already ([`Error::NotModified`]), cannot be started in its state, or something that
    /// it needs cannot be had; then nothing of the start is left, and its exit code says what
    /// `docker run` exits with.
    pub async fn start(&self, reference: &str) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move { engine.start_by(&entry, Starter::User).await }).await
    }

    pub(crate) async fn start_by(&self, entry: &Arc<Entry>, starter: Starter) -> Result<(), Error> {
        let _turn = entry.operation.lock().await;
        let status = entry.get().state.status;
        match status {
            Status::Restarting if starter != Starter::User => {}
            Status::Running | Status::Restarting => return Err(Error::NotModified),
            Status::Paused => {
                let text = "cannot start a paused container, try unpause instead";
                return Err(Error::Conflict(text.into()));
            }
            Status::Removing | Status::Dead => {
                let text = "container is marked for removal and cannot be started";
                return Err(Error::Conflict(text.into()));
            }
            Status::Created | Status::Exited if starter == Starter::Policy => {
                // It was stopped while the restart waited for its time.
                return Ok(());
            }
            Status::Created | Status::Exited => {}
        }
        if starter == Starter::User {
            entry.run().restarts = crate::restart::Restarts::default();
        }
        let started = self.run(entry).await;
        if let Err(error) = &started {
            self.failed(entry, error).await;
            self.remove_automatically(entry);
        }
        started
    }

    /// Runs the program of a container that does not run.
    async fn run(&self, entry: &Arc<Entry>) -> Result<(), Error> {
        let container = entry.change(|container| {
            container.generation += 1;
            Arc::new(container.clone())
        });
        let key = Key::main(name_of(&container.id)?, container.generation);
        // From here on who attaches has come for this run.
        entry.hubs.next();
        let attached = self.attach_network(&container).await?;
        let launched = self.launch(entry, &container, key, &attached).await;
        if launched.is_err() {
            self.detach_network(&container).await;
            self.unmount(&container);
        }
        launched
    }

    async fn launch(
        &self,
        entry: &Arc<Entry>,
        container: &Arc<Container>,
        key: Key,
        attached: &Attached,
    ) -> Result<(), Error> {
        cleared(entry).await?;
        let (engine, attach) = (self.clone(), entry.hubs.latest().has_clients());
        let (planned, named, network) = (container.clone(), key.clone(), attached.clone());
        let decided = blocking(move || engine.decide(&planned, &named, &network, attach)).await?;
        let Decided {
            launch,
            program,
            cgroup,
            template,
            warnings,
        } = decided;
        for warning in warnings {
            tracing::warn!(id = %container.id, %warning, "a start");
        }
        let process = Process {
            key: key.clone(),
            starting: true,
            pidfd: None,
            cgroup: cgroup.clone(),
            template: Some(template),
            since: self.0.clock.now(),
        };
        {
            let mut run = entry.run();
            (run.process, run.stopping, run.early_end) = (Some(process), false, None);
        }
        match self.0.supervisor.start(launch).await {
            Ok(started) => {
                self.entered(entry, started).await;
                Ok(())
            }
            Err(error) => {
                entry.run().process = None;
                self.remove_cgroup(entry, cgroup);
                Err(failure::executable(Words::Start, &program, error))
            }
        }
    }

    /// The program runs: everybody hears of it, and of its end if that has come already. Returns when the row says so
    /// too: if daemon and supervisor die together, the next ones know of processes by rows alone.
    async fn entered(&self, entry: &Arc<Entry>, started: Started) {
        let now = self.now();
        let (container, early_end) = {
            // One step: an end is entered before it or after it, and whoever finds the container
            // running finds its process.
            let mut run = entry.run();
            if let Some(process) = &mut run.process {
                (process.starting, process.pidfd) = (false, Some(started.pidfd));
            }
            let restarts = run.restarts.count;
            let container = entry.change(|container| {
                run_began(container, started.pid, now);
                container.restart_count = restarts;
                Arc::new(container.clone())
            });
            (container, run.early_end.take())
        };
        let unheard = started.streams.output.is_none() && started.streams.error.is_none();
        entry.hubs.latest().open(started.streams);
        if unheard {
            self.serve_latecomers(entry);
        }
        self.tell(&container, "start", &[]);
        if let Some(record) = early_end {
            let (engine, entry) = (self.clone(), entry.clone());
            self.0
                .background
                .spawn(async move { engine.main_ended(&entry, record).await });
            return;
        }
        self.watch_health(entry);
        self.keep(entry).await;
    }

    /// Keeps why a start failed.
    async fn failed(&self, entry: &Arc<Entry>, error: &Error) {
        let code = match error {
            Error::Start { code, .. } => *code,
            _ => 128,
        };
        let restarting = entry.change(|container| {
            let state = &mut container.state;
            let restarting = state.status == Status::Restarting;
            if restarting {
                state.status = Status::Exited;
            }
            (state.error, state.exit_code, state.pid) = (error.to_string(), code, 0);
            restarting
        });
        entry.hubs.latest().close();
        if restarting {
            self.tell_end(entry);
        } else {
            // No run has ended, for there was none: only who waits for the removal hears of the code.
            entry.signals.send_modify(|signals| signals.last.code = code);
        }
        self.keep(entry).await;
    }
}

/// The state of a run that has just begun.
pub(crate) fn run_began(container: &mut Container, pid: u32, now: Timestamp) {
    let before = container.state.health.take().map(Health::restarted);
    let checked = container.spec.healthcheck.is_some();
    container.state = State {
        status: Status::Running,
        pid,
        started_at: Some(now),
        finished_at: container.state.finished_at,
        health: checked.then(|| before.unwrap_or_default()),
        ..State::default()
    };
}

/// An id as the supervisor's protocol takes it.
pub(crate) fn name_of(id: &str) -> Result<Name, Error> {
    id.parse().map_err(|_| Error::Invalid(format!("{id:?} is no id")))
}
