//! Row 16: ten thousand pods on five thousand simulated nodes, from the first creation until a watch has seen the last one
//! bound: through admission and the durable store.
//!
//! A simulated node is an object that says it is ready. Nobody is there, so it takes no processor time of its own; making
//! the nodes is not part of the figure. The client that makes pods and watches them shares the two processors.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use testkit::daemon::Daemon;

use super::objects::{NAMESPACE, node as simulated, small};
use super::watch::Watch;
use crate::Outcome;
use crate::kube::objects::{PODS, make_all};
use crate::kube::{Node, millis};
use crate::usage::settled;

const NODES: u64 = 5000;
/// Floors of upstream's scheduler_perf for this size, in pods a second.
const PEER: (f64, f64) = (680.0, 810.0);

pub(crate) fn run() -> Outcome {
    let node = Node::of(Daemon::gantry_with(&["--without=kubelet"]))?;
    node.runtime.block_on(make_nodes(&node))?;
    let before = settled(&node.daemon);
    let (made, bound) = node.runtime.block_on(schedule(&node))?;
    let cpu = Duration::from_nanos(settled(&node.daemon).saturating_sub(before));
    let rate = |time: Duration| PODS as f64 / time.as_secs_f64();
    println!(
        "{PODS} pods on {NODES} nodes: all made after {:.0} ms ({:.0} a second), all bound after {:.0} ms",
        millis(made),
        rate(made),
        millis(bound)
    );
    println!(
        "{:.0} a second from created to bound (must: at least 5,000), {:.1} × the floor of upstream's benchmark ({} to {}); the \
         server's processor time {:.0} µs a pod, the simulated nodes' none",
        rate(bound),
        rate(bound) / PEER.1,
        PEER.0,
        PEER.1,
        cpu.as_secs_f64() * 1e6 / PODS as f64
    );
    Ok(())
}

/// Makes the nodes, and waits until pods may go to each of them.
async fn make_nodes(node: &Node) -> io::Result<()> {
    let path = "/api/v1/nodes";
    let mut watch = Watch::open(&node.target, path).await?;
    let make = make_all(&node.target, path, NODES, |at| {
        simulated(&format!("simulated-{at:04}")).to_string().into_bytes()
    });
    let free = async {
        let mut free = BTreeSet::new();
        while (free.len() as u64) < NODES {
            let (_, object) = watch.next().await?;
            if object["spec"]["taints"].is_null() {
                free.insert(object["metadata"]["name"].to_string());
            }
        }
        Ok::<_, io::Error>(())
    };
    tokio::try_join!(make, free).map(drop)
}

/// How long it took to make all pods, and until all were bound.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn schedule(node: &Node) -> io::Result<(Duration, Duration)> {
    let path = format!("{NAMESPACE}/pods");
    let mut watch = Watch::open(&node.target, &path).await?;
    let begin = Instant::now();
    let making = async {
        let made = make_all(&node.target, &path, PODS, |at| {
            small(&format!("small-{at:05}")).to_string().into_bytes()
        });
        made.await.map(|()| begin.elapsed())
    };
    let binding = async {
        let mut bound = BTreeSet::new();
        while (bound.len() as u64) < PODS {
            let (_, pod) = watch.next().await?;
            if !pod["spec"]["nodeName"].is_null() {
                bound.insert(pod["metadata"]["name"].to_string());
            }
        }
        Ok::<_, io::Error>(begin.elapsed())
    };
    tokio::try_join!(making, binding)
}
