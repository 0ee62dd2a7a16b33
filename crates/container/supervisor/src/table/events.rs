//! What happens to processes, and whom it concerns.

use std::time::Duration;

use sys::launch;

use super::{Action, Connection, Daemon, Life, MAX_STRAYS, SIGKILL, Stray, Table};
use crate::protocol::{Event, ExitRecord, Key, LogStats, Outcome, Phase, Reply};

impl Table {
    /// `clone3` has returned. What was asked for before a shutdown may come to be after it.
    pub(crate) fn launched(&mut self, number: u64, pid: u32) -> Vec<Action> {
        self.strays.retain(|stray| stray.pid != pid);
        if let Some((_, life)) = self.by_number_mut(number) {
            life.pid = pid;
        }
        self.kill_if_ending(number)
    }

    /// What a starting process says on its channel.
    pub(crate) fn said(&mut self, number: u64, event: launch::Event) -> Vec<Action> {
        let current = self.current;
        let Some((key, life)) = self.by_number_mut(number) else {
            return Vec::new();
        };
        let key = key.clone();
        let notify = |event| current.map(|to| Action::Notify(to, event)).into_iter().collect();
        match event {
            launch::Event::Sync(point) => {
                life.phase = Phase::Starting { point: Some(point) };
                notify(Event::Synced { key, point })
            }
            launch::Event::Warning { op, errno } => notify(Event::Warning {
                key,
                operation: op,
                errno,
            }),
            launch::Event::Moved { pid } => {
                life.pid = pid.unsigned_abs();
                self.kill_if_ending(number)
            }
            launch::Event::Failed { op, errno } => self.failed(number, op, errno),
            launch::Event::Created | launch::Event::Started => {
                life.phase = if event == launch::Event::Created {
                    Phase::Created {}
                } else {
                    Phase::Running {}
                };
                // A worker's answer is its end.
                let waiting = if life.deadline.is_some() {
                    None
                } else {
                    life.waiting.take()
                };
                let mut actions: Vec<Action> = waiting
                    .map(|(to, id)| Action::Grant(to, id, key))
                    .into_iter()
                    .collect();
                actions.extend(self.claim_end(number));
                actions
            }
        }
    }

    /// The end of a process that was reaped before its start was heard of, or before it was known to be
    /// this one.
    fn claim_end(&mut self, number: u64) -> Vec<Action> {
        let Some((_, life)) = self.by_number_mut(number) else {
            return Vec::new();
        };
        let (pid, early) = (life.pid, life.ended.take());
        let stray = self.strays.iter().position(|stray| stray.pid == pid);
        let stray = stray.map(|at| self.strays.remove(at));
        self.forget_strays();
        let end = early.or(stray.map(|stray| (stray.outcome, stray.at)));
        end.map_or_else(Vec::new, |(outcome, at)| self.ended(number, outcome, at))
    }

    /// Where nothing starts, nobody will claim an end any more, and its process id is soon another's.
    fn forget_strays(&mut self) {
        let starting = |life: &Life| matches!(life.phase, Phase::Starting { .. });
        if !self.lives.values().any(starting) {
            self.strays.clear();
        }
    }

    /// A process did not come to be; its key is free again.
    pub(crate) fn failed(&mut self, number: u64, operation: u32, errno: i32) -> Vec<Action> {
        let Some(key) = self.key_of(number).cloned() else {
            return Vec::new();
        };
        let waiting = self.remove(&key).and_then(|life| life.waiting);
        let reply = |(to, id)| Action::Reply(to, id, Reply::Failed { operation, errno });
        waiting
            .map(reply)
            .into_iter()
            .chain([Action::Forget(number)])
            .chain(self.finish_if_empty())
            .collect()
    }

