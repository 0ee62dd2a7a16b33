//! Row 4: what an idle container costs the machine: the fall of MemAvailable over 200 of them, less what
//! their own processes have for themselves.

use std::fs;
use std::io;

use serde_json::json;
use testkit::daemon::{Daemon, Kind};

use crate::Outcome;
use crate::docker::client::Client;
use crate::subject::version;
use crate::usage::settled;

const CONTAINERS: u64 = 200;

pub(crate) fn run() -> Outcome {
    println!("peer: {}", version("dockerd").unwrap_or_default());
    let subjects = [("gantry", Kind::Gantry), ("dockerd", Kind::Dockerd)];
    println!(
        "{:<12} {:>24} {:>24}",
        "", "KiB for each container", "of it, in its processes"
    );
    let mut each = Vec::new();
    for (name, kind) in subjects {
        let (whole, own) = cost(kind)?;
        println!("{name:<12} {:>24.0} {own:>24.0}", whole - own);
        each.push(whole - own);
    }
    println!("ratio: {:.3} of dockerd's", each[0] / each[1]);
    Ok(())
}

/// What each container takes in all, and what its own processes have of that, in KiB.
fn cost(kind: Kind) -> io::Result<(f64, f64)> {
    let daemon = Daemon::start(kind);
    daemon.load_images();
    let mut client = Client::connect(&daemon.socket())?;
    // The first one brings in what all of them share.
    start(&mut client)?;
    let before = available(&daemon)?;
    let pids: Vec<u64> = (0..CONTAINERS)
        .map(|_| start(&mut client))
        .collect::<io::Result<_>>()?;
    let after = available(&daemon)?;
    let own: u64 = pids.iter().map(|pid| private(*pid)).sum::<io::Result<u64>>()?;
    let share = |kib: u64| kib as f64 / CONTAINERS as f64;
    Ok((share(before.saturating_sub(after)), share(own)))
}

/// Starts one that sleeps; its process id.
fn start(client: &mut Client) -> io::Result<u64> {
    let body = json!({"Image": "busybox", "Cmd": ["sleep", "100000"]});
    let created = client.call("POST", "/v1.41/containers/create", Some(&body))?;
    let id = created["Id"].as_str().unwrap_or_default();
    client.call("POST", &format!("/v1.41/containers/{id}/start"), None)?;
    let shown = client.call("GET", &format!("/v1.41/containers/{id}/json"), None)?;
    shown["State"]["Pid"]
        .as_u64()
        .ok_or_else(|| io::Error::other("no process id"))
}

/// MemAvailable in KiB, without what the page cache happens to hold, once the daemon is quiet.
fn available(daemon: &Daemon) -> io::Result<u64> {
    settled(daemon);
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    figure("/proc/meminfo", "MemAvailable:").ok_or_else(|| io::Error::other("no MemAvailable"))
}

/// What a process has for itself, in KiB.
fn private(pid: u64) -> io::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let of = |name| figure(&path, name).ok_or_else(|| io::Error::other(format!("no {name} in {path}")));
    Ok(of("Private_Clean:")? + of("Private_Dirty:")?)
}

fn figure(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
