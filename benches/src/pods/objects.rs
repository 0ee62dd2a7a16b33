//! What is asked of the cluster: a pod that sleeps, a Deployment that serves a page, nodes that nobody is.

use serde_json::{Value, json};

/// Where the page is served.
pub(super) const PORT: u16 = 8080;

/// Everything is in this namespace.
pub(super) const NAMESPACE: &str = "/api/v1/namespaces/default";

/// A pod that sleeps until it is told to end, and then ends at once.
pub(super) fn sleeper(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "sleeper"}},
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": "main", "image": "busybox",
                "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"],
            }],
        },
    })
}

/// A Deployment of busybox's web server, with probes and limits as people write them.
pub(super) fn web(replicas: usize) -> Value {
    let probe = |period: u64| json!({"httpGet": {"path": "/passwd", "port": PORT}, "periodSeconds": period});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "web", "image": "busybox",
                        "command": ["httpd", "-f", "-p", PORT.to_string(), "-h", "/etc"],
                        "ports": [{"containerPort": PORT}],
                        "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                        "readinessProbe": probe(5),
                        "livenessProbe": probe(10),
                    }],
                },
            },
        },
    })
}

/// The Service before it, with a port of the node.
pub(super) fn web_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": PORT, "targetPort": PORT}]},
    })
}

/// A node that is ready and that nobody is: 32 processors, 64 GiB, 110 pods.
pub(super) fn node(name: &str) -> Value {
    let room = json!({"cpu": "32", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "capacity": room, "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Simulated", "message": "nobody is there"}],
        },
    })
}

/// A pod as upstream's scheduler benchmark has it: one container that asks for a little.
pub(super) fn small(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "small"}},
        "spec": {
            "containers": [{
                "name": "pause", "image": "busybox",
                "resources": {"requests": {"cpu": "100m", "memory": "500Mi"}},
            }],
        },
    })
}
