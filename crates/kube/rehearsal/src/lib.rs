//! A control plane for one test: an API server on virtual time and on a disk that forgets.
//!
//! Controllers, the scheduler, the kubelet and the API server itself are rehearsed here, by their tests in `tests/pure`.
//! Nothing waits for the wall clock: time passes when nobody has anything to do, and a seed repeats a run. Whatever
//! goes wrong panics, as a test wants it; no product crate depends on this one.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's ground: what fails here fails the test"
)]

mod config;
mod objects;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use apiserver::{ApiServer, Config};
use auth::UserInfo;
use client::Client;
use driver::{Env, ManualClock, Rng, Sim, SimDisk};
use store::{Embedded, Options, Writer};

pub use config::{authority, config, issuer};

/// An API server, its executor, and the writer of its store, which nobody else turns.
pub struct Plane {
    sim: Sim,
    disk: SimDisk,
    /// The store's, which is not the executor's.
    clock: Arc<ManualClock>,
    writer: Mutex<Writer>,
    store: Arc<Embedded>,
    /// The server itself, for whoever lives in its process.
    pub server: ApiServer,
    /// A client that may do everything.
    pub client: Client,
}

impl Plane {
    /// A new one over an empty disk.
    pub fn open(seed: u64) -> Self {
        Self::open_on(SimDisk::new(), seed, config())
    }

    /// One over this disk, with a configuration of its own.
    pub fn open_on(disk: SimDisk, seed: u64, config: Config) -> Self {
        let (sim, clock) = (Sim::new(seed), Arc::new(ManualClock::new()));
        let rng = Rng::from_seed(seed);
        let opened = Embedded::open_driven(disk.dir(), clock.clone(), rng, Options::default());
        let (store, writer) = opened.unwrap();
        let (store, writer) = (Arc::new(store), Mutex::new(writer));
        let env: Arc<dyn Env> = Arc::new(sim.clone());
        let server = turns::run(&sim, &writer, ApiServer::open(config, store.clone(), env)).unwrap();
        let client = Client::in_process(server.clone(), user("admin", &[UserInfo::MASTERS]), "tester");
        Self {
            sim,
            disk,
            clock,
            writer,
            store,
            server,
            client,
        }
    }

    /// Starts the server anew over the same store, whose process goes on.
    pub fn reopen(&mut self, config: Config) {
        self.server = self
            .run(ApiServer::open(config, self.store.clone(), self.env()))
            .unwrap();
    }

    /// Cuts the power and starts anew with what the disk remembers.
    pub fn crash(self, seed: u64) -> Self {
        let disk = self.disk.clone();
        drop(self);
        disk.crash(&mut Rng::from_seed(seed));
        Self::open_on(disk, seed, config())
    }

    /// The executor.
    pub fn sim(&self) -> Sim {
        self.sim.clone()
    }

    /// The executor, for those who know it by its trait.
    pub fn env(&self) -> Arc<dyn Env> {
        Arc::new(self.sim.clone())
    }

    /// A client with the rights of this user.
    pub fn client_as(&self, user: UserInfo, agent: &str) -> Client {
        Client::in_process(self.server.clone(), user, agent)
    }

    /// Runs a future to its end, and whatever else can run meanwhile.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        turns::run(&self.sim, &self.writer, work)
    }

    /// Lets everything happen that happens without time.
    pub fn settle(&self) {
        while self.turn() {}
    }

    /// One round of whatever can run; false if nothing can.
    pub fn turn(&self) -> bool {
        self.sim.run_ready();
        let wrote = turns::write(&mut self.writer());
        wrote || self.sim.is_ready()
    }

    /// Lets time pass, for the store too.
    pub fn pass(&self, time: Duration) {
        self.settle();
        self.clock.advance(time);
        let env = self.sim.clone();
        self.run(async move { env.sleep(time).await });
        self.settle();
    }

    /// Lets everything happen, time included, until this holds.
    ///
    /// # Panics
    /// If nobody has anything left to do, or after 20,000 steps of time.
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..20_000 {
            self.settle();
            if holds() {
                return;
            }
            assert!(self.sim.step(), "never: {what}");
        }
        panic!("never: {what}");
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap()
    }
}

/// A user with these groups, and no others.
pub fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..UserInfo::default()
    }
}
