//! The pure core: which processes there are, who may ask what, and what follows from an event.
//!
//! `Table` decides and the driver acts: every method takes an event and the time and answers with
//! actions. It holds no descriptor and reads no clock, and the whole of it is declared as a wire
//! struct, so that what survives a re-exec is exactly what decisions depend on.

use std::collections::BTreeMap;
use std::time::Duration;

use sys::launch;

use crate::protocol::wire::{wire_enum, wire_struct};
use crate::protocol::{
    Bytes, Event, ExitRecord, Key, Leftovers, LogSpec, LogStats, Name, OLDEST, Outcome, Phase, Reason, Reply,
    Request, Role, Start, Stdio, Task, VERSION, Worker,
};

/// Most processes at once, those with an unacknowledged exit included.
pub(crate) const MAX_LIVES: usize = 2048;
/// Most descriptors held by name.
pub(crate) const MAX_HELD: usize = 8192;
/// Exit records in one answer: about 200 bytes each, far below the message limit.
const RECORDS_IN_REPLY: usize = 64;
/// Milliseconds before the first, second, ... restart of the daemon; the last one repeats.
const BACKOFF: [u64; 7] = [100, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/// A daemon that has lived this long has recovered.
const HEALTHY: Duration = Duration::from_secs(60);
const SIGTERM: u32 = 15;
const SIGKILL: u32 = 9;

pub(crate) type Connection = u64;

/// What the driver is to do, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Reply(Connection, u32, Reply),
    Notify(Connection, Event),
    /// A process has started: the reply carries its descriptors.
    Grant(Connection, u32, Key),
    Launch(u64, Box<Start>),
    LaunchWorker(u64, Box<Worker>),
    /// An admitted request that changes descriptors only; the driver answers it.
    Perform(Connection, u32, Option<u64>, Box<Request>),
    Resume(u64),
    Signal(u64, u32),
    Drain(u64),
    Forget(u64),
    StartDaemon,
    SignalDaemon(u32),
    Exit,
}

wire_struct! {
    /// One process in one of its lives.
    pub(crate) struct Life {
        pub(crate) number: u64,
        pub(crate) pid: u32,
        pub(crate) phase: Phase,
        pub(crate) stdio: Stdio,
        pub(crate) log: Option<LogSpec>,
        pub(crate) adopted: bool,
        /// Who waits for the start, or for a worker's end.
        waiting: Option<(u64, u32)>,
        /// Boot time in nanoseconds at which a worker is killed.
        deadline: Option<u64>,
        ended: Option<(Outcome, u64)>,
    }
}

wire_enum! {
    /// The daemon's process.
    enum Daemon {
        0 Off {}
        1 Running { pid: u32, since: u64 }
        2 Waiting { until: u64 }
    }
}

wire_struct! {
    /// `gantry down` is under way.
    struct Ending { connection: u64, id: u32, leftovers: Leftovers, kill_at: u64 }
}

