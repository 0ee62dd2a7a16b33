//! The pure core: which processes there are, who may ask what, and what follows from an event.
//!
//! `Table` decides and the driver acts: every method takes an event and the time and answers with
//! actions. It holds no descriptor and reads no clock, and the whole of it is declared as a wire
//! struct, so that what survives a re-exec is exactly what decisions depend on.

mod daemon;
mod events;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::wire::{wire_enum, wire_struct};
use crate::protocol::{
    Bytes, Event, Key, Leftovers, LogSpec, Name, OLDEST, Outcome, Phase, Reason, Reply, Request, Role, Start,
    Stdio, VERSION, Worker,
};

/// Most processes at once, those with an unacknowledged exit included.
pub(crate) const MAX_LIVES: usize = 2048;
/// Most descriptors held by name.
pub(crate) const MAX_HELD: usize = 8192;
/// Most ends remembered of children that no life has claimed yet.
const MAX_STRAYS: usize = 256;
/// Exit records in one answer: about 200 bytes each, far below the message limit.
const RECORDS_IN_REPLY: usize = 64;
/// Milliseconds before the first, second, ... restart of the daemon; the last one repeats. Clients wait
/// meanwhile, and a start costs a fifth of a second: this is what a daemon that cannot live may cost.
const BACKOFF: [u64; 7] = [100, 200, 400, 800, 1_600, 3_200, 5_000];
/// A daemon that has lived this long has recovered.
const HEALTHY: Duration = Duration::from_secs(10);
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

wire_struct! {
    /// The end of a child that no life is known to be. A starting process may go on as another child,
    /// and that one can be reaped before the news of it has been read, or even written.
    struct Stray { pid: u32, outcome: Outcome, at: u64 }
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
        /// The key of each life by its number.
        keys: BTreeMap<u64, Key>,
        next_number: u64,
        next_sequence: u64,
        roles: BTreeMap<u64, Role>,
        current: Option<u64>,
        daemon: Daemon,
        failures: u32,
        pub(crate) command: Option<(Vec<Bytes>, Vec<Bytes>)>,
        ending: Option<Ending>,
        /// Kept while something is starting; the oldest go first.
        strays: Vec<Stray>,
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
            keys: BTreeMap::new(),
            next_number: 1,
            next_sequence: 1,
            roles: BTreeMap::new(),
            current: None,
            daemon,
            failures: 0,
            command,
            ending: None,
            strays: Vec::new(),
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
                self.command = (!arguments.is_empty()).then_some((arguments, environment));
                if self.daemon == (Daemon::Off {}) && self.command.is_some() {
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

    pub(crate) fn find(&self, key: &Key) -> Result<&Life, Reason> {
        self.lives.get(key).ok_or(Reason::NotFound {})
    }

    pub(crate) fn key_of(&self, number: u64) -> Option<&Key> {
        self.keys.get(&number)
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Life> {
        self.lives.get(self.keys.get(&number)?)
    }

    fn by_number_mut(&mut self, number: u64) -> Option<(&Key, &mut Life)> {
        let key = self.keys.get(&number)?;
        self.lives.get_mut(key).map(|life| (key, life))
    }

    fn remove(&mut self, key: &Key) -> Option<Life> {
        let life = self.lives.remove(key)?;
        self.keys.remove(&life.number);
        Some(life)
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
