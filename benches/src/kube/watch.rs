//! Row 13: one writer, and ten thousand watches on a hundred connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::client::{Connection, Protocol, Target};
use super::objects::config_map;
use super::{Node, micros, millis};
use crate::Outcome;
use crate::usage::{processes, pss, settled};

const CONNECTIONS: usize = 100;
const STREAMS: usize = 100;
const WATCHES: u64 = (CONNECTIONS * STREAMS) as u64;
const WRITES: u64 = 50;
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// Frames that have come, in all watches.
#[derive(Default)]
struct Seen {
    frames: AtomicU64,
    more: Notify,
}

pub(crate) fn run() -> Outcome {
    let node = Node::start()?;
    settled(&node.daemon);
    let pids = processes(&node.daemon);
    let before = pss(&pids);
    let seen = Arc::new(Seen::default());
    let _held = node.runtime.block_on(watch(&node.target, &seen))?;
    settled(&node.daemon);
    let each = pss(&pids).saturating_sub(before) as f64 / WATCHES as f64;
    println!("memory: {each:.2} KiB for each watch (must: at most 5), connections and streams included");

    let cpu = node.daemon.cpu();
    let mut delays = node.runtime.block_on(write(&node.target, &seen))?;
    let spent = Duration::from_nanos(settled(&node.daemon).saturating_sub(cpu));
    delays.sort_unstable();
    let events = u32::try_from(WRITES * WATCHES).unwrap_or(u32::MAX);
    println!(
        "{WRITES} writes to {WATCHES} watches: {:.2} µs of processor time for each event delivered; the last watch has \
         it {:.1} ms after the write began (median, client included)",
        micros(spent / events),
        millis(delays[delays.len() / 2])
    );
    println!(
        "the peer's figure for this row has not been recorded: it is measured when the work is reviewed"
    );
    Ok(())
}

/// Opens all watches, connection beside connection; they live as long as what is answered.
async fn watch(target: &Target, seen: &Arc<Seen>) -> io::Result<Vec<Connection>> {
    let mut opening = JoinSet::new();
    for _ in 0..CONNECTIONS {
        opening.spawn(open(target.clone(), seen.clone()));
    }
    let mut connections = Vec::new();
    while let Some(opened) = opening.join_next().await {
        connections.push(opened.map_err(io::Error::other)??);
    }
    Ok(connections)
}

async fn open(target: Target, seen: Arc<Seen>) -> io::Result<Connection> {
    let connection = target.connect(Protocol::Http2).await?;
    for _ in 0..STREAMS {
        let mut stream = connection.stream().ok_or(io::ErrorKind::Unsupported)?;
        let request = target.request("GET", &format!("{PATH}?watch=1&resourceVersion=0"), "");
        let answer = stream.send(request).await?;
        tokio::spawn(count(answer.into_body(), seen.clone()));
    }
    Ok(connection)
}

async fn count(mut body: Incoming, seen: Arc<Seen>) {
    while let Some(Ok(frame)) = body.frame().await {
        let lines = frame
            .data_ref()
            .map_or(0, |data| data.iter().filter(|&&byte| byte == b'\n').count());
        let all = seen.frames.fetch_add(lines as u64, Ordering::AcqRel) + lines as u64;
        if all.is_multiple_of(WATCHES) {
            seen.more.notify_one();
        }
    }
}

/// Writes one object after the other, each when everybody has seen the one before.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn write(target: &Target, seen: &Seen) -> io::Result<Vec<Duration>> {
    let mut connection = target.connect(Protocol::Http1).await?;
    let mut delays = Vec::new();
    for at in 1..=WRITES {
        let begin = Instant::now();
        let request = target.request("POST", PATH, config_map(&format!("seen-{at}")));
        let (status, _) = connection.call(request).await?;
        if !status.is_success() {
            return Err(io::Error::other(format!("write {at}: {status}")));
        }
        while seen.frames.load(Ordering::Acquire) < at * WATCHES {
            seen.more.notified().await;
        }
        delays.push(begin.elapsed());
    }
    Ok(delays)
}
