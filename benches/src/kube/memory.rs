//! Rows 8, 10 and 14: memory of an idle node, size of the binary, memory of ten thousand pods.

use std::time::Duration;

use testkit::beside_tests;
use testkit::daemon::{Daemon, Kind};

use super::client::Protocol;
use super::objects::{PODS, make_pods};
use super::{Node, PEER};
use crate::Outcome;
use crate::usage::{anonymous, processes, pss, settled};

/// Row 8: proportional memory of all processes of a node that nobody asks anything.
pub(crate) fn idle() -> Outcome {
    let node = Node::of(Daemon::start(Kind::Gantry))?;
    rest(&node);
    let pids = processes(&node.daemon);
    let (all, own) = (pss(&pids), anonymous(&pids));
    println!(
        "idle: {} processes, PSS {all} KiB, of it {own} KiB anonymous",
        pids.len()
    );
    println!(
        "against the recorded control plane with dockerd and containerd ({:.0} MB): {:.3} ×",
        PEER.idle,
        all as f64 / 1024.0 / PEER.idle
    );
    Ok(())
}

/// Row 10: the stripped binary.
pub(crate) fn binary() -> Outcome {
    let size = std::fs::metadata(beside_tests("gantry"))?.len();
    println!(
        "gantry: {:.1} MB (must: at most 30; k3s is about 70)",
        size as f64 / 1e6
    );
    Ok(())
}

/// Row 14: what ten thousand pods cost.
pub(crate) fn pods() -> Outcome {
    let node = Node::start()?;
    make_pods(&node, 10)?;
    rest(&node);
    let pids = processes(&node.daemon);
    let before = pss(&pids);
    let bodies = more_pods(&node)?;
    rest(&node);
    let grown = pss(&pids).saturating_sub(before);
    println!(
        "{PODS} pods of {:.1} KB each: {:.1} MB of memory (must: at most 60), {:.2} × their bytes",
        bodies as f64 / PODS as f64 / 1e3,
        grown as f64 / 1024.0,
        grown as f64 * 1024.0 / bodies as f64
    );
    Ok(())
}

/// Makes them, and answers the size of a list of all of them.
fn more_pods(node: &Node) -> std::io::Result<usize> {
    node.runtime.block_on(async {
        let mut connection = node.target.connect(Protocol::Http1).await?;
        let path = "/api/v1/namespaces/default/pods";
        connection
            .call(node.target.request("DELETE", path, ""))
            .await
            .map(drop)
    })?;
    make_pods(node, PODS)?;
    node.runtime.block_on(async {
        let mut connection = node.target.connect(Protocol::Http1).await?;
        let all = node.target.request("GET", "/api/v1/pods", "");
        connection.call(all).await.map(|(_, bytes)| bytes)
    })
}

/// Until the daemon has done what follows a start or a load.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark waits until the daemon is quiet"
)]
fn rest(node: &Node) {
    settled(&node.daemon);
    std::thread::sleep(Duration::from_secs(2));
    settled(&node.daemon);
}
