//! Further processes in running containers: `docker exec`, health probes.
//!
//! An exec belongs to one run of its container and is gone with it. Its plan is the container's own
//! process with what the exec changes, in the namespaces and groups of the container.

mod probe;
mod start;
mod users;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor::protocol::{ExitRecord, Key};
use tokio::sync::watch;

use crate::attach::Hub;
use crate::container::ContainerId;
use crate::engine::Engine;
use crate::error::Error;
use crate::lifecycle::exit_code;
use crate::request::Exec;
use crate::spec::ExecSpec;
use crate::state::Status;

/// Execs kept of one container; of more than that the oldest that have ended are forgotten.
const KEPT: usize = 64;

/// Every exec of containers that run.
#[derive(Debug, Default)]
pub(crate) struct Execs(Mutex<HashMap<String, Arc<ExecEntry>>>);

/// One exec.
#[derive(Debug)]
pub(crate) struct ExecEntry {
    pub(crate) id: String,
    pub(crate) container: ContainerId,
    /// Grows with every exec of the table: which is older.
    number: u64,
    pub(crate) spec: ExecSpec,
    pub(crate) hub: Arc<Hub>,
    phase: Mutex<Phase>,
    /// Whether it has ended.
    pub(crate) ended: watch::Sender<bool>,
}

/// Where in its life an exec is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// It was made.
    Created,
    /// It is being started.
    Starting {
        /// What the supervisor calls it.
        key: Key,
        /// Its exit code, if its end came before its start was entered.
        ended: Option<i32>,
    },
    /// It runs.
    Running {
        /// What the supervisor calls it.
        key: Key,
        /// Its process id.
        pid: u32,
    },
    /// It has ended.
    Ended {
        /// Its exit code.
        code: i32,
        /// Its process id as it was.
        pid: u32,
    },
}

impl ExecEntry {
    pub(crate) fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        matches!(*self.phase(), Phase::Ended { .. })
    }

    fn key(&self) -> Option<Key> {
        match &*self.phase() {
            Phase::Starting { key, .. } | Phase::Running { key, .. } => Some(key.clone()),
            _ => None,
        }
    }

    /// It runs; its exit code if it has ended already.
    fn entered(&self, pid: u32) -> Option<i32> {
        let mut phase = self.phase();
        let (key, ended) = match &*phase {
            Phase::Starting { key, ended } => (key.clone(), *ended),
            _ => return None,
        };
        *phase = Phase::Running { key, pid };
        ended
    }

    /// Keeps an end for later while its start has not been entered; whether that was so.
    fn defer(&self, code: i32) -> bool {
        match &mut *self.phase() {
            Phase::Starting { ended, .. } => {
                *ended = Some(code);
                true
            }
            _ => false,
        }
    }

    /// Enters the end and wakes who waits for it; false if it had been entered.
    fn end(&self, code: i32) -> bool {
        let mut phase = self.phase();
        let pid = match *phase {
            Phase::Created | Phase::Starting { .. } => 0,
            Phase::Running { pid, .. } => pid,
            Phase::Ended { .. } => return false,
        };
        *phase = Phase::Ended { code, pid };
        drop(phase);
        self.hub.close();
        self.ended.send_replace(true);
        true
    }
}

impl Execs {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<ExecEntry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &str) -> Option<Arc<ExecEntry>> {
        self.lock().get(id).cloned()
    }

    fn of(&self, container: &str) -> Vec<Arc<ExecEntry>> {
        let all = self.lock();
        let mut own: Vec<_> = all
            .values()
            .filter(|exec| &*exec.container == container)
            .cloned()
            .collect();
        own.sort_by_key(|exec| exec.number);
        own
    }

    fn insert(&self, id: String, container: ContainerId, spec: ExecSpec) -> Arc<ExecEntry> {
        let own = self.of(&container);
        let surplus = (own.len() + 1).saturating_sub(KEPT);
        let mut all = self.lock();
        for old in own.iter().filter(|exec| exec.has_ended()).take(surplus) {
            all.remove(&old.id);
        }
        let number = all.values().map(|exec| exec.number + 1).max().unwrap_or(0);
        let exec = Arc::new(ExecEntry {
            id: id.clone(),
            container,
            number,
            spec,
            hub: Arc::default(),
            phase: Mutex::new(Phase::Created),
            ended: watch::Sender::new(false),
        });
        all.insert(id, exec.clone());
        exec
    }
}

impl Engine {
    /// Makes an exec; nothing runs yet. Answers its id.
    ///
    /// # Errors
    /// The container does not run, or is frozen.
    pub async fn exec_create(&self, reference: &str, spec: ExecSpec) -> Result<String, Error> {
        let entry = self.0.table.find(reference)?;
        if spec.args.is_empty() {
            return Err(Error::Invalid("No exec command specified".into()));
        }
        self.check_executable(&entry.get(), reference)?;
        Ok(self.make_exec(&entry.get(), spec).id.clone())
    }

