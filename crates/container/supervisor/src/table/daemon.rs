//! The daemon's process, the end of the supervisor, and everything that waits for a time.

use std::time::Duration;

use super::{Action, BACKOFF, Daemon, Ending, HEALTHY, Life, SIGKILL, SIGTERM, Table, nanos};
use crate::protocol::{Leftovers, Phase, Reply};

impl Table {
    pub(crate) fn daemon_started(&mut self, pid: u32, now: Duration) {
        self.daemon = Daemon::Running {
            pid,
            since: nanos(now),
        };
    }

    /// The daemon died, or could not be started.
    pub(crate) fn daemon_died(&mut self, now: Duration) -> Vec<Action> {
        if let Daemon::Running { since, .. } = self.daemon
            && nanos(now).saturating_sub(since) >= nanos(HEALTHY)
        {
            self.failures = 0;
        }
        if self.ending.is_some() {
            self.daemon = Daemon::Off {};
            return self.end_containers();
        }
        if self.command.is_none() {
            self.daemon = Daemon::Off {};
            return Vec::new();
        }
        let step = BACKOFF[(self.failures as usize).min(BACKOFF.len() - 1)];
        self.failures = self.failures.saturating_add(1);
        self.daemon = Daemon::Waiting {
            until: nanos(now + Duration::from_millis(step)),
        };
        Vec::new()
    }

    pub(super) fn shut_down(
        &mut self,
        connection: u64,
        id: u32,
        leftovers: Leftovers,
        grace: u32,
        now: Duration,
    ) -> Vec<Action> {
        let kill_at = nanos(now + Duration::from_millis(grace.into()));
        self.ending = Some(Ending {
            connection,
            id,
            leftovers,
            kill_at,
        });
        if let Daemon::Running { .. } = self.daemon {
            return vec![Action::SignalDaemon(SIGTERM)];
        }
        self.daemon = Daemon::Off {};
        self.end_containers()
    }

    /// SIGTERM to the supervisor: containers stay, as at an upgrade.
    pub(crate) fn terminate(&mut self, now: Duration) -> Vec<Action> {
        self.shut_down(0, 0, Leftovers::Leave {}, 10_000, now)
    }

    pub(super) fn end_containers(&mut self) -> Vec<Action> {
        let kill = self.kills();
        let alive = self.lives.values().filter(|life| life.ended.is_none() && kill);
        let mut actions: Vec<Action> = alive.map(|life| Action::Signal(life.number, SIGKILL)).collect();
        actions.extend(self.finish_if_empty());
        actions
    }

    /// Whether every process is to die now: the daemon is gone, and nothing shall be left.
    fn kills(&self) -> bool {
        let kill = |ending: &Ending| ending.leftovers == Leftovers::Kill {};
        self.daemon == Daemon::Off {} && self.ending.as_ref().is_some_and(kill)
    }

    /// For a process that could not be reached when the others were killed.
    pub(super) fn kill_if_ending(&self, number: u64) -> Vec<Action> {
        let kill = self.kills().then_some(Action::Signal(number, SIGKILL));
        kill.into_iter().collect()
    }

    pub(super) fn finish_if_empty(&self) -> Vec<Action> {
        let Some(ending) = &self.ending else {
            return Vec::new();
        };
        let left = ending.leftovers == (Leftovers::Leave {});
        let over = |life: &Life| matches!(life.phase, Phase::Exited { .. });
        if self.daemon != (Daemon::Off {}) || !(left || self.lives.values().all(over)) {
            return Vec::new();
        }
        vec![
            Action::Reply(ending.connection, ending.id, Reply::Done {}),
            Action::Exit,
        ]
    }

    /// What is due by now.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Action> {
        let now = nanos(now);
        let mut actions = Vec::new();
        for life in self
            .lives
            .values_mut()
            .filter(|life| life.deadline.is_some_and(|at| at <= now))
        {
            life.deadline = Some(u64::MAX);
            actions.push(Action::Signal(life.number, SIGKILL));
        }
        match (&self.daemon, &mut self.ending) {
            (Daemon::Waiting { until }, None) if *until <= now => actions.push(Action::StartDaemon),
            (Daemon::Running { .. }, Some(ending)) if ending.kill_at <= now => {
                ending.kill_at = u64::MAX;
                actions.push(Action::SignalDaemon(SIGKILL));
            }
            _ => {}
        }
        actions
    }

    /// When [`Table::tick`] has something to do next, in boot time.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let deadlines = self.lives.values().filter_map(|life| life.deadline);
        let daemon = match (&self.daemon, &self.ending) {
            (Daemon::Waiting { until }, None) => Some(*until),
            (Daemon::Running { .. }, Some(ending)) => Some(ending.kill_at),
            _ => None,
        };
        deadlines
            .chain(daemon)
            .filter(|at| *at != u64::MAX)
            .min()
            .map(Duration::from_nanos)
    }
}