    /// A child has been reaped. Answers nothing for an orphan that nobody asked about, or that nobody
    /// has claimed yet.
    pub(crate) fn reaped(&mut self, pid: u32, outcome: Outcome, now: Duration, at: u64) -> Vec<Action> {
        if matches!(self.daemon, Daemon::Running { pid: daemon, .. } if daemon == pid) {
            return self.daemon_died(now);
        }
        if let Some(number) = self.child(pid) {
            return self.ended(number, outcome, at);
        }
        self.stray(Stray { pid, outcome, at });
        Vec::new()
    }

    /// The number of the life that this child is. An adopted process is not our child: its id may be
    /// another's by now.
    pub(crate) fn child(&self, pid: u32) -> Option<u64> {
        let alive = |life: &&Life| life.pid == pid && life.ended.is_none() && !life.adopted;
        self.lives.values().find(alive).map(|life| life.number)
    }

    fn stray(&mut self, stray: Stray) {
        if self.strays.len() == MAX_STRAYS {
            self.strays.remove(0);
        }
        self.strays.push(stray);
        self.forget_strays();
    }

    /// A process has ended: its log comes first, then the news. One that goes on as another child can
    /// end before the first one does, which has the channel still: then its start is heard first.
    pub(crate) fn ended(&mut self, number: u64, outcome: Outcome, at: u64) -> Vec<Action> {
        let Some((key, life)) = self
            .by_number_mut(number)
            .filter(|(_, life)| life.ended.is_none())
        else {
            return Vec::new();
        };
        life.ended = Some((outcome, at));
        if matches!(life.phase, Phase::Starting { .. }) {
            return Vec::new();
        }
        life.phase = Phase::Draining {};
        if life.deadline.is_none() {
            return vec![Action::Drain(number)];
        }
        let (key, waiting) = (key.clone(), life.waiting);
        self.remove(&key);
        let reply = |(to, id)| Action::Reply(to, id, Reply::WorkerDone { outcome });
        waiting
            .map(reply)
            .into_iter()
            .chain([Action::Forget(number)])
            .chain(self.finish_if_empty())
            .collect()
    }

    /// Everything an ended process wrote is in its log.
    pub(crate) fn drained(&mut self, number: u64, log: LogStats) -> Vec<Action> {
        let (current, sequence) = (self.current, self.next_sequence);
        let Some((key, life)) = self.by_number_mut(number) else {
            return Vec::new();
        };
        let Some((outcome, at)) = life.ended.filter(|_| life.phase == Phase::Draining {}) else {
            return Vec::new();
        };
        let record = ExitRecord {
            sequence,
            key: key.clone(),
            outcome,
            at,
            log,
        };
        let grant = life
            .waiting
            .take()
            .map(|(to, id)| Action::Grant(to, id, key.clone()));
        life.phase = Phase::Exited {
            record: record.clone(),
        };
        self.next_sequence += 1;
        let news = current.map(|to| Action::Notify(to, Event::Exited { record }));
        grant
            .into_iter()
            .chain(news)
            .chain(self.finish_if_empty())
            .collect()
    }

    pub(crate) fn log_trouble(&self, number: u64, log: LogStats) -> Vec<Action> {
        let news = |(to, key): (u64, &Key)| {
            Action::Notify(
                to,
                Event::LogTrouble {
                    key: key.clone(),
                    log,
                },
            )
        };
        self.current
            .zip(self.key_of(number))
            .map(news)
            .into_iter()
            .collect()
    }

    /// A connection is gone: its workers go too, since nobody is left to hear of them.
    pub(crate) fn closed(&mut self, connection: Connection) -> Vec<Action> {
        self.roles.remove(&connection);
        self.current = self.current.filter(|current| *current != connection);
        let mut actions = Vec::new();
        for life in self
            .lives
            .values_mut()
            .filter(|life| life.waiting.is_some_and(|(to, _)| to == connection))
        {
            life.waiting = None;
            actions.extend(life.deadline.map(|_| Action::Signal(life.number, SIGKILL)));
        }
        actions
    }
}
