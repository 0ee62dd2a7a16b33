//! Row 3: row 2 with 32 clients at once, in containers per second.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::daemon::{Daemon, Kind};

use super::{POOL, Runs, container, print};
use crate::Outcome;
use crate::docker::client::Client;
use crate::subject::version;
use crate::usage::{peak, processes};

const ROUNDS: usize = 5;
const CLIENTS: usize = 32;
/// Runs of dockerd in a turn.
const PEER_RUNS: usize = 64;

pub(crate) fn run() -> Outcome {
    let subjects = [
        ("gantry", Daemon::start(Kind::Gantry), POOL * 20),
        ("dockerd", Daemon::start(Kind::Dockerd), PEER_RUNS),
    ];
    println!("peer: {}", version("dockerd").unwrap_or_default());
    let mut runs: Vec<Runs> = subjects.iter().map(|(name, _, _)| Runs::new(*name)).collect();
    for (_, daemon, _) in &subjects {
        daemon.load_images();
        burst(daemon, CLIENTS)?;
    }
    for _ in 0..ROUNDS {
        for ((_, daemon, count), runs) in subjects.iter().zip(&mut runs) {
            runs.burst(daemon, || burst(daemon, *count))?;
        }
    }
    print(&runs);
    println!("throughput: {:.1} x dockerd's", runs[0].rate() / runs[1].rate());
    for (name, daemon, _) in &subjects {
        println!(
            "{name}: peak resident set of its processes {} KiB",
            peak(&processes(daemon))
        );
    }
    Ok(())
}

/// So many containers, by [`CLIENTS`] connections that take the next one as soon as they are free.
fn burst(daemon: &Daemon, count: usize) -> io::Result<Vec<Duration>> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| work(daemon, &next, count)))
            .collect();
        let mut times = Vec::new();
        for worker in workers {
            let done = worker.join().map_err(|_| io::Error::other("a client panicked"))?;
            times.extend(done?);
        }
        Ok(times)
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn work(daemon: &Daemon, next: &AtomicUsize, count: usize) -> io::Result<Vec<Duration>> {
    let mut client = Client::connect(&daemon.socket())?;
    let mut times = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < count {
        let begin = Instant::now();
        container(&mut client)?;
        times.push(begin.elapsed());
    }
    Ok(times)
}
