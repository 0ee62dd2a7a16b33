//! Row 2: create, start, wait, remove, one after the other. Bursts of ten times the pool, so that the refill
//! is in the figure; beside it a Gantry that keeps no namespace ready.

use std::io;
use std::time::{Duration, Instant};

use testkit::daemon::{Daemon, Kind};

use super::{POOL, Runs, container, print};
use crate::Outcome;
use crate::docker::client::Client;
use crate::floor::{exec_true, spawn};
use crate::subject::{Subject, measure, version};
use crate::usage::{peak, processes};

/// Turns that the daemons take.
const ROUNDS: usize = 5;
/// Runs of dockerd in a turn: it has no pool, and is slow.
const PEER_RUNS: usize = 20;
const SIX_NAMESPACES: u32 = 0x6e02_0000;

pub(crate) fn run() -> Outcome {
    let pool = POOL.to_string();
    let subjects = [
        (
            "gantry",
            Daemon::gantry_with(&["--ready-namespaces", &pool]),
            POOL * 10,
        ),
        (
            "gantry, empty pool",
            Daemon::gantry_with(&["--ready-namespaces", "0"]),
            POOL * 10,
        ),
        ("dockerd", Daemon::start(Kind::Dockerd), PEER_RUNS),
    ];
    println!("peer: {}", version("dockerd").unwrap_or_default());
    let mut runs: Vec<Runs> = subjects.iter().map(|(name, _, _)| Runs::new(*name)).collect();
    for (_, daemon, _) in &subjects {
        daemon.load_images();
        burst(daemon, 3)?;
    }
    for _ in 0..ROUNDS {
        for ((_, daemon, count), runs) in subjects.iter().zip(&mut runs) {
            runs.burst(daemon, || burst(daemon, *count))?;
        }
    }
    print(&runs);
    for (name, daemon, _) in &subjects {
        println!(
            "{name}: peak resident set of its processes {} KiB",
            peak(&processes(daemon))
        );
    }
    floor(&runs[0])
}

/// So many containers over one connection.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn burst(daemon: &Daemon, count: usize) -> io::Result<Vec<Duration>> {
    let mut client = Client::connect(&daemon.socket())?;
    (0..count)
        .map(|_| {
            let begin = Instant::now();
            container(&mut client)?;
            Ok(begin.elapsed())
        })
        .collect()
}

/// The kernel's part: one clone3 into six namespaces, exec, wait.
fn floor(gantry: &Runs) -> Outcome {
    let program = exec_true()?;
    let name = "floor: clone3 with six namespaces";
    let measured = measure(vec![Subject::new(name, || spawn(&program, SIX_NAMESPACES))])?;
    let floor = measured[0].median();
    println!(
        "{name}: {:.2} ms; gantry is {:.1} x floor",
        floor.as_secs_f64() * 1e3,
        gantry.at(50).as_secs_f64() / floor.as_secs_f64()
    );
    Ok(())
}
