//! Row 12: one object, and a list of ten thousand pods.

use std::sync::Arc;
use std::time::Duration;

use super::client::Protocol;
use super::load::{Load, Make};
use super::objects::{PODS, make_config_maps, make_pods};
use super::{Loaded, Node, PEER, middle, print};
use crate::Outcome;
use crate::usage::{peak, processes, pss};

const ROUNDS: usize = 5;
const LASTS: Duration = Duration::from_secs(3);

/// GET of one pod.
pub(crate) fn get() -> Outcome {
    let node = Node::start()?;
    make_pods(&node, 100)?;
    let target = node.target.clone();
    let make: Make = Arc::new(move |at| {
        let path = format!("/api/v1/namespaces/default/pods/web-{:05}", at % 100);
        target.request("GET", &path, "")
    });
    let shapes = [
        ("GET pod, 32 connections", Protocol::Http1, 32, 1),
        ("GET pod, 8 × 8 streams of HTTP/2", Protocol::Http2, 8, 8),
    ];
    let mut rows = Vec::new();
    for (name, protocol, connections, streams) in shapes {
        let load = Load {
            protocol,
            connections,
            streams,
            lasts: LASTS,
        };
        let rounds: Result<Vec<_>, _> = (0..ROUNDS).map(|_| node.run(load, &make)).collect();
        let each = middle(rounds?, |each| each.figures.rate()).ok_or("no round")?;
        rows.push((name.to_owned(), each));
    }
    print(&rows);
    let rate = rows[0].1.figures.rate();
    println!(
        "against the recorded kube-apiserver 1.20 ({:.0}/s at 32 connections): {:.1} ×",
        PEER.gets,
        rate / PEER.gets
    );
    Ok(())
}

/// LIST of all pods, and, as the peer was measured, of as many small ConfigMaps.
pub(crate) fn list() -> Outcome {
    let node = Node::start()?;
    make_pods(&node, PODS)?;
    make_config_maps(&node, PODS)?;
    let pids = processes(&node.daemon);
    let (quiet, high) = (pss(&pids), peak(&pids));
    let shapes = [("pods", 1), ("pods", 4), ("configmaps", 1), ("configmaps", 4)];
    let mut rows = Vec::new();
    for (plural, connections) in shapes {
        let each = lists(&node, plural, connections)?;
        rows.push((format!("LIST of {PODS} {plural}, {connections} at once"), each));
    }
    print(&rows);
    rows.iter().for_each(|(name, loaded)| explain(name, loaded));
    println!(
        "memory: {quiet} KiB before; peak grew by {} KiB while lists were read",
        peak(&pids).saturating_sub(high)
    );
    Ok(())
}

fn lists(
    node: &Node,
    plural: &'static str,
    connections: usize,
) -> Result<Loaded, Box<dyn std::error::Error>> {
    let target = node.target.clone();
    let make: Make = Arc::new(move |_| target.request("GET", &format!("/api/v1/{plural}"), ""));
    let load = Load {
        protocol: Protocol::Http1,
        connections,
        streams: 1,
        lasts: LASTS,
    };
    let rounds: Result<Vec<_>, _> = (0..ROUNDS).map(|_| node.run(load, &make)).collect();
    Ok(middle(rounds?, |each| each.figures.rate()).ok_or("no round")?)
}

fn explain(name: &str, loaded: &Loaded) {
    let (figures, cpu) = (&loaded.figures, loaded.cpu.as_secs_f64());
    let objects = figures.requests() as f64 * PODS as f64;
    let megabytes = figures.bytes as f64 / 1e6;
    println!(
        "{name}: {:.1} MB each, {:.0} MB/s, {:.0} MB for each second of the server's processor; {:.0} objects/s, {:.1} × \
         the recorded kube-apiserver 1.20, and {:.0} for each second of the server's processor",
        megabytes / figures.requests() as f64,
        megabytes / figures.elapsed.as_secs_f64(),
        megabytes / cpu,
        objects / figures.elapsed.as_secs_f64(),
        objects / figures.elapsed.as_secs_f64() / PEER.listed,
        objects / cpu,
    );
}
