//! Rows 2, 3 and 4: containers through the Engine API, on Gantry and on Debian's dockerd, by one client.

pub(crate) mod client;
mod memory;
mod parallel;
mod run;

use std::io;
use std::time::{Duration, Instant};

pub(crate) use memory::run as container_memory;
pub(crate) use parallel::run as docker_run_parallel;
pub(crate) use run::run as docker_run;

use client::Client;
use serde_json::json;
use testkit::daemon::Daemon;

use crate::usage::settled;

/// Namespaces that Gantry keeps ready while it is measured.
const POOL: usize = 16;

/// Create, start, wait, remove of `true` on the default bridge.
fn container(client: &mut Client) -> io::Result<()> {
    let body = json!({"Image": "busybox", "Cmd": ["true"]});
    let created = client.call("POST", "/v1.41/containers/create", Some(&body))?;
    let id = created["Id"].as_str().ok_or_else(|| io::Error::other("no id"))?;
    client.call("POST", &format!("/v1.41/containers/{id}/start"), None)?;
    let ended = client.call("POST", &format!("/v1.41/containers/{id}/wait"), None)?;
    client.call("DELETE", &format!("/v1.41/containers/{id}"), None)?;
    match ended["StatusCode"].as_i64() {
        Some(0) => Ok(()),
        _ => Err(io::Error::other(format!(
            "the container did not do as it should: {ended}"
        ))),
    }
}

/// Runs of one daemon, and what they cost.
struct Runs {
    name: String,
    times: Vec<Duration>,
    whole: Duration,
    cpu: Duration,
}

impl Runs {
    fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            times: Vec::new(),
            whole: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    /// Adds a burst; what the daemon still does afterwards (refill, teardown) belongs to it.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    fn burst(&mut self, daemon: &Daemon, work: impl FnOnce() -> io::Result<Vec<Duration>>) -> io::Result<()> {
        let (cpu, begin) = (daemon.cpu(), Instant::now());
        let times = work()?;
        self.whole += begin.elapsed();
        self.times.extend(times);
        self.cpu += Duration::from_nanos(settled(daemon).saturating_sub(cpu));
        Ok(())
    }

    fn at(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times[(times.len() * percent / 100).min(times.len() - 1)]
    }

    /// Containers per second.
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.whole.as_secs_f64()
    }
}

/// A table of the subjects; the ratio is how many times faster than the last one, the peer.
fn print(subjects: &[Runs]) {
    let Some(peer) = subjects.last() else { return };
    println!(
        "{:<34} {:>10} {:>10} {:>12} {:>12} {:>9}",
        "", "median ms", "p99 ms", "per second", "CPU ms/run", "faster"
    );
    for each in subjects {
        println!(
            "{:<34} {:>10.2} {:>10.2} {:>12.1} {:>12.2} {:>8.1}x",
            each.name,
            each.at(50).as_secs_f64() * 1e3,
            each.at(99).as_secs_f64() * 1e3,
            each.rate(),
            each.cpu.as_secs_f64() * 1e3 / each.times.len() as f64,
            peer.at(50).as_secs_f64() / each.at(50).as_secs_f64(),
        );
    }
}
