//! What an APIService's server says of itself: its resources for discovery, and where its OpenAPI is.

use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::Remote;
use super::check::get;
use crate::server::State;

/// What clients who take one document for everything ask for, and what old servers have.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// What one version's server says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Description {
    /// `APIVersionDiscovery`: the version, its resources, how fresh that is.
    pub(super) discovery: Value,
    /// `serverRelativeURL` of its OpenAPI v3.
    pub(super) openapi: Option<String>,
}

impl Description {
    /// That of a server that was never reached.
    fn unknown(remote: &Remote) -> Self {
        Self {
            discovery: json!({"version": remote.version, "freshness": "Stale"}),
            openapi: None,
        }
    }

    /// The same, as it was before the server ceased to answer.
    fn stale(mut self) -> Self {
        self.discovery["freshness"] = "Stale".into();
        self
    }
}

/// Asks the server; one that does not answer is described as it was before.
pub(super) async fn describe(state: &State, remote: &Remote, before: Option<&Description>) -> Description {
    let known = || before.cloned().unwrap_or_else(|| Description::unknown(remote));
    if !remote.available {
        return known().stale();
    }
    match resources(state, remote).await {
        Ok(mut discovery) => {
            discovery["freshness"] = "Current".into();
            Description {
                discovery,
                openapi: openapi(state, remote).await,
            }
        }
        Err(why) => {
            tracing::debug!(
                service = remote.name,
                why,
                "an APIService does not say what it serves"
            );
            known().stale()
        }
    }
}

async fn resources(state: &State, remote: &Remote) -> Result<Value, String> {
    if let Ok(answer) = get(state, remote, "/apis", ACCEPT).await {
        let kind = answer.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.contains("as=APIGroupDiscoveryList") {
            return Ok(version_of(&answer.body, remote));
        }
    }
    let plain = get(state, remote, &remote.root(), "application/json").await?;
    Ok(json!({"version": remote.version, "resources": of_plain(&plain.body)}))
}

/// The version's part of an aggregated document; a server may leave it out.
fn version_of(document: &Value, remote: &Remote) -> Value {
    let groups = document["items"].as_array().into_iter().flatten();
    let versions = groups
        .filter(|group| group["metadata"]["name"] == remote.group.as_str())
        .flat_map(|group| group["versions"].as_array().into_iter().flatten());
    let found = versions
        .into_iter()
        .find(|version| version["version"] == remote.version.as_str());
    let mut found = found
        .cloned()
        .unwrap_or_else(|| json!({"version": remote.version}));
    for resource in objects(&mut found, "resources") {
        // Clients of 1.26 cannot do without.
        kind_of(resource);
        objects(resource, "subresources").for_each(kind_of);
    }
    found
}

/// The objects of a list; whatever else another server has put there goes.
fn objects<'a>(of: &'a mut Value, member: &str) -> impl Iterator<Item = &'a mut Value> {
    let mut list = of.get_mut(member).and_then(Value::as_array_mut);
    if let Some(list) = &mut list {
        list.retain(Value::is_object);
    }
    list.into_iter().flatten()
}

fn kind_of(resource: &mut Value) {
    if let Some(members) = resource.as_object_mut() {
        let kind = members.entry("responseKind").or_insert(Value::Null);
        if kind.is_null() {
            *kind = json!({"group": "", "version": "", "kind": ""});
        }
    }
}

/// An `APIResourceList`'s resources, each with those below it.
fn of_plain(list: &Value) -> Vec<Value> {
    let all = || list["resources"].as_array().into_iter().flatten();
    let name = |resource: &Value| resource["name"].as_str().unwrap_or_default().to_owned();
    let own = all().filter(|resource| !name(resource).contains('/'));
    let with_below = own.map(|resource| {
        let prefix = format!("{}/", name(resource));
        let below: Vec<Value> = all()
            .filter_map(|other| Some(subresource(other, name(other).strip_prefix(&prefix)?)))
            .collect();
        let mut made = resource_of(resource);
        if !below.is_empty() {
            made["subresources"] = below.into();
        }
        made
    });
    with_below.collect()
}

