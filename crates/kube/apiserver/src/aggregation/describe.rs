//! What an APIService's server says of itself: its resources for discovery, and where its OpenAPI is.

use http::header::CONTENT_TYPE;
use serde::{Deserialize, Deserializer, Serialize};
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
    match resources(state, remote).await.and_then(current) {
        Ok(discovery) => Description {
            discovery,
            openapi: openapi(state, remote).await,
        },
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
    let mut versions = groups
        .filter(|group| group["metadata"]["name"] == remote.group.as_str())
        .flat_map(|group| group["versions"].as_array().into_iter().flatten());
    let found = versions.find(|version| version["version"] == remote.version.as_str());
    found
        .cloned()
        .unwrap_or_else(|| json!({"version": remote.version}))
}

/// `APIVersionDiscovery`. What another server says is read into it whole or not at all, so that nothing else reaches the
/// document that all clients read.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Version {
    version: String,
    #[serde(deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource>,
    #[serde(skip_deserializing)]
    freshness: &'static str,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Resource {
    resource: String,
    /// Clients of 1.26 cannot do without.
    #[serde(deserialize_with = "or_none")]
    response_kind: Kind,
    scope: String,
    singular_resource: String,
    #[serde(deserialize_with = "or_none")]
    verbs: Vec<String>,
    #[serde(deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    short_names: Vec<String>,
    #[serde(deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    categories: Vec<String>,
    #[serde(deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<Subresource>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Subresource {
    subresource: String,
    #[serde(deserialize_with = "or_none")]
    response_kind: Kind,
    #[serde(deserialize_with = "or_none")]
    verbs: Vec<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Kind {
    group: String,
    version: String,
    kind: String,
}

/// `null` is nothing, as Go reads it.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// What a server said, as it is shown.
///
/// # Errors
/// It is no description of a version.
fn current(said: Value) -> Result<Value, String> {
    let version: Version = serde_json::from_value(said).map_err(|error| error.to_string())?;
    let version = Version {
        freshness: "Current",
        ..version
    };
    serde_json::to_value(version).map_err(|error| error.to_string())
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
    let url = index.body["paths"][&place]["serverRelativeURL"].as_str()?;
    // Only what leads there through this server.
    url.starts_with(&format!("/openapi/v3/{place}"))
        .then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Trust;
    use crate::outbound::service::Reference;

    fn remote() -> Remote {
        Remote {
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
        }
    }

    #[test]
    fn nothing_that_another_server_says_is_more_than_it_is() {
        let of = |version: Value| json!({"items": [1, {"metadata": {"name": "g.io"}, "versions": [null, version]}]});
        let resources = |resources: Value| of(json!({"version": "v1", "resources": resources}));
        let empty = || Some(json!({"version": "v1", "freshness": "Current"}));
        let shown = json!({
            "resource": "a", "responseKind": {"group": "", "version": "", "kind": ""}, "scope": "",
            "singularResource": "", "verbs": [],
        });
        let cases = [
            (json!("boom"), empty()),
            (json!({"items": {"a": 1}}), empty()),
            (of(json!("v1")), empty()),
            (resources(Value::Null), empty()),
            (resources(json!(7)), None),
            (resources(json!(["boom"])), None),
            (resources(json!([{"resource": "a", "verbs": "get"}])), None),
            (resources(json!([{"resource": "a", "subresources": [1]}])), None),
            (
                resources(json!([{"resource": "a", "responseKind": null, "other": 1}])),
                Some(json!({"version": "v1", "freshness": "Current", "resources": [shown]})),
            ),
        ];
        for (document, wanted) in cases {
            assert_eq!(
                current(version_of(&document, &remote())).ok(),
                wanted,
                "{document}"
            );
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
