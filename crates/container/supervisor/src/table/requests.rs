//! What a daemon may ask of processes, and what follows.

use std::time::Duration;

use super::{Action, Connection, Life, MAX_LIVES, RECORDS_IN_REPLY, Table, nanos};
use crate::protocol::{ExitRecord, Key, LogSpec, Phase, Reason, Reply, Start, Stdio, Task, Worker};

impl Table {
    pub(super) fn start(&mut self, from: Connection, id: u32, start: Start) -> Result<Vec<Action>, Reason> {
        if start.key.task == (Task::Worker {}) {
            return Err(Reason::Invalid {});
        }
        if let Some(life) = self.lives.get_mut(&start.key) {
            // The same request again, from a daemon that has not seen the answer.
            return match life.phase {
                Phase::Starting { .. } => {
                    life.waiting = Some((from, id));
                    Ok(Vec::new())
                }
                Phase::Running {} | Phase::Created {} => Ok(vec![Action::Grant(from, id, start.key)]),
                _ => Err(Reason::WrongPhase {}),
            };
        }
        self.vacant(&start.key)?;
        let (stdio, log) = (start.stdio.clone(), start.log.clone());
        let number = self.insert(start.key.clone(), stdio, log, Some((from, id)), None);
        Ok(vec![Action::Launch(number, Box::new(start))])
    }

    pub(super) fn worker(
        &mut self,
        from: Connection,
        id: u32,
        worker: Worker,
        now: Duration,
    ) -> Result<Vec<Action>, Reason> {
        if worker.key.task != (Task::Worker {}) || worker.arguments.is_empty() {
            return Err(Reason::Invalid {});
        }
        if self.lives.contains_key(&worker.key) {
            return Err(Reason::WrongPhase {});
        }
        self.vacant(&worker.key)?;
        let deadline = nanos(now + Duration::from_millis(worker.deadline.into()));
        let number = self.insert(
            worker.key.clone(),
            Stdio::Given {},
            None,
            Some((from, id)),
            Some(deadline),
        );
        Ok(vec![Action::LaunchWorker(number, Box::new(worker))])
    }

    /// Whether a new life may begin: room for it, no newer one known, no older one alive.
    pub(super) fn vacant(&self, key: &Key) -> Result<(), Reason> {
        if self.ending.is_some() {
            return Err(Reason::Ending {});
        }
        let generation = |generation| Key {
            generation,
            ..key.clone()
        };
        for (other, life) in self.lives.range(generation(0)..=generation(u64::MAX)) {
            if other.generation > key.generation {
                return Err(Reason::Stale {});
            }
            if other.generation == key.generation || !matches!(life.phase, Phase::Exited { .. }) {
                return Err(Reason::WrongPhase {});
            }
        }
        if self.lives.len() < MAX_LIVES {
            Ok(())
        } else {
            Err(Reason::Full {})
        }
    }

    pub(super) fn insert(
        &mut self,
        key: Key,
        stdio: Stdio,
        log: Option<LogSpec>,
        waiting: Option<(u64, u32)>,
        deadline: Option<u64>,
    ) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let phase = Phase::Starting { point: None };
        let life = Life {
            number,
            pid: 0,
            phase,
            stdio,
            log,
            adopted: false,
            waiting,
            deadline,
            ended: None,
        };
        self.keys.insert(number, key.clone());
        self.lives.insert(key, life);
        number
    }

    /// Enters a process that somebody else started and that `Adopt` brought.
    pub(crate) fn adopted(&mut self, key: Key, pid: u32, stdio: Stdio, log: Option<LogSpec>) -> u64 {
        let number = self.insert(key.clone(), stdio, log, None, None);
        if let Some(life) = self.lives.get_mut(&key) {
            (life.pid, life.phase, life.adopted) = (pid, Phase::Running {}, true);
        }
        number
    }

    pub(super) fn alive(&self, key: &Key) -> Result<&Life, Reason> {
        let life = self.find(key)?;
        let alive = matches!(
            life.phase,
            Phase::Starting { .. } | Phase::Running {} | Phase::Created {}
        );
        if alive {
            Ok(life)
        } else {
            Err(Reason::WrongPhase {})
        }
    }

    pub(super) fn resume(&mut self, key: &Key, point: u32) -> Result<Action, Reason> {
        let life = self.lives.get_mut(key).ok_or(Reason::NotFound {})?;
        if life.phase != (Phase::Starting { point: Some(point) }) {
            return Err(Reason::WrongPhase {});
        }
        life.phase = Phase::Starting { point: None };
        Ok(Action::Resume(life.number))
    }

    pub(super) fn exits(&self, after: u64) -> Reply {
        let mut records: Vec<ExitRecord> = self
            .records()
            .filter(|record| record.sequence > after)
            .cloned()
            .collect();
        records.sort_by_key(|record| record.sequence);
        let more = records.len() > RECORDS_IN_REPLY;
        records.truncate(RECORDS_IN_REPLY);
        Reply::ExitList { records, more }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &ExitRecord> {
        self.lives.values().filter_map(|life| match &life.phase {
            Phase::Exited { record } => Some(record),
            _ => None,
        })
    }

    pub(super) fn acknowledge(&mut self, from: Connection, id: u32, through: u64) -> Vec<Action> {
        let known: Vec<Key> = self
            .records()
            .filter(|it| it.sequence <= through)
            .map(|it| it.key.clone())
            .collect();
        let gone = known.iter().filter_map(|key| self.remove(key));
        let mut actions: Vec<Action> = gone.map(|life| Action::Forget(life.number)).collect();
        actions.push(Action::Reply(from, id, Reply::Done {}));
        actions
    }
}
