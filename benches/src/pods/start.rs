//! Row 19: from the moment a client asks for a pod until its watch says that it runs, image local. Ten times the pool back
//! to back, each pod deleted as soon as it runs; then a burst of 100. Refill and teardown are in the processor time; beside
//! it a node that keeps no namespace ready.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::daemon::Daemon;

use super::objects::{NAMESPACE, sleeper};
use super::watch::Watch;
use crate::Outcome;
use crate::kube::client::{Connection, Protocol};
use crate::kube::{Node, enter, millis};
use crate::usage::settled;

/// Namespaces that are kept ready.
const POOL: usize = 16;
/// Pods of a turn, one after the other.
const RUNS: usize = POOL * 10;
const BURST: usize = 100;
const ROUNDS: usize = 5;
/// What was recorded of kubelet 1.20 with containerd 1.6 (`docs/benchmarks.md`): the median, and a burst of 50.
const PEER: (Duration, Duration) = (Duration::from_millis(997), Duration::from_secs(29));

pub(crate) fn run() -> Outcome {
    let node = |ready: usize| {
        let daemon = Daemon::gantry_with(&["--ready-namespaces", &ready.to_string()]);
        daemon.load_images();
        Node::of(daemon)
    };
    let mut subjects = [
        (node(POOL)?, Runs::new(format!("pool of {POOL}"))),
        (node(0)?, Runs::new("empty pool".to_owned())),
    ];
    for round in 0..ROUNDS {
        for (node, runs) in &mut subjects {
            enter(&node.daemon)?;
            runs.turn(node, round)?;
            runs.print();
        }
    }
    println!(
        "must: p50 at most 40 ms, burst at most 3 s. Recorded of kubelet 1.20 with containerd 1.6: p50 {:.0} ms, a burst of 50 \
         {:.0} s; published p50 of others: 2.0 to 3.1 s",
        millis(PEER.0),
        PEER.1.as_secs_f64()
    );
    Ok(())
}

/// When what was seen of a pod, since it was asked for.
#[derive(Default)]
struct Seen {
    /// The API's answer.
    made: Duration,
    /// It has a node.
    bound: Duration,
    /// It runs.
    runs: Duration,
}

/// What one node did in all its turns.
struct Runs {
    name: String,
    seen: Vec<Seen>,
    /// Processor time of all that were started one after the other.
    cpu: Duration,
    bursts: Vec<Duration>,
    burst_cpu: Duration,
}

impl Runs {
    const fn new(name: String) -> Self {
        Self {
            name,
            seen: Vec::new(),
            cpu: Duration::ZERO,
            bursts: Vec::new(),
            burst_cpu: Duration::ZERO,
        }
    }

    fn turn(&mut self, node: &Node, round: usize) -> io::Result<()> {
        let before = settled(&node.daemon);
        self.seen.extend(node.runtime.block_on(one_by_one(node, round))?);
        let between = settled(&node.daemon);
        self.bursts.push(node.runtime.block_on(burst(node, round))?);
        let after = settled(&node.daemon);
        self.cpu += Duration::from_nanos(between.saturating_sub(before));
        self.burst_cpu += Duration::from_nanos(after.saturating_sub(between));
        Ok(())
    }

    fn print(&mut self) {
        let of = |part: fn(&Seen) -> Duration, percent: usize| {
            let mut times: Vec<Duration> = self.seen.iter().map(part).collect();
            times.sort_unstable();
            millis(times[(times.len() * percent / 100).min(times.len() - 1)])
        };
        println!(
            "{}: Running p50 {:.1} ms, p99 {:.1} ms (made {:.1}, bound {:.1}); {} pods one by one, {:.1} ms of processor time \
             each, deletion included",
            self.name,
            of(|seen| seen.runs, 50),
            of(|seen| seen.runs, 99),
            of(|seen| seen.made, 50),
            of(|seen| seen.bound, 50),
            self.seen.len(),
            millis(self.cpu) / self.seen.len() as f64,
        );
        self.bursts.sort_unstable();
        println!(
            "{}: burst of {BURST}: median {:.0} ms, longest {:.0} ms; {:.1} ms of processor time for each pod",
            self.name,
            millis(self.bursts[self.bursts.len() / 2]),
            millis(self.bursts[self.bursts.len() - 1]),
            millis(self.burst_cpu) / (self.bursts.len() * BURST) as f64,
        );
    }
}

