//! Taking over what is there when the daemon starts: rows, running processes, ends that nobody has
//! processed, and what an unclean end has left.

use std::collections::BTreeSet;
use std::sync::Arc;

use supervisor::protocol::{ExitRecord, Key, LogSpec, Phase, Task};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::container::Container;
use crate::engine::{Engine, cgroups_path};
use crate::error::Error;
use crate::lifecycle::{self, Starter, UNKNOWN};
use crate::state::Status;
use crate::supervised::{Found, Notice};
use crate::table::Entry;
use crate::tasks::blocking;

/// Fills the table and starts listening to the supervisor.
pub(crate) async fn take_over(engine: &Engine) -> Result<(), Error> {
    let notices = engine.0.supervisor.take_notices();
    let notices = notices.ok_or_else(|| Error::Unavailable("the supervisor has an engine already".into()))?;
    std::fs::create_dir_all(engine.root_mount_point()).map_err(Error::system("the mount point of roots"))?;
    load(engine).await?;
    let found = engine.0.supervisor.entries(|key| log_of(engine, key)).await?;
    let (starting, found): (Vec<_>, Vec<_>) = found.into_iter().partition(Found::is_starting);
    for found in &found {
        engine.adopt(found);
    }
    engine.see_through(starting).await?;
    engine.take_over_survivors().await;
    let listener = Listener::new(engine.clone(), notices);
    for container in engine.list() {
        engine.reclaim_volumes(&container);
    }
    let through = listener.catch_up().await?;
    engine.0.acks.restart(through);
    let mut boots = JoinSet::new();
    for entry in engine.0.table.entries() {
        engine.settle(&entry, &mut boots).await;
    }
    engine.0.volumes.unmount_idle();
    clear_leftovers(engine).await;
    tokio::spawn(listener.listen(through));
    // As upstream: whoever finds the node ready finds what shall run running. One that panicked has said so.
    while boots.join_next().await.is_some() {}
    Ok(())
}

async fn load(engine: &Engine) -> Result<(), Error> {
    let rows = engine.0.rows.clone();
    for (container, restarts) in blocking(move || rows.load()).await? {
        if let Err(error) = engine.0.table.reserve(&container.name, &container.id) {
            tracing::error!(id = %container.id, %error, "two containers have one name");
        }
        engine
            .0
            .table
            .insert(Entry::new(container).with_restarts(restarts));
    }
    Ok(())
}

pub(crate) fn log_of(engine: &Engine, key: &Key) -> Option<LogSpec> {
    match key.task {
        Task::Main {} => {
            let entry = engine.0.table.get(&key.container.to_string())?;
            lifecycle::log(&entry.get()).ok()
        }
        _ => Some(lifecycle::nowhere()),
    }
}

impl Engine {
    /// Takes over a process that the supervisor has.
    pub(crate) fn adopt(&self, found: &Found) {
        let entry = self.0.table.get(&found.key.container.to_string());
        let ended = matches!(found.phase, Phase::Exited { .. } | Phase::Draining {});
        match (entry, &found.key.task) {
            // Its end has been processed, and the acknowledgement was lost.
            (Some(entry), Task::Main {}) if ended && entry.get().has_ended(found.key.generation) => {}
            (Some(entry), Task::Main {}) => self.adopt_main(&entry, found),
            // Whoever asked for it is gone with the daemon before; a container nobody knows is gone too.
            (_, Task::Exec { .. } | Task::Main {}) if !ended => {
                let (engine, key) = (self.clone(), found.key.clone());
                tokio::spawn(async move { engine.abandon(&key).await });
            }
            _ => {}
        }
    }

    /// Ends a process that belongs to nobody any more.
    pub(crate) async fn abandon(&self, key: &Key) {
        if key.task == (Task::Main {}) {
            // It may be on its way already.
            let _ = self.0.supervisor.signal(key, 9).await;
        }
    }

    /// What the row says and what is there are made one.
    async fn settle(&self, entry: &Arc<Entry>, boots: &mut JoinSet<()>) {
        let container = entry.get();
        let backed = entry.run().process.is_some();
        if matches!(container.state.status, Status::Created | Status::Exited) {
            self.take_back(entry).await;
        }
        match container.state.status {
            Status::Running | Status::Paused if backed => {
                self.check_frozen(entry).await;
                self.watch_health(entry);
            }
            Status::Running | Status::Paused => self.end_unseen(entry, boots).await,
            Status::Removing | Status::Dead => self.finish_removal(entry),
            Status::Restarting => self.boot(entry, boots),
            Status::Created => {}
            Status::Exited => self.settle_ended(entry, boots),
        }
    }

