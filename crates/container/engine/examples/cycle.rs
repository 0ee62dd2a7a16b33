//! How long a container's life takes, by stage: `cycle [LIVES] [AT ONCE] [bridge]` (as root).
//!
//! Creates, starts, waits for and removes a container whose program ends at once, through the
//! engine's own calls; what a door adds is not in these figures.

#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]
#![expect(dead_code, reason = "the fixture is the tests'")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "an example of what works")]

#[path = "../tests/node/fixture.rs"]
mod fixture;

use std::time::{Duration, Instant};

use engine::spec::{EndpointSettings, NetworkMode};
use engine::{Remove, WaitCondition};
use fixture::{Daemon, isolated, spec};

const STAGES: [&str; 5] = ["create", "start", "wait", "remove", "all"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| {
        arguments
            .get(at)
            .map_or(default, |text: &String| text.parse().unwrap())
    };
    let (lives, at_once) = (number(0, 200), number(1, 1));
    let bridged = arguments.get(2).is_some();
    let node = isolated();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let daemon = Daemon::open(&node).await;
        measure(&daemon, lives, at_once, bridged).await;
        daemon.close().await;
    });
}

async fn measure(daemon: &Daemon, lives: usize, at_once: usize, bridged: bool) {
    live(daemon, "warm", bridged).await;
    let began = now();
    let mut figures = Vec::new();
    for round in 0..lives.div_ceil(at_once) {
        let round: Vec<String> = (0..at_once)
            .map(|number| format!("life-{round}-{number}"))
            .collect();
        let lived = futures_util::future::join_all(round.iter().map(|name| live(daemon, name, bridged)));
        figures.extend(lived.await);
    }
    let whole = began.elapsed();
    for (stage, name) in STAGES.iter().enumerate() {
        let mut each: Vec<Duration> = figures.iter().map(|figure| figure[stage]).collect();
        each.sort();
        let at = |percent: usize| each[(each.len() - 1) * percent / 100].as_micros();
        println!("{name:>7}: p50 {:>6} µs, p99 {:>6} µs", at(50), at(99));
    }
    println!("{} lives, {at_once} at once, in {whole:.2?}", figures.len());
}

async fn live(daemon: &Daemon, name: &str, bridged: bool) -> [Duration; 5] {
    let mut wanted = spec(&["true"]);
    if bridged {
        wanted.network.mode = NetworkMode::Networks;
        wanted.network.endpoints = vec![("bridge".into(), EndpointSettings::default())];
    }
    let began = now();
    let id = daemon.create(name, wanted).await;
    let created = now();
    let end = daemon.engine.waiter(&id, WaitCondition::NextExit).unwrap();
    daemon.engine.start(&id).await.unwrap();
    let started = now();
    end.await.unwrap();
    let ended = now();
    daemon.engine.remove(&id, Remove::default()).await.unwrap();
    let removed = now();
    [
        created - began,
        started - created,
        ended - started,
        removed - ended,
        removed - began,
    ]
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}
