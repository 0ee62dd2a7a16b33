//! Rows 6, 8 and 10 to 14: the Kubernetes API over TLS, asked by one client of our own.
//!
//! The peer (kube-apiserver 1.20 over etcd 3.4) cannot be installed by everyone. Its figures were recorded on this kind
//! of machine and stand as [`PEER`]; every table says so. Client and server share the machine's processors, so the
//! server's own processor time for each request is printed beside the rates.

pub(crate) mod client;
mod lane;
mod load;
mod memory;
pub(crate) mod objects;
mod post;
mod read;
mod start;
mod watch;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use testkit::daemon::Daemon;
use tokio::runtime::{Builder, Runtime};

pub(crate) use memory::{binary, idle, pods};
pub(crate) use post::run as post;
pub(crate) use read::{get, list};
pub(crate) use start::run as start;
pub(crate) use watch::run as watch;

use crate::usage::settled;
use client::Target;
use load::{Figures, Load, Make};

/// What kube-apiserver 1.20 and etcd 3.4 did when they were measured here (`docs/benchmarks.md`), on both processors:
/// the recorded rates at 32 connections.
pub(crate) struct Peer {
    /// Durable creations of a ConfigMap a second.
    pub(crate) posts: f64,
    /// Their median.
    pub(crate) post_median: Duration,
    /// Reads of one object a second.
    pub(crate) gets: f64,
    /// Objects a second in lists.
    pub(crate) listed: f64,
    /// From the start of its processes to `/readyz`.
    pub(crate) ready: Duration,
    /// Idle memory of the control plane and of dockerd with containerd, in MB.
    pub(crate) idle: f64,
}

pub(crate) const PEER: Peer = Peer {
    posts: 2050.0,
    post_median: Duration::from_millis(13),
    gets: 3600.0,
    listed: 170_000.0,
    ready: Duration::from_millis(5000),
    idle: 527.0 + 131.0,
};

/// A running node, and a client beside it.
pub(crate) struct Node {
    pub(crate) daemon: Daemon,
    pub(crate) target: Target,
    pub(crate) runtime: Runtime,
}

impl Node {
    fn start() -> io::Result<Self> {
        Self::of(Daemon::api())
    }

    /// This daemon's. The calling thread moves into its network namespace.
    pub(crate) fn of(daemon: Daemon) -> io::Result<Self> {
        enter(&daemon)?;
        Ok(Self {
            target: Target::of(&daemon.directory.join("data/kubeconfig"), true)?,
            runtime: Builder::new_current_thread().enable_all().build()?,
            daemon,
        })
    }

    /// Runs a load, and says what the server's processes spent on it.
    fn run(&self, load: Load, make: &Make) -> io::Result<Loaded> {
        let before = self.daemon.cpu();
        let figures = self.runtime.block_on(load.run(&self.target, make))?;
        let cpu = Duration::from_nanos(settled(&self.daemon).saturating_sub(before));
        Ok(Loaded { figures, cpu })
    }
}

/// What a load did, and the server's processor time for it.
struct Loaded {
    figures: Figures,
    cpu: Duration,
}

impl Loaded {
    fn cpu_per_request(&self) -> Duration {
        self.cpu.div_f64(self.figures.requests().max(1) as f64)
    }
}

/// Moves this thread, and so what it connects, into the daemon's network namespace.
pub(crate) fn enter(daemon: &Daemon) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{}/ns/net", daemon.namespace.pid()))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

/// The round in the middle by a figure: one noisy round does not count.
fn middle<T>(mut rounds: Vec<T>, figure: impl Fn(&T) -> f64) -> Option<T> {
    rounds.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
    let at = rounds.len() / 2;
    rounds.into_iter().nth(at)
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A table of loads, one row for each.
fn print(rows: &[(String, Loaded)]) {
    println!(
        "{:<44} {:>10} {:>9} {:>9} {:>9} {:>12}",
        "", "a second", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs each"
    );
    for (name, loaded) in rows {
        let figures = &loaded.figures;
        println!(
            "{name:<44} {:>10.0} {:>9.2} {:>9.2} {:>9.2} {:>12.1}",
            figures.rate(),
            millis(figures.at(500)),
            millis(figures.at(990)),
            millis(figures.at(999)),
            micros(loaded.cpu_per_request()),
        );
    }
}