    /// What a daemon that died in the middle of a start, or of what follows an end, has left of a container
    /// that does not run.
    async fn take_back(&self, entry: &Entry) {
        let container = entry.get();
        if self.0.networks.sandbox(&container.id).is_some() {
            self.detach_network(&container).await;
        }
        let cgroup = self.cgroup_of(&container);
        if !cgroup.v1.is_empty() || cgroup.unified.is_some() {
            self.remove_cgroup(entry, cgroup);
        }
    }

    /// A daemon that died between freezing and writing that down has left it frozen.
    async fn check_frozen(&self, entry: &Arc<Entry>) {
        let Some(process) = entry.process() else { return };
        let frozen = process.cgroup.unified.as_ref().is_some_and(|directory| {
            std::fs::read_to_string(directory.join("cgroup.events"))
                .is_ok_and(|text| text.contains("frozen 1"))
        });
        entry.change(|container| {
            let status = &mut container.state.status;
            *status = if frozen { Status::Paused } else { Status::Running };
        });
        self.keep(entry).await;
    }

    /// The row says that it runs and its process is not there: it ended unseen, while neither supervisor nor
    /// daemon was there, or with the machine.
    async fn end_unseen(&self, entry: &Arc<Entry>, boots: &mut JoinSet<()>) {
        let container = entry.change(|container| {
            let state = &mut container.state;
            (state.status, state.pid, state.exit_code) = (Status::Exited, 0, UNKNOWN);
            state.unseen = true;
            state.finished_at = Some(self.now());
            Arc::new(container.clone())
        });
        self.detach_network(&container).await;
        self.unmount(&container);
        self.remove_cgroup(entry, self.cgroup_of(&container));
        self.keep(entry).await;
        self.tell_end(entry);
        self.settle_ended(entry, boots);
    }

    /// A container that does not run: it is started if its policy says so at boot.
    fn settle_ended(&self, entry: &Arc<Entry>, boots: &mut JoinSet<()>) {
        let container = entry.get();
        let state = &container.state;
        let policy = container.spec.restart;
        if container.spec.auto_remove {
            self.finish_removal(entry);
        } else if state.started_at.is_some()
            && policy.starts_at_boot(state.exit_code, state.stopped_by_user, container.restart_count)
        {
            self.boot(entry, boots);
        }
    }

    fn boot(&self, entry: &Arc<Entry>, boots: &mut JoinSet<()>) {
        let (engine, entry) = (self.clone(), entry.clone());
        boots.spawn(async move {
            if let Err(error) = engine.start_by(&entry, Starter::Boot).await {
                tracing::warn!(id = %entry.id, %error, "a container is not started");
            }
        });
    }

    fn finish_removal(&self, entry: &Arc<Entry>) {
        entry.change(|container| container.state.status = Status::Exited);
        let (engine, entry) = (self.clone(), entry.clone());
        tokio::spawn(async move {
            let volumes = entry.get().spec.auto_remove;
            if let Err(error) = engine
                .remove_entry(&entry, volumes, store::Durability::Relaxed)
                .await
            {
                tracing::warn!(id = %entry.id, %error, "a removal is not finished");
            }
        });
    }

    /// The groups that a container has on this host if it has any.
    pub(crate) fn cgroup_of(&self, container: &Container) -> runtime::cgroup::Cgroup {
        let parent = &container.spec.resources.cgroup_parent;
        let path = cgroups_path(&self.0.instance, parent, &container.id);
        runtime::cgroup::Cgroup::existing(&self.0.layout, &path)
    }
}

/// Clears what no container has: snapshots, files and groups of creates and starts that were cut
/// short.
async fn clear_leftovers(engine: &Engine) {
    let engine = engine.clone();
    blocking(move || {
        let entries = engine.0.table.entries();
        let known: BTreeSet<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
        clear_snapshots(&engine, &known);
        clear_directories(&engine, &known);
        clear_groups(&engine, &known);
    })
    .await;
}

