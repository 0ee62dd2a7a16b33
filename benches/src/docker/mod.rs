//! Rows 2, 3 and 4: containers through the Engine API, on Gantry and on Debian's dockerd, by one client.

mod client;
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

/// The daemon's processor time once it has not grown for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark waits until the daemon is quiet"
)]
fn settled(daemon: &Daemon) -> u64 {
    let mut last = daemon.cpu();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = daemon.cpu();
        // An idle dockerd uses some; a millisecond in two hundred is quiet.
        if now.saturating_sub(last) < 1_000_000 {
            return now;
        }
        last = now;
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

/// Largest resident set of the daemon's own processes since they began, in KiB, of the given ones.
fn peak(pids: &[u32]) -> u64 {
    let high = |pid: &u32| -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    pids.iter().filter_map(high).sum()
}

/// The processes of a daemon that are no containers.
fn processes(daemon: &Daemon) -> Vec<u32> {
    let group = |leaf: &str| {
        let path = format!("/sys/fs/cgroup/cpuacct/{}/{leaf}/cgroup.procs", daemon.name);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.parse().ok())
            .collect::<Vec<u32>>()
    };
    [group("node"), group("daemon")].concat()
}
