//! Plugins as clients meet them: what they put into objects, and what they refuse in upstream's words.

#[path = "admission/limits.rs"]
mod limits;
#[path = "admission/nodes.rs"]
mod nodes;
#[path = "admission/pods.rs"]
mod pods;
#[path = "admission/quotas.rs"]
mod quotas;
#[path = "admission/security.rs"]
mod security;
#[path = "admission/storage.rs"]
mod storage;

use serde_json::{Value, json};

use crate::door::{Door, Got};

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A pod of one container, with these members of its `spec` besides.
fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    if let Value::Object(members) = spec {
        members
            .into_iter()
            .for_each(|(key, value)| pod["spec"][key] = value);
    }
    pod
}

/// The same with these resources of its container.
fn asking(name: &str, resources: &Value) -> Value {
    pod(
        name,
        json!({"containers": [{"name": "c", "image": "i", "resources": resources}]}),
    )
}

fn post(door: &Door, path: &str, body: &Value) -> Got {
    door.send("POST", path, &body.to_string())
}

/// Posts what must be taken.
fn make(door: &Door, path: &str, body: &Value) -> Got {
    let made = post(door, path, body);
    assert_eq!(made.code, 201, "{path}: {made:?}");
    made
}

/// Posts what must be refused with this text.
fn refused(door: &Door, path: &str, body: &Value, code: u16, text: &str) {
    let got = post(door, path, body);
    assert_eq!((got.code, got.message().as_str()), (code, text), "{body}");
}
