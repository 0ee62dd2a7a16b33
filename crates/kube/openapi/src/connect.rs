//! Paths that connect to what runs: exec, attach, port-forward, proxies, and the log. Their parameters are the members
//! of the options' kind.

use serde_json::{Map, Value, json};

use crate::parameters::{self, PRETTY};
use crate::paths::{Target, answers, capital, content};

/// What a proxy passes on.
const ALL: &[&str] = &["delete", "get", "head", "options", "patch", "post", "put"];
/// A stream is begun by either.
const STREAM: &[&str] = &["get", "post"];

/// Whether a subresource of this kind is a connection.
pub(crate) fn is_connection(kind: &str) -> bool {
    const STREAMS: [&str; 3] = ["PodExecOptions", "PodAttachOptions", "PodPortForwardOptions"];
    STREAMS.contains(&kind) || kind.ends_with("ProxyOptions")
}

/// The paths of a connection: its own, and for a proxy the one with a path behind it.
pub(crate) fn paths(target: &Target<'_>, path: &str) -> Vec<(String, Value)> {
    if !target.kind.2.ends_with("ProxyOptions") {
        return vec![(path.to_owned(), item(target, path, STREAM, ""))];
    }
    let deeper = format!("{path}/{{path}}");
    vec![
        (path.to_owned(), item(target, path, ALL, "")),
        (deeper.clone(), item(target, &deeper, ALL, "WithPath")),
    ]
}

fn item(target: &Target<'_>, path: &str, methods: &[&str], suffix: &str) -> Value {
    let (group, version, kind) = target.kind;
    let operation = |method: &&str| {
        let upper = method.to_uppercase();
        let operation = json!({
            "operationId": target.named(path, "connect", &capital(method), suffix),
            "description": format!("connect {upper} requests to {} of {}", target.below, target.def.kind),
            "tags": [target.tag()],
            "responses": answers(&[("200", "OK")], &content(&["*/*"], &text())),
            "x-kubernetes-action": "connect",
            "x-kubernetes-group-version-kind": { "group": group, "version": version, "kind": kind },
        });
        ((*method).to_owned(), operation)
    };
    let mut item: Map<String, Value> = methods.iter().map(operation).collect();
    let mut all: Vec<Value> = parameters::of_path(path)
        .chain(parameters::of_kind(kind))
        .collect();
    all.sort_by_key(|parameter| parameter["name"].as_str().unwrap_or_default().to_owned());
    item.insert("parameters".to_owned(), json!(all));
    Value::Object(item)
}

/// The log of a pod, which is read as text.
pub(crate) fn log(target: &Target<'_>, path: &str) -> Vec<(String, Value)> {
    const TEXT: [&str; 4] = [
        "text/plain",
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
    ];
    let (group, version, kind) = target.kind;
    let mut all: Vec<Value> = parameters::of_path(path)
        .chain(parameters::of_kind("PodLogOptions"))
        .chain(parameters::query(PRETTY))
        .collect();
    all.sort_by_key(|parameter| parameter["name"].as_str().unwrap_or_default().to_owned());
    let item = json!({
        "get": {
            "operationId": target.named(path, "read", "", ""),
            "description": format!("read log of the specified {}", target.def.kind),
            "tags": [target.tag()],
            "responses": answers(&[("200", "OK")], &content(&TEXT, &text())),
            "x-kubernetes-action": "get",
            "x-kubernetes-group-version-kind": { "group": group, "version": version, "kind": kind },
        },
        "parameters": all,
    });
    vec![(path.to_owned(), item)]
}

fn text() -> Value {
    json!({ "type": "string" })
}