fn resource_of(resource: &Value) -> Value {
    let mut made = json!({
        "resource": resource["name"],
        "responseKind": response_kind(resource),
        "scope": if resource["namespaced"] == true { "Namespaced" } else { "Cluster" },
        "singularResource": resource["singularName"].as_str().unwrap_or_default(),
        "verbs": resource["verbs"],
    });
    for member in ["shortNames", "categories"] {
        if resource[member].is_array() {
            made[member] = resource[member].clone();
        }
    }
    made
}

fn subresource(resource: &Value, name: &str) -> Value {
    json!({"subresource": name, "responseKind": response_kind(resource), "verbs": resource["verbs"]})
}

fn response_kind(resource: &Value) -> Value {
    let text = |member: &str| resource[member].as_str().unwrap_or_default();
    json!({"group": text("group"), "version": text("version"), "kind": text("kind")})
}

/// Where the server has its OpenAPI v3 of the version; old servers have none.
async fn openapi(state: &State, remote: &Remote) -> Option<String> {
    let index = get(state, remote, "/openapi/v3", "application/json").await.ok()?;
    let place = format!("apis/{}", remote.api_version());
    let url = index.body["paths"][place]["serverRelativeURL"].as_str()?;
    Some(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Trust;
    use crate::outbound::service::Reference;

    #[test]
    fn nothing_that_another_server_says_is_more_than_it_is() {
        let remote = Remote {
            name: "v1.g.io".to_owned(),
            group: "g.io".to_owned(),
            version: "v1".to_owned(),
            to: Reference {
                namespace: "n".to_owned(),
                name: "s".to_owned(),
                port: 443,
            },
            trust: Trust::Anyone,
            available: true,
            priority: openapi::group_priority("g.io", "v1"),
        };
        let kind = json!({"group": "", "version": "", "kind": ""});
        let of = |version: Value| json!({"items": [1, {"metadata": {"name": "g.io"}, "versions": [null, version]}]});
        let cases = [
            (json!("boom"), json!({"version": "v1"})),
            (json!({"items": {"a": 1}}), json!({"version": "v1"})),
            (of(json!("v1")), json!({"version": "v1"})),
            (
                of(json!({"version": "v1", "resources": 7})),
                json!({"version": "v1", "resources": 7}),
            ),
            (
                of(
                    json!({"version": "v1", "resources": ["boom", {"resource": "a", "responseKind": null, "subresources": [1]}]}),
                ),
                json!({"version": "v1", "resources": [{"resource": "a", "responseKind": kind, "subresources": []}]}),
            ),
        ];
        for (document, wanted) in cases {
            assert_eq!(version_of(&document, &remote), wanted, "{document}");
        }
        for list in [
            json!(1),
            json!({"resources": "x"}),
            json!({"resources": [1, null, {"name": 3}]}),
        ] {
            of_plain(&list);
        }
    }

    #[test]
    fn a_plain_list_becomes_resources_with_what_is_below_them() {
        let list = json!({"resources": [
            {"name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"], "shortNames": ["pm"]},
            {"name": "pods/status", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get"]},
            {"name": "nodes", "singularName": "node", "namespaced": false, "kind": "NodeMetrics", "verbs": ["get"]},
        ]});
        let kind = |kind: &str| json!({"group": "", "version": "", "kind": kind});
        assert_eq!(
            Value::from(of_plain(&list)),
            json!([
                {
                    "resource": "pods", "responseKind": kind("PodMetrics"), "scope": "Namespaced", "singularResource": "",
                    "verbs": ["get", "list"], "shortNames": ["pm"],
                    "subresources": [{"subresource": "status", "responseKind": kind("PodMetrics"), "verbs": ["get"]}],
                },
                {
                    "resource": "nodes", "responseKind": kind("NodeMetrics"), "scope": "Cluster", "singularResource": "node",
                    "verbs": ["get"],
                },
            ])
        );
    }
}
