//! One container in the table: the snapshot that is handed out, and what changes while it runs.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use driver::Instant;
use runtime::cgroup::Cgroup;
use runtime::seccomp::Filter;
use supervisor::protocol::{ExitRecord, Key};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::attach::Hubs;
use crate::container::{Container, ContainerId};
use crate::restart::Restarts;
use crate::state::Exit;
use crate::tasks::Background;

/// One container.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: ContainerId,
    current: RwLock<Arc<Container>>,
    /// Held by an operation that must not overlap with another on the same container: start,
    /// pause, rename, update, removal. Never while waiting for the program to end.
    pub(crate) operation: tokio::sync::Mutex<()>,
    /// Held while a row is written, so that rows are written in the order of changes.
    pub(crate) row: tokio::sync::Mutex<()>,
    run: Mutex<Run>,
    /// What waiters wait for.
    pub(crate) signals: watch::Sender<Signals>,
    /// Clients that have attached.
    pub(crate) hubs: Hubs,
    /// The removal of control groups of runs that have ended: the next run's have the same names.
    pub(crate) clearing: Background,
}

/// What waiters wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// How often its program has ended since this daemon knows it.
    pub(crate) ends: u64,
    /// The last end.
    pub(crate) last: Exit,
    /// It is no longer in the table.
    pub(crate) removed: bool,
}

/// What is known of a container besides its rows: gone with the daemon, made again by the next.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Its process; there while it runs, and while it is being started.
    pub(crate) process: Option<Process>,
    /// An end that came before its start was entered.
    pub(crate) early_end: Option<ExitRecord>,
    /// A stop or kill was asked for since it was started.
    pub(crate) stopping: bool,
    /// Its end is part of a restart that a user asked for: `--rm` does not take it away.
    pub(crate) between_runs: bool,
    /// What the restart policy remembers.
    pub(crate) restarts: Restarts,
    /// The restart that is waiting for its time.
    pub(crate) restart: Option<AbortHandle>,
    /// The loop that probes its health.
    pub(crate) probes: Option<AbortHandle>,
    /// Its rows are deleted, and nothing is written of it any more.
    pub(crate) forgotten: bool,
}

/// A running process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// What the supervisor calls it.
    pub(crate) key: Key,
    /// Whether its start has not been entered yet.
    pub(crate) starting: bool,
    /// Refers to that very process; absent while it is being started, and when it has ended before
    /// this daemon began.
    pub(crate) pidfd: Option<Arc<OwnedFd>>,
    /// Its groups.
    pub(crate) cgroup: Cgroup,
    /// What an exec in its container is made from; made again when it is needed by a daemon that
    /// has not started it.
    pub(crate) template: Option<Template>,
    /// Reading of the monotonic clock when it was started.
    pub(crate) since: Instant,
}

/// What a further process of a container is made from.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// The container's own process.
    pub(crate) process: Arc<runtime::spec::Process>,
    /// Its system call filter.
    pub(crate) filter: Option<Arc<Filter>>,
}

impl Entry {
    pub(crate) fn new(container: Container) -> Self {
        let restarts = Restarts {
            count: container.restart_count,
            ..Restarts::default()
        };
        Self {
            id: container.id.clone(),
            current: RwLock::new(Arc::new(container)),
            operation: tokio::sync::Mutex::default(),
            row: tokio::sync::Mutex::default(),
            run: Mutex::new(Run {
                restarts,
                ..Run::default()
            }),
            signals: watch::Sender::default(),
            hubs: Hubs::default(),
            clearing: Background::default(),
        }
    }

    /// What the policy remembered when the row was written.
    pub(crate) fn with_restarts(self, restarts: Restarts) -> Self {
        self.run().restarts = restarts;
        self
    }

    /// The container as it is now.
    pub(crate) fn get(&self) -> Arc<Container> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the container at once; what the closure answers is passed on.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Container) -> T) -> T {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Container::clone(&current);
        let answer = change(&mut next);
        *current = Arc::new(next);
        answer
    }

    /// What changes while it runs.
    pub(crate) fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running process, fully started.
    pub(crate) fn process(&self) -> Option<Process> {
        let run = self.run();
        run.process.clone().filter(|process| !process.starting)
    }

    /// Tells waiters that the program has ended.
    pub(crate) fn tell_end(&self, exit: Exit) {
        self.signals.send_modify(|signals| {
            signals.ends += 1;
            signals.last = exit;
        });
    }
}
