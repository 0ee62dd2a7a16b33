//! Boils upstream's OpenAPI paths down to `facts/resources.tsv`: which resources and subresources
//! are served, with which kind, scope and verbs.

use super::{Result, shared::join};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

const HEADER: &str = "\
# Resources served by Kubernetes v1.36: group, version, plural, kind, scope, verbs.\n\
# Indented twice, its subresources: name, group, version and kind of the body, verbs.\n";

/// (group, version, plural, subresource or nothing)
type Key = (String, String, String, String);

#[derive(Default)]
struct Endpoint {
    namespaced: bool,
    kind: [String; 3],
    verbs: BTreeSet<&'static str>,
}

pub(super) fn resources(kubernetes: &Path) -> Result<String> {
    let swagger: Value = serde_json::from_slice(&std::fs::read(kubernetes.join("swagger.json"))?)?;
    let paths = swagger["paths"].as_object().ok_or("swagger.json has no paths")?;
    let mut endpoints: BTreeMap<Key, Endpoint> = BTreeMap::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            if let Some(action) = operation["x-kubernetes-action"].as_str() {
                record(&mut endpoints, path, method, action, operation)?;
            }
        }
    }
    print(&endpoints)
}

fn record(
    endpoints: &mut BTreeMap<Key, Endpoint>,
    path: &str,
    method: &str,
    action: &str,
    op: &Value,
) -> Result<()> {
    let (key, namespaced) = parse(path).ok_or_else(|| format!("cannot read the path {path}"))?;
    let endpoint = endpoints.entry(key).or_default();
    endpoint.namespaced |= namespaced;
    if let Some(verb) = verb(action, method) {
        endpoint.verbs.insert(verb);
    }
    let kind = &op["x-kubernetes-group-version-kind"];
    endpoint.kind = ["group", "version", "kind"].map(|k| kind[k].as_str().unwrap_or("").to_owned());
    Ok(())
}

/// Takes `/apis/GROUP/VERSION[/watch][/namespaces/{namespace}]/PLURAL[/{name}[/SUB]]` apart.
fn parse(path: &str) -> Option<(Key, bool)> {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version) = match parts.first() {
        Some(&"api") => ("", *parts.get(1)?),
        _ => (*parts.get(1)?, *parts.get(2)?),
    };
    parts.drain(..if group.is_empty() { 2 } else { 3 });
    if parts.first() == Some(&"watch") {
        parts.remove(0);
    }
    let namespaced = parts.len() > 2 && parts[..2] == ["namespaces", "{namespace}"];
    if namespaced {
        parts.drain(..2);
    }
    let sub = parts.get(2).copied().unwrap_or("");
    Some((
        [group, version, parts.first()?, sub].map(str::to_owned).into(),
        namespaced,
    ))
}

/// The RBAC verb of an operation; a connect operation has the verb of its HTTP method.
fn verb(action: &str, method: &str) -> Option<&'static str> {
    Some(match (action, method) {
        ("get", _) | ("connect", "get") => "get",
        ("list", _) => "list",
        ("watch" | "watchlist", _) => "watch",
        ("post", _) | ("connect", "post") => "create",
        ("put", _) | ("connect", "put") => "update",
        ("patch", _) | ("connect", "patch") => "patch",
        ("delete", _) | ("connect", "delete") => "delete",
        ("deletecollection", _) => "deletecollection",
        _ => return None,
    })
}

fn print(endpoints: &BTreeMap<Key, Endpoint>) -> Result<String> {
    let mut out = String::from(HEADER);
    for ((group, version, plural, sub), endpoint) in endpoints {
        let verbs: Vec<&str> = endpoint.verbs.iter().copied().collect();
        let [kind_group, kind_version, kind] = &endpoint.kind;
        let line = if sub.is_empty() {
            let scope = if namespaced(endpoints, (group, version, plural)) {
                "namespaced"
            } else {
                "cluster"
            };
            join(&[group, version, plural, kind, scope, &verbs.join(",")])
        } else {
            join(&["", "", sub, kind_group, kind_version, kind, &verbs.join(",")])
        };
        writeln!(out, "{line}")?;
    }
    Ok(out)
}

fn namespaced(endpoints: &BTreeMap<Key, Endpoint>, (group, version, plural): (&str, &str, &str)) -> bool {
    endpoints.iter().any(|((g, v, p, _), e)| {
        (g.as_str(), v.as_str(), p.as_str()) == (group, version, plural) && e.namespaced
    })
}
