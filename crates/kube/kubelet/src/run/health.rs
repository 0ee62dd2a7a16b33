//! Whether a kubelet's tasks do their work: `/healthz/syncloop`.
//!
//! Upstream asks when its one loop went round last. Here each task waits for what concerns it, so two things can be wrong:
//! a task has ended that should not, or the wheel's time has come and nobody turns it.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::core::{Core, lock};

/// How late the wheel may be (upstream gives its loop twice its longest pause, at least this).
const LATE: Duration = Duration::from_secs(20);

/// Tasks that have ended though the kubelet was not closed, because something in them broke.
#[derive(Debug, Default)]
pub(super) struct Broken(Mutex<Vec<&'static str>>);

/// Notes the end of a task when it is dropped.
pub(super) struct Watch {
    core: Arc<Core>,
    task: &'static str,
}

impl Watch {
    pub(super) fn over(core: Arc<Core>, task: &'static str) -> Self {
        Self { core, task }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.core.is_closed() {
            tracing::error!(task = self.task, "a task of the kubelet has ended");
            lock(&self.core.broken.0).push(self.task);
        }
    }
}

/// Whether a kubelet does its work. Clones ask the same one.
#[derive(Clone)]
pub struct Health(Weak<Core>);

impl Health {
    pub(super) fn of(core: &Arc<Core>) -> Self {
        Self(Arc::downgrade(core))
    }

    /// Asks it. It does not wait.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let core = self.0.upgrade().ok_or("the kubelet has ended")?;
        if let Some(task) = lock(&core.broken.0).first() {
            return Err(format!("the task {task:?} has ended"));
        }
        let due = lock(&core.wheel).next();
        let late = due.map_or(Duration::ZERO, |at| core.env.now().saturating_since(at));
        if late > LATE {
            return Err(format!("pod sync is {} s behind", late.as_secs()));
        }
        Ok(())
    }
}
