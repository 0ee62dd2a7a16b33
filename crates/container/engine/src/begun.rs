//! Runs that the daemon before began and did not write down: it died between asking the supervisor for a process and
//! entering that it runs.
//!
//! Such a process is what its container runs, from when the kernel says that it began. One that is still on its way to its
//! program is waited for, so that nobody finds a container that does not run and starts another in its place.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use supervisor::protocol::{Key, Phase, Task};
use tokio::task::JoinSet;

use crate::adopt::log_of;
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::lifecycle::run_began;
use crate::supervised::Found;
use crate::table::{Entry, Process};
use crate::top;

/// How long the node's start waits for processes to come to their programs. Only a disk that hangs holds one up that long.
const PATIENCE: Duration = Duration::from_secs(5);

impl Found {
    /// Whether it is a container's process that does not run its program yet.
    pub(crate) fn is_starting(&self) -> bool {
        self.key.task == (Task::Main {}) && matches!(self.phase, Phase::Starting { .. })
    }
}

impl Engine {
    /// Takes over a container's process.
    pub(crate) fn adopt_main(&self, entry: &Entry, found: &Found) {
        let before = entry.get();
        let state = &before.state;
        let entered = before.generation == found.key.generation
            && state.status.has_process()
            && state.started_at.is_some();
        let mut container = Container::clone(&before);
        container.generation = found.key.generation;
        if entered {
            container.state.pid = found.pid;
        } else {
            run_began(&mut container, found.pid, self.began_at(found.pid));
        }
        let process = Process {
            key: found.key.clone(),
            starting: false,
            pidfd: self.0.supervisor.pidfd(&found.key),
            cgroup: self.cgroup_of(&container),
            template: None,
            since: self.since(&container),
        };
        entry.run().process = Some(process);
        entry.change(|current| *current = container);
    }

    /// Waits until starts that were under way have come to an end, and takes over those that have succeeded. Of one that
    /// has failed nothing is there, and its container is as it was before.
    pub(crate) async fn see_through(&self, starting: Vec<Found>) -> Result<(), Error> {
        let (mut starts, mut begun) = (JoinSet::new(), BTreeSet::new());
        for Found { key, .. } in starting {
            let engine = self.clone();
            starts.spawn(async move { engine.outcome(key).await });
        }
        let all = async {
            while let Some(start) = starts.join_next().await {
                begun.extend(start.ok().flatten());
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            let engine = self.clone();
            tokio::spawn(async move { engine.undo(starts).await });
        }
        if !begun.is_empty() {
            let found = self.0.supervisor.entries(|key| log_of(self, key)).await?;
            let begun = found.iter().filter(|found| begun.contains(&found.key));
            begun.for_each(|found| self.adopt(found));
        }
        Ok(())
    }

    /// Waits for the end of a start; its key if it has succeeded. Nobody else starts or removes the container meanwhile.
    async fn outcome(&self, key: Key) -> Option<Key> {
        let entry = self.0.table.get(&key.container.to_string());
        let _turn = match &entry {
            Some(entry) => Some(entry.operation.lock().await),
            None => None,
        };
        match self.0.supervisor.outcome(key.clone()).await {
            Ok(begun) => begun.then_some(key),
            Err(error) => {
                tracing::warn!(container = %key.container, %error, "what has become of a start is not known");
                None
            }
        }
    }

    /// Ends what comes to run so late that its container is said not to run.
    async fn undo(&self, mut starts: JoinSet<Option<Key>>) {
        while let Some(start) = starts.join_next().await {
            let Ok(Some(key)) = start else { continue };
            if let Some(entry) = self.0.table.get(&key.container.to_string()) {
                entry.change(|container| container.generation = container.generation.max(key.generation));
            }
            self.abandon(&key).await;
        }
    }

    /// When a process began; for one that has ended, now: its end is entered next, and is not before its beginning then.
    fn began_at(&self, pid: u32) -> Timestamp {
        let now = self.now();
        top::age(pid)
            .and_then(|age| now.checked_sub(age).ok())
            .unwrap_or(now)
    }

    /// When a container was started, as a reading of this daemon's monotonic clock.
    fn since(&self, container: &Container) -> driver::Instant {
        let now = self.0.clock.now();
        let age = container.state.started_at.map(|at| self.now().duration_since(at));
        let age = age
            .and_then(|age| Duration::try_from(age).ok())
            .unwrap_or_default();
        driver::Instant::from_origin(now.saturating_since(driver::Instant::from_origin(age)))
    }
}
