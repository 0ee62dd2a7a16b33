//! Services and pods for tests.

use std::sync::Arc;

use bytes::Bytes;
use schema::object::{Obj, Order, Revision};
use serde_json::{Value, json};

use super::{Asked, Backend};

pub(super) fn object(value: &Value) -> Arc<Obj> {
    let meta = &value["metadata"];
    let key = format!(
        "{}/{}",
        meta["namespace"].as_str().unwrap(),
        meta["name"].as_str().unwrap()
    );
    let body = Bytes::from(value.to_string());
    Arc::new(Obj::new(&key, Revision(1), body, Order::Declared).unwrap())
}

/// A service of port 80, or what `spec` says else.
pub(super) fn service(spec: &Value) -> Arc<Obj> {
    let mut all = json!({
        "clusterIP": "10.43.0.7", "clusterIPs": ["10.43.0.7"], "ipFamilies": ["IPv4"],
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
    });
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    object(&json!({
        "metadata": {
            "name": "web", "namespace": "x", "uid": "service", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"tier": "front"},
        },
        "spec": all,
    }))
}

/// How a pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Ready,
    Unready,
    /// Being deleted, and still answering.
    Ending,
    Done,
    Nowhere,
}

/// The pod `pod-AT`, which has its named port where `web` says.
pub(super) fn pod(at: usize, is: Is, web: u16) -> Backend {
    pod_with(
        at,
        is,
        &json!({
            "nodeName": "n",
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": web, "protocol": "TCP"}]}],
        }),
    )
}

pub(super) fn pod_with(at: usize, is: Is, spec: &Value) -> Backend {
    let serving = matches!(is, Is::Ready | Is::Ending | Is::Done);
    let mut pod = json!({
        "metadata": {
            "name": format!("pod-{at:03}"), "namespace": "x", "uid": format!("uid-{at}"), "labels": {"app": "web"},
        },
        "spec": spec,
        "status": {
            "phase": if is == Is::Done { "Succeeded" } else { "Running" },
            "conditions": [{
                "type": "Ready", "status": if serving { "True" } else { "False" },
                "lastTransitionTime": format!("2026-02-01T00:00:{:02}Z", at % 60),
            }],
        },
    });
    if is != Is::Nowhere {
        pod["status"]["podIP"] = json!(format!("10.42.{}.{}", at / 250, at % 250 + 1));
    }
    if is == Is::Ending {
        pod["metadata"]["deletionTimestamp"] = json!("2026-02-02T00:00:00Z");
    }
    Backend::read(&object(&pod)).unwrap()
}

pub(super) fn asked(service: &Arc<Obj>, pods: Vec<Backend>) -> Asked {
    Asked {
        object: service.clone(),
        view: service.view().unwrap(),
        pods,
    }
}
