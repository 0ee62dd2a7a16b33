//! The objects that are written and read: a small ConfigMap, and a pod as a Deployment makes them.

use std::io;
use std::sync::Arc;

use serde_json::json;

use super::Node;
use super::client::Protocol;
use super::load::Make;

/// Pods of a large namespace.
pub(super) const PODS: u64 = 10_000;

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
    make_all(node, "pods", count, |at| pod(&format!("web-{at:05}")))
}

/// Makes ConfigMaps `small-00000` … in the namespace `default`.
pub(super) fn make_config_maps(node: &Node, count: u64) -> io::Result<()> {
    make_all(node, "configmaps", count, |at| config_map(&format!("small-{at:05}")))
}

fn make_all(node: &Node, plural: &'static str, count: u64, body: fn(u64) -> Vec<u8>) -> io::Result<()> {
    let target = node.target.clone();
    let path = format!("/api/v1/namespaces/default/{plural}");
    let make: Make = Arc::new(move |at| target.request("POST", &path, body(at)));
    node.runtime.block_on(async {
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..16 {
            let mut connection = node.target.connect(Protocol::Http1).await?;
            let make = make.clone();
            lanes.spawn(async move {
                for at in (lane..count).step_by(16) {
                    let (status, _) = connection.call(make(at)).await?;
                    if !status.is_success() {
                        return Err(io::Error::other(format!("{plural} {at}: {status}")));
                    }
                }
                Ok(())
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.map_err(io::Error::other)??;
        }
        Ok(())
    })
}
