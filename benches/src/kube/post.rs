//! Row 11: durable creation of a small object, and what of it is TLS, HTTP and the disk.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Protocol;
use super::load::{Load, Make};
use super::objects::config_map;
use super::{Loaded, Node, PEER, middle, millis, print};
use crate::Outcome;

const ROUNDS: u64 = 5;
const LASTS: Duration = Duration::from_secs(3);

/// Name, protocol, connections, streams on each.
const SHAPES: [(&str, Protocol, usize, usize); 3] = [
    ("POST ConfigMap, 32 connections", Protocol::Http1, 32, 1),
    ("POST ConfigMap, 64 connections", Protocol::Http1, 64, 1),
    ("POST ConfigMap, 8 × 8 streams of HTTP/2", Protocol::Http2, 8, 8),
];

pub(crate) fn run() -> Outcome {
    let node = Node::start()?;
    let mut rounds: Vec<Vec<Loaded>> = SHAPES.iter().map(|_| Vec::new()).collect();
    let mut floor = Vec::new();
    for round in 0..ROUNDS {
        for (shape, (_, protocol, connections, streams)) in SHAPES.into_iter().enumerate() {
            let load = Load {
                protocol,
                connections,
                streams,
                lasts: LASTS,
            };
            rounds[shape].push(node.run(load, &create(&node, shape, round))?);
            if shape == 0 {
                floor.push(node.run(load, &nothing(&node))?);
            }
        }
    }
    let mut rows = Vec::new();
    for ((name, ..), loaded) in SHAPES.into_iter().zip(rounds) {
        rows.extend(middle(loaded, |each| each.figures.rate()).map(|each| (name.to_owned(), each)));
    }
    let floor = middle(floor, |each| each.figures.rate()).ok_or("no round")?;
    rows.push(("floor: GET /livez, 32 connections".to_owned(), floor));
    print(&rows);
    compare(&rows);
    Ok(())
}

/// Each round its own names.
fn create(node: &Node, shape: usize, round: u64) -> Make {
    let target = node.target.clone();
    Arc::new(move |at| {
        let body = config_map(&format!("c{shape}-{round}-{at}"));
        target.request("POST", "/api/v1/namespaces/default/configmaps", body)
    })
}

fn nothing(node: &Node) -> Make {
    let target = node.target.clone();
    Arc::new(move |_| target.request("GET", "/livez", ""))
}

fn compare(rows: &[(String, Loaded)]) {
    let sync = fdatasync().unwrap_or_default();
    println!(
        "floor: fdatasync of 4 KB, preallocated, median {:.2} ms",
        millis(sync)
    );
    let Some((_, first)) = rows.first() else { return };
    println!(
        "against the recorded kube-apiserver 1.20 + etcd ({:.0}/s, p50 {:.0} ms at 32 connections): {:.1} × the rate, \
         p50 {:.3} ×; its {:.0} µs of processor time a request (two processors, saturated, client included): {:.3} ×",
        PEER.posts,
        millis(PEER.post_median),
        first.figures.rate() / PEER.posts,
        first.figures.at(500).as_secs_f64() / PEER.post_median.as_secs_f64(),
        2e6 / PEER.posts,
        first.cpu_per_request().as_secs_f64() / (2.0 / PEER.posts),
    );
    println!(
        "p50 is {:.1} × fdatasync",
        first.figures.at(500).as_secs_f64() / sync.as_secs_f64()
    );
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn fdatasync() -> io::Result<Duration> {
    let file = tempfile::tempfile()?;
    file.write_all_at(&[0; 1 << 16], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        file.write_all_at(&[1; 4096], 4096)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
