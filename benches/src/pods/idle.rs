//! Row 9: what a node does while nobody asks anything of its demo app: three pods with probes behind a Service.
//!
//! Processor time is that of daemon and supervisor; what the probes cost the pods themselves stands beside it.

use std::fs;
use std::io;
use std::time::Duration;

use testkit::daemon::{Daemon, Kind};

use super::objects::{NAMESPACE, web, web_service};
use super::syncs::Syncs;
use super::watch::Watch;
use crate::Outcome;
use crate::kube::Node;
use crate::kube::client::Protocol;
use crate::usage::{processes, settled};

/// How long nobody asks.
const LASTS: Duration = Duration::from_secs(120);
/// What follows a start is over by then: leases are young, tokens are fresh.
const REST: Duration = Duration::from_secs(15);
const PODS: usize = 3;

pub(crate) fn run() -> Outcome {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    let node = Node::of(daemon)?;
    node.runtime.block_on(demo(&node))?;
    let pids = processes(&node.daemon);
    wait(REST);
    settled(&node.daemon);
    let syncs = Syncs::of(&pids);
    let before = Counters::read(&node.daemon, &pids)?;
    wait(LASTS);
    let after = Counters::read(&node.daemon, &pids)?;
    let syncs = syncs.and_then(|syncs| syncs.count());
    report(&before, &after, &syncs);
    Ok(())
}

fn report(before: &Counters, after: &Counters, syncs: &io::Result<usize>) {
    let (seconds, day) = (LASTS.as_secs_f64(), 86_400.0);
    let of = |counter: fn(&Counters) -> u64| counter(after).saturating_sub(counter(before)) as f64;
    println!("{seconds} s, {PODS} pods with a readiness probe each 5 s and a liveness probe each 10 s");
    println!(
        "daemon and supervisor: {:.3} % of a core (must: at most 0.2); with the pods {:.3} %",
        of(|all| all.own) / seconds / 1e7,
        of(|all| all.all) / seconds / 1e7
    );
    match syncs {
        Ok(count) => println!(
            "waits for the disk (fsync and its kin): {count}, {:.1} a minute (must: at most 2)",
            *count as f64 * 60.0 / seconds
        ),
        Err(error) => println!("waits for the disk were not counted: {error}"),
    }
    println!(
        "written to files, pipes and sockets: {:.1} MB a day; the page cache marked {:.1} MB a day as dirty, by whole folios \
         of up to a megabyte; wake-ups: {:.1} a second",
        of(|all| all.written) * day / seconds / 1e6,
        of(|all| all.dirty) * day / seconds / 1e6,
        of(|all| all.wakes) / seconds
    );
}

/// What the kernel has counted so far.
struct Counters {
    /// Nanoseconds of daemon and supervisor.
    own: u64,
    /// Nanoseconds of everything below the instance's group.
    all: u64,
    /// Bytes of the page cache that became dirty. A small write into a large folio counts as all of it, and only the
    /// blocks that changed go to the disk.
    dirty: u64,
    /// Bytes of all writes.
    written: u64,
    /// Times that a thread had slept.
    wakes: u64,
}

impl Counters {
    fn read(daemon: &Daemon, pids: &[u32]) -> io::Result<Self> {
        let group = format!("/sys/fs/cgroup/cpuacct/{}/node/cpuacct.usage", daemon.name);
        let own = fs::read_to_string(group)?.trim().parse();
        let sum = |file: &str, name: &str| -> u64 { pids.iter().map(|pid| figure(*pid, file, name)).sum() };
        Ok(Self {
            own: own.map_err(io::Error::other)?,
            all: daemon.cpu(),
            dirty: sum("io", "write_bytes:"),
            written: sum("io", "wchar:"),
            wakes: pids.iter().map(|pid| wakes(*pid)).sum(),
        })
    }
}

fn figure(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn wakes(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let names = threads.filter_map(|thread| Some(thread.ok()?.file_name().to_string_lossy().into_owned()));
    names
        .map(|thread| figure(pid, &format!("task/{thread}/status"), "voluntary_ctxt_switches:"))
        .sum()
}

/// Writes the app, and waits until all of it is ready.
async fn demo(node: &Node) -> io::Result<()> {
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let mut watch = Watch::open(&node.target, deployments).await?;
    let mut connection = node.target.connect(Protocol::Http1).await?;
    for (path, body) in [
        (deployments.to_owned(), web(PODS)),
        (format!("{NAMESPACE}/services"), web_service()),
    ] {
        connection
            .ask(node.target.request("POST", &path, body.to_string()))
            .await?;
    }
    while watch.next().await?.1["status"]["readyReplicas"] != PODS {}
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