/// One pod after the other: the next one is asked for as soon as the last one runs and its deletion has begun.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn one_by_one(node: &Node, round: usize) -> io::Result<Vec<Seen>> {
    let mut connection = node.target.connect(Protocol::Http1).await?;
    let mut watch = Pods::watch(node).await?;
    let mut all = Vec::new();
    for run in 0..RUNS {
        let name = format!("one-{round}-{run}");
        let begin = Instant::now();
        make(node, &mut connection, &name).await?;
        let mut seen = Seen {
            made: begin.elapsed(),
            ..Seen::default()
        };
        while seen.runs.is_zero() {
            let pod = watch.next().await?;
            if pod["metadata"]["name"] != *name {
                continue;
            }
            if seen.bound.is_zero() && !pod["spec"]["nodeName"].is_null() {
                seen.bound = begin.elapsed();
            }
            if pod["status"]["phase"] == "Running" {
                seen.runs = begin.elapsed();
            }
        }
        all.push(seen);
        remove(node, &mut connection, &name).await?;
    }
    watch.until_gone(RUNS).await?;
    Ok(all)
}

/// All at once: until the last one runs. They are deleted afterwards.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn burst(node: &Node, round: usize) -> io::Result<Duration> {
    let mut watch = Pods::watch(node).await?;
    let connection = node.target.connect(Protocol::Http2).await?;
    let begin = Instant::now();
    let mut making = tokio::task::JoinSet::new();
    for at in 0..BURST {
        let mut stream = connection.stream().ok_or(io::ErrorKind::Unsupported)?;
        let (target, name) = (node.target.clone(), format!("many-{round}-{at}"));
        making.spawn(async move {
            let path = format!("{NAMESPACE}/pods");
            let request = target.request("POST", &path, sleeper(&name).to_string());
            stream.ask(request).await.map(drop)
        });
    }
    let mut run = BTreeSet::new();
    while run.len() < BURST {
        let pod = watch.next().await?;
        if pod["status"]["phase"] == "Running" {
            run.insert(pod["metadata"]["name"].to_string());
        }
    }
    let lasted = begin.elapsed();
    while let Some(made) = making.join_next().await {
        made.map_err(io::Error::other)??;
    }
    let mut connection = node.target.connect(Protocol::Http1).await?;
    let all = node.target.request("DELETE", &format!("{NAMESPACE}/pods"), "");
    connection.ask(all).await?;
    watch.until_gone(BURST).await?;
    Ok(lasted)
}

async fn make(node: &Node, connection: &mut Connection, name: &str) -> io::Result<()> {
    let path = format!("{NAMESPACE}/pods");
    let request = node.target.request("POST", &path, sleeper(name).to_string());
    connection.ask(request).await.map(drop)
}

async fn remove(node: &Node, connection: &mut Connection, name: &str) -> io::Result<()> {
    let request = node
        .target
        .request("DELETE", &format!("{NAMESPACE}/pods/{name}"), "");
    connection.ask(request).await.map(drop)
}

/// A watch of pods that counts those that are gone.
struct Pods {
    watch: Watch,
    gone: usize,
}

impl Pods {
    async fn watch(node: &Node) -> io::Result<Self> {
        let watch = Watch::open(&node.target, &format!("{NAMESPACE}/pods")).await?;
        Ok(Self { watch, gone: 0 })
    }

    async fn next(&mut self) -> io::Result<Value> {
        let (kind, pod) = self.watch.next().await?;
        self.gone += usize::from(kind == "DELETED");
        Ok(pod)
    }

    async fn until_gone(&mut self, count: usize) -> io::Result<()> {
        while self.gone < count {
            self.next().await?;
        }
        Ok(())
    }
}
