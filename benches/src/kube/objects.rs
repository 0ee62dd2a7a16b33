//! The objects that are written and read: a small ConfigMap, and a pod as a Deployment makes them.

use std::io;

use serde_json::json;

use super::Node;
use super::client::{Protocol, Target};

/// Pods of a large namespace.
pub(crate) const PODS: u64 = 10_000;

/// Connections that make objects.
const LANES: usize = 16;

/// A ConfigMap of about 100 bytes of data.
pub(super) fn config_map(name: &str) -> Vec<u8> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"key": "x".repeat(100)},
    });
    object.to_string().into_bytes()
}

/// A pod of a Deployment: labels, two containers with resources, probes and environment.
pub(super) fn pod(name: &str) -> Vec<u8> {
    let container = |name: &str| {
        json!({
            "name": name,
            "image": "registry.example/shop/web:1.4.2",
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "MODE", "value": "production"}, {"name": "REGION", "value": "eu-central"}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        })
    };
    let object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": "web", "pod-template-hash": "6d4cf56db6", "tier": "front"},
            "annotations": {"example.com/build": "2026-11-21"},
        },
        "spec": {
            "containers": [container("web"), container("sidecar")],
            "terminationGracePeriodSeconds": 30,
        },
    });
    object.to_string().into_bytes()
}

/// Makes pods `web-00000` … in the namespace `default`.
pub(super) fn make_pods(node: &Node, count: u64) -> io::Result<()> {
    let make = make_all(&node.target, "/api/v1/namespaces/default/pods", count, |at| {
        pod(&format!("web-{at:05}"))
    });
    node.runtime.block_on(make)
}

/// Makes ConfigMaps `small-00000` … in the namespace `default`.
pub(super) fn make_config_maps(node: &Node, count: u64) -> io::Result<()> {
    let make = make_all(
        &node.target,
        "/api/v1/namespaces/default/configmaps",
        count,
        |at| config_map(&format!("small-{at:05}")),
    );
    node.runtime.block_on(make)
}

/// Posts so many objects to a collection, on [`LANES`] connections.
pub(crate) async fn make_all(
    target: &Target,
    path: &str,
    count: u64,
    body: fn(u64) -> Vec<u8>,
) -> io::Result<()> {
    let mut lanes = tokio::task::JoinSet::new();
    for first in (0..count).take(LANES) {
        let mut connection = target.connect(Protocol::Http1).await?;
        let (target, path) = (target.clone(), path.to_owned());
        lanes.spawn(async move {
            for at in (first..count).step_by(LANES) {
                let (status, _) = connection.call(target.request("POST", &path, body(at))).await?;
                if !status.is_success() {
                    return Err(io::Error::other(format!("POST {path} {at}: {status}")));
                }
            }
            Ok(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.map_err(io::Error::other)??;
    }
    Ok(())
}