    fn make_exec(&self, container: &crate::Container, spec: ExecSpec) -> Arc<ExecEntry> {
        let exec = self.0.execs.insert(self.new_id(), container.id.clone(), spec);
        let action = format!("exec_create: {}", exec.spec.shown());
        self.tell(container, action, &[("execID", exec.id.clone())]);
        exec
    }

    /// `named` is how the client calls it.
    fn check_executable(&self, container: &crate::Container, named: &str) -> Result<(), Error> {
        let id = &container.id;
        match container.state.status {
            Status::Running => Ok(()),
            Status::Paused => Err(Error::Conflict(format!(
                "Container {named} is paused, unpause the container before exec"
            ))),
            Status::Restarting => Err(Error::Conflict(format!(
                "Container {id} is restarting, wait until the container is running"
            ))),
            _ => Err(Error::not_running(id)),
        }
    }

    fn find_exec(&self, id: &str) -> Result<Arc<ExecEntry>, Error> {
        let found = self.0.execs.get(id);
        found.ok_or_else(|| Error::NotFound(format!("No such exec instance: {id}")))
    }

    /// What is known of an exec.
    ///
    /// # Errors
    /// There is none of that id; also when its container has ended since.
    pub fn exec_inspect(&self, exec: &str) -> Result<Exec, Error> {
        let exec = self.find_exec(exec)?;
        let phase = exec.phase().clone();
        Ok(Exec {
            id: exec.id.clone(),
            container: exec.container.clone(),
            spec: exec.spec.clone(),
            running: matches!(phase, Phase::Starting { .. } | Phase::Running { .. }),
            pid: match phase {
                Phase::Created | Phase::Starting { .. } => 0,
                Phase::Running { pid, .. } | Phase::Ended { pid, .. } => pid,
            },
            exit_code: match phase {
                Phase::Ended { code, .. } => Some(code),
                _ => None,
            },
        })
    }

    /// Waits for the end of an exec and answers its exit code. It is watched from this call on, so
    /// that whoever asks before it is started misses nothing.
    ///
    /// # Errors
    /// There is none of that id; also when its container has ended since.
    pub fn exec_wait(&self, exec: &str) -> Result<impl Future<Output = i32> + Send + use<>, Error> {
        let exec = self.find_exec(exec)?;
        let mut ended = exec.ended.subscribe();
        Ok(async move {
            // The sender is in the entry.
            let _ = ended.wait_for(|ended| *ended).await;
            match *exec.phase() {
                Phase::Ended { code, .. } => code,
                _ => crate::lifecycle::UNKNOWN,
            }
        })
    }

    /// Ids of the execs of a container that runs, the oldest first.
    #[must_use]
    pub fn execs_of(&self, container: &str) -> Vec<String> {
        let execs = self.0.execs.of(container).into_iter();
        execs
            .filter(|exec| !exec.has_ended())
            .map(|exec| exec.id.clone())
            .collect()
    }

    /// Changes the size of an exec's terminal.
    ///
    /// # Errors
    /// It does not run, or has no terminal.
    pub async fn exec_resize(&self, exec: &str, rows: u16, columns: u16) -> Result<(), Error> {
        let exec = self.find_exec(exec)?;
        let key = exec
            .key()
            .ok_or_else(|| Error::Conflict(format!("exec process is not running: {}", exec.id)))?;
        Ok(self.0.supervisor.resize(&key, rows, columns).await?)
    }

    /// Sends a signal to an exec's process.
    ///
    /// # Errors
    /// It does not run.
    pub async fn exec_signal(&self, exec: &str, signal: i32) -> Result<(), Error> {
        let exec = self.find_exec(exec)?;
        let key = exec
            .key()
            .ok_or_else(|| Error::Conflict(format!("exec process is not running: {}", exec.id)))?;
        Ok(self.0.supervisor.signal(&key, signal.cast_unsigned()).await?)
    }

    /// An exec's process has ended.
    pub(crate) fn exec_ended(&self, id: &str, record: &ExitRecord) {
        let exec = self.0.execs.get(id);
        let code = record
            .outcome
            .status()
            .map_or(crate::lifecycle::UNKNOWN, exit_code);
        // What is held of one whose start has not been entered may not be there yet; the start lets go of it.
        if exec.as_ref().is_some_and(|exec| exec.defer(code)) {
            return;
        }
        self.0.supervisor.forget(&record.key);
        if let Some(exec) = exec {
            self.end_exec(&exec, code);
        }
    }

    fn end_exec(&self, exec: &ExecEntry, code: i32) {
        if exec.end(code)
            && let Some(entry) = self.0.table.get(&exec.container)
        {
            let attributes = [("execID", exec.id.clone()), ("exitCode", code.to_string())];
            self.tell(&entry.get(), "exec_die", &attributes);
        }
    }

    /// The container has ended, and with it every process in it.
    pub(crate) fn forget_execs(&self, container: &str) {
        for exec in self.0.execs.of(container) {
            if !exec.defer(137) {
                exec.end(137);
            }
            self.0.execs.lock().remove(&exec.id);
        }
    }
}