wire_struct! {
    pub(crate) struct Table {
        pub(crate) lives: BTreeMap<Key, Life>,
        next_number: u64,
        next_sequence: u64,
        roles: BTreeMap<u64, Role>,
        current: Option<u64>,
        daemon: Daemon,
        failures: u32,
        pub(crate) command: Option<(Vec<Bytes>, Vec<Bytes>)>,
        ending: Option<Ending>,
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Table {
    pub(crate) fn new(command: Option<(Vec<Bytes>, Vec<Bytes>)>) -> Self {
        let daemon = if command.is_some() {
            Daemon::Waiting { until: 0 }
        } else {
            Daemon::Off {}
        };
        Self {
            lives: BTreeMap::new(),
            next_number: 1,
            next_sequence: 1,
            roles: BTreeMap::new(),
            current: None,
            daemon,
            failures: 0,
            command,
            ending: None,
        }
    }

    /// Answers a request. Refusals change nothing.
    pub(crate) fn request(
        &mut self,
        from: Connection,
        id: u32,
        request: Request,
        now: Duration,
    ) -> Vec<Action> {
        match self.admit(from, id, request, now) {
            Ok(actions) => actions,
            Err(reason) => vec![Action::Reply(from, id, Reply::Refused { reason })],
        }
    }

    fn admit(
        &mut self,
        from: Connection,
        id: u32,
        request: Request,
        now: Duration,
    ) -> Result<Vec<Action>, Reason> {
        if let Request::Hello {
            oldest, newest, role, ..
        } = request
        {
            return self.hello(from, id, oldest, newest, role);
        }
        let role = self.roles.get(&from).ok_or(Reason::NotGreeted {})?;
        if *role == (Role::Daemon {}) && self.current != Some(from) {
            return Err(Reason::Superseded {});
        }
        let done = |action| Ok(vec![action, Action::Reply(from, id, Reply::Done {})]);
        match request {
            Request::Start { start } => self.start(from, id, start),
            Request::Worker { worker } => self.worker(from, id, worker, now),
            Request::Continue { key, point } => done(self.resume(&key, point)?),
            Request::Signal { key, number } => done(Action::Signal(self.alive(&key)?.number, number)),
            Request::Exits { after } => Ok(vec![Action::Reply(from, id, self.exits(after))]),
            Request::Ack { through } => Ok(self.acknowledge(from, id, through)),
            Request::Adopt { ref key, .. } => {
                self.vacant(key)?;
                Ok(vec![Action::Perform(from, id, None, Box::new(request))])
            }
            Request::SetDaemon {
                arguments,
                environment,
            } => {
                self.command = Some((arguments, environment));
                if self.daemon == (Daemon::Off {}) {
                    self.daemon = Daemon::Waiting { until: 0 };
                }
                Ok(vec![Action::Reply(from, id, Reply::Done {})])
            }
            Request::Shutdown { leftovers, grace } => Ok(self.shut_down(from, id, leftovers, grace, now)),
            Request::Resize { ref key, .. }
            | Request::CloseStdin { ref key }
            | Request::Attach { ref key }
            | Request::ReopenLog { ref key, .. } => {
                let number = self.find(key)?.number;
                Ok(vec![Action::Perform(from, id, Some(number), Box::new(request))])
            }
            other => Ok(vec![Action::Perform(from, id, None, Box::new(other))]),
        }
    }

    fn hello(
        &mut self,
        from: Connection,
        id: u32,
        oldest: u16,
        newest: u16,
        role: Role,
    ) -> Result<Vec<Action>, Reason> {
        let version = newest.min(VERSION);
        if version < oldest.max(OLDEST) {
            return Err(Reason::Version {});
        }
        let mut actions = Vec::new();
        if role == (Role::Daemon {}) {
            let old = self.current.replace(from).filter(|old| *old != from);
            actions.extend(old.map(|old| Action::Notify(old, Event::Superseded {})));
        }
        self.roles.insert(from, role);
        let exits = self
            .lives
            .values()
            .filter(|life| matches!(life.phase, Phase::Exited { .. }))
            .count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let welcome = Reply::Welcome {
            version,
            pid: std::process::id(),
            software: env!("CARGO_PKG_VERSION").into(),
            containers: count(self.lives.len()),
            exits: count(exits),
        };
        actions.push(Action::Reply(from, id, welcome));
        Ok(actions)
    }

    fn start(&mut self, from: Connection, id: u32, start: Start) -> Result<Vec<Action>, Reason> {
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
                Phase::Running {} => Ok(vec![Action::Grant(from, id, start.key)]),
                _ => Err(Reason::WrongPhase {}),
            };
        }
        self.vacant(&start.key)?;
        let (stdio, log) = (start.stdio.clone(), start.log.clone());
        let number = self.insert(start.key.clone(), stdio, log, Some((from, id)), None);
        Ok(vec![Action::Launch(number, Box::new(start))])
    }

    fn worker(
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
    fn vacant(&self, key: &Key) -> Result<(), Reason> {
        if self.ending.is_some() {
            return Err(Reason::Ending {});
        }
        let same = |(other, _): &(&Key, &Life)| other.container == key.container && other.task == key.task;
        for (other, life) in self.lives.iter().filter(same) {
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

    fn insert(
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

    pub(crate) fn find(&self, key: &Key) -> Result<&Life, Reason> {
        self.lives.get(key).ok_or(Reason::NotFound {})
    }

    fn alive(&self, key: &Key) -> Result<&Life, Reason> {
        let life = self.find(key)?;
        let alive = matches!(life.phase, Phase::Starting { .. } | Phase::Running {});
        if alive {
            Ok(life)
        } else {
            Err(Reason::WrongPhase {})
        }
    }

    fn resume(&mut self, key: &Key, point: u32) -> Result<Action, Reason> {
        let life = self.lives.get_mut(key).ok_or(Reason::NotFound {})?;
        if life.phase != (Phase::Starting { point: Some(point) }) {
            return Err(Reason::WrongPhase {});
        }
        life.phase = Phase::Starting { point: None };
        Ok(Action::Resume(life.number))
    }

    fn exits(&self, after: u64) -> Reply {
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

    fn records(&self) -> impl Iterator<Item = &ExitRecord> {
        self.lives.values().filter_map(|life| match &life.phase {
            Phase::Exited { record } => Some(record),
            _ => None,
        })
    }

    fn acknowledge(&mut self, from: Connection, id: u32, through: u64) -> Vec<Action> {
        let known: Vec<Key> = self
            .records()
            .filter(|it| it.sequence <= through)
            .map(|it| it.key.clone())
            .collect();
        let gone = known.iter().filter_map(|key| self.lives.remove(key));
        let mut actions: Vec<Action> = gone.map(|life| Action::Forget(life.number)).collect();
        actions.push(Action::Reply(from, id, Reply::Done {}));
        actions
    }

    pub(crate) fn key_of(&self, number: u64) -> Option<&Key> {
        self.lives
            .iter()
            .find(|(_, life)| life.number == number)
            .map(|(key, _)| key)
    }

    fn by_number(&mut self, number: u64) -> Option<(&Key, &mut Life)> {
        self.lives.iter_mut().find(|(_, life)| life.number == number)
    }

    /// `clone3` has returned, or the process has moved to another id.
    pub(crate) fn launched(&mut self, number: u64, pid: u32) {
        if let Some((_, life)) = self.by_number(number) {
            life.pid = pid;
        }
    }

    /// What a starting process says on its channel.
    pub(crate) fn said(&mut self, number: u64, event: launch::Event) -> Vec<Action> {
        let current = self.current;
        let Some((key, life)) = self.by_number(number) else {
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
                Vec::new()
            }
            launch::Event::Failed { op, errno } => self.failed(number, op, errno),
            launch::Event::Created | launch::Event::Started => {
                life.phase = Phase::Running {};
                // A worker's answer is its end.
                let waiting = if life.deadline.is_some() {
                    None
                } else {
                    life.waiting.take()
                };
                waiting
                    .map(|(to, id)| Action::Grant(to, id, key))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// A process did not come to be; its key is free again.
    pub(crate) fn failed(&mut self, number: u64, operation: u32, errno: i32) -> Vec<Action> {
        let Some(key) = self.key_of(number).cloned() else {
            return Vec::new();
        };
        let waiting = self.lives.remove(&key).and_then(|life| life.waiting);
        let reply = |(to, id)| Action::Reply(to, id, Reply::Failed { operation, errno });
        waiting
            .map(reply)
            .into_iter()
            .chain([Action::Forget(number)])
            .collect()
    }

    /// A child has been reaped. Answers nothing for an orphan that nobody asked about.
    pub(crate) fn reaped(&mut self, pid: u32, outcome: Outcome, now: Duration, at: u64) -> Vec<Action> {
        if matches!(self.daemon, Daemon::Running { pid: daemon, .. } if daemon == pid) {
            return self.daemon_died(now);
        }
        let alive = |life: &&Life| life.pid == pid && life.ended.is_none();
        let number = self.lives.values().find(alive).map(|life| life.number);
        number.map_or_else(Vec::new, |number| self.ended(number, outcome, at))
    }

    /// A process has ended: its log comes first, then the news.
    pub(crate) fn ended(&mut self, number: u64, outcome: Outcome, at: u64) -> Vec<Action> {
        let Some((key, life)) = self.by_number(number).filter(|(_, life)| life.ended.is_none()) else {
            return Vec::new();
        };
        (life.phase, life.ended) = (Phase::Draining {}, Some((outcome, at)));
        if life.deadline.is_none() {
            return vec![Action::Drain(number)];
        }
        let (key, waiting) = (key.clone(), life.waiting);
        self.lives.remove(&key);
        let reply = |(to, id)| Action::Reply(to, id, Reply::WorkerDone { outcome });
        waiting
            .map(reply)
            .into_iter()
            .chain([Action::Forget(number)])
            .collect()
    }

    /// Everything an ended process wrote is in its log.
    pub(crate) fn drained(&mut self, number: u64, log: LogStats) -> Vec<Action> {
        let (current, sequence) = (self.current, self.next_sequence);
        let Some((key, life)) = self.by_number(number) else {
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
        let step = BACKOFF[(self.failures as usize).min(BACKOFF.len() - 1)];
        self.failures = self.failures.saturating_add(1);
        self.daemon = Daemon::Waiting {
            until: nanos(now + Duration::from_millis(step)),
        };
        Vec::new()
    }

    fn shut_down(
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

    fn end_containers(&mut self) -> Vec<Action> {
        let kill = self
            .ending
            .as_ref()
            .is_some_and(|ending| ending.leftovers == Leftovers::Kill {});
        let alive = self.lives.values().filter(|life| life.ended.is_none() && kill);
        let mut actions: Vec<Action> = alive.map(|life| Action::Signal(life.number, SIGKILL)).collect();
        actions.extend(self.finish_if_empty());
        actions
    }

    fn finish_if_empty(&self) -> Vec<Action> {
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

    pub(crate) fn daemon_pid(&self) -> Option<u32> {
        match self.daemon {
            Daemon::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// The process after `after` in key order.
    pub(crate) fn next(&self, after: Option<&Key>) -> Option<(&Key, &Life)> {
        use std::ops::Bound::{Excluded, Unbounded};
        match after {
            Some(key) => self.lives.range((Excluded(key), Unbounded)).next(),
            None => self.lives.first_key_value(),
        }
    }
}

/// Names of held descriptors are the driver's; this is the order in which they are listed.
pub(crate) fn next_name<'a, V>(held: &'a BTreeMap<Name, V>, after: Option<&Name>) -> Option<&'a Name> {
    use std::ops::Bound::{Excluded, Unbounded};
    let mut rest = held.range((after.map_or(Unbounded, Excluded), Unbounded));
    rest.next().map(|(name, _)| name)
}