fn clear_snapshots(engine: &Engine, known: &BTreeSet<String>) {
    let is_container =
        |owner: &String| owner.len() == 64 && owner.bytes().all(|byte| byte.is_ascii_hexdigit());
    let owners = engine.0.images.owners().into_iter();
    for owner in owners.filter(|owner| is_container(owner) && !known.contains(owner)) {
        if let Err(error) = engine.0.images.release(&owner) {
            tracing::warn!(%owner, %error, "a snapshot without a container stays");
        }
    }
}

fn clear_directories(engine: &Engine, known: &BTreeSet<String>) {
    let all = std::fs::read_dir(engine.0.data_dir.join("containers"));
    for directory in all.into_iter().flatten().flatten() {
        if !known.contains(&*directory.file_name().to_string_lossy()) {
            // What cannot be removed now is found again next time.
            let _ = std::fs::remove_dir_all(directory.path());
        }
    }
}

fn clear_groups(engine: &Engine, known: &BTreeSet<String>) {
    let hierarchies = engine.0.layout.v1.iter().chain(&engine.0.layout.unified);
    for hierarchy in hierarchies {
        let own = hierarchy.dir(&format!("/{}", engine.0.instance));
        for group in std::fs::read_dir(own).into_iter().flatten().flatten() {
            let name = group.file_name().to_string_lossy().into_owned();
            if name.len() == 64 && !known.contains(&name) {
                let leftover = runtime::cgroup::Cgroup {
                    v1: vec![group.path()],
                    unified: None,
                };
                // One that still has a process is not a leftover of ours to remove by force.
                if let Err(error) = leftover.remove(|_| Ok(())) {
                    tracing::warn!(%error, "a control group without a container stays");
                }
            }
        }
    }
}

/// Listens to the supervisor for as long as the engine lives.
struct Listener {
    engine: Engine,
    notices: mpsc::Receiver<Notice>,
}

impl Listener {
    const fn new(engine: Engine, notices: mpsc::Receiver<Notice>) -> Self {
        Self { engine, notices }
    }

    /// Processes every end that nobody has; answers the last one's number.
    async fn catch_up(&self) -> Result<u64, Error> {
        let records = self.engine.0.supervisor.exits(0).await?;
        let last = records.last().map_or(0, |record| record.sequence);
        for record in records {
            self.engine.ended(record).await;
        }
        if last > 0 {
            self.engine.0.supervisor.ack(last).await?;
        }
        Ok(last)
    }

    async fn listen(mut self, mut through: u64) {
        while let Some(notice) = self.notices.recv().await {
            match notice {
                Notice::Exited(record) if record.sequence == 0 => self.process(record),
                Notice::Exited(record) if record.sequence == through + 1 => {
                    through = record.sequence;
                    self.process(record);
                }
                // Told twice: it came with the answer to a question meanwhile.
                Notice::Exited(record) if record.sequence <= through => {}
                Notice::Exited(_) => through = self.ask(through).await,
                Notice::Reconnected => {
                    through = self.ask(0).await;
                    self.reattach().await;
                }
                Notice::Warning {
                    key,
                    operation,
                    errno,
                } => {
                    let error = std::io::Error::from_raw_os_error(errno);
                    tracing::warn!(container = %key.container, operation, %error, "a start could not do everything");
                }
                Notice::Log { key, log } => {
                    let error = std::io::Error::from_raw_os_error(log.errno);
                    let dropped = log.dropped_entries;
                    tracing::warn!(container = %key.container, dropped, %error, "a log drops entries");
                }
                Notice::Superseded => {
                    tracing::warn!("a newer daemon has taken over");
                    self.engine.0.closing.send_replace(true);
                    return;
                }
            }
        }
    }

    /// Processes an end apart; it is acknowledged when its state is kept.
    fn process(&self, record: ExitRecord) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let sequence = record.sequence;
            engine.ended(record).await;
            engine.0.acks.done(&engine.0.supervisor, sequence).await;
        });
    }

    /// Asks for what was not told.
    async fn ask(&self, after: u64) -> u64 {
        // A connection that is lost again is asked again when it is back.
        let Ok(records) = self.engine.0.supervisor.exits(after).await else {
            return after;
        };
        let last = records.last().map_or(after, |record| record.sequence);
        self.engine
            .0
            .acks
            .restart(records.first().map_or(after, |record| record.sequence - 1));
        records.into_iter().for_each(|record| self.process(record));
        last
    }

    async fn reattach(&self) {
        for entry in self.engine.0.table.entries() {
            self.engine.reattach(&entry).await;
        }
    }
}
